package io.syncbridge;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * A semaphore with the methods of {@link java.util.concurrent.Semaphore}, fair, whose permits go
 * back when the session that holds them ends, cleanly or not. {@link #acquirePermit} gives a permit
 * that nobody else can release.
 */
public final class BridgeSemaphore {
  private static final long NO_TOKEN = 0;

  private final Connection connection;
  private final long id;
  private final String name;

  BridgeSemaphore(Connection connection, String name, SemaphoreOptions options) {
    this.connection = connection;
    long declaring =
        Native.semaphoreOpen(
            connection.id,
            name,
            options.permits() == null ? Long.MIN_VALUE : options.permits(),
            flag(options.bounded()),
            flag(options.owned()),
            options.ephemeral());
    long semaphore = connection.declared(declaring, "semaphore", name);
    this.id = semaphore;
    this.name = Native.semaphoreName(semaphore);
    FromNative.whenUnreachable(this, () -> Native.semaphoreDrop(semaphore));
  }

  private static int flag(Boolean option) {
    return option == null ? -1 : option ? 1 : 0;
  }

  private <T> Call<T> call(long started, Function<long[], T> read) {
    return new Call<>(connection, started, value -> read.apply((long[]) value));
  }

  private Call<Long> acquiring(int permits, boolean byToken, boolean barge, long nanos) {
    return call(
        Native.semaphoreAcquire(id, who(), positive(permits), byToken, barge, nanos),
        values -> values[0]);
  }

  private static int positive(int permits) {
    if (permits < 0) {
      throw new IllegalArgumentException("permits is " + permits + "; give none or more");
    }
    return permits;
  }

  private int who() {
    return connection.participants.current();
  }

  private static void checkInterrupt() throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
  }

  private static boolean taken(Call<Long> call, boolean ended) {
    if (ended) {
      call.take();
    }
    return ended;
  }

  /** Its name. */
  public String name() {
    return name;
  }

  /** Acquires a permit; waits in line. */
  public void acquire() throws InterruptedException {
    acquire(1);
  }

  /** Acquires that many permits in one step; waits in line. */
  public void acquire(int permits) throws InterruptedException {
    checkInterrupt();
    if (positive(permits) > 0) {
      Call<Long> call = acquiring(permits, false, false, Times.NEVER);
      taken(call, call.await());
    }
  }

  /** Acquires a permit, whatever interrupts come. */
  public void acquireUninterruptibly() {
    acquireUninterruptibly(1);
  }

  /** Acquires that many permits, whatever interrupts come. */
  public void acquireUninterruptibly(int permits) {
    if (positive(permits) > 0) {
      Call<Long> call = acquiring(permits, false, false, Times.NEVER);
      taken(call, call.awaitUninterruptibly());
    }
  }

  /** Acquires a permit if one is free now, past the line. */
  public boolean tryAcquire() {
    return tryAcquire(1);
  }

  /** Acquires that many permits if they are free now, past the line. */
  public boolean tryAcquire(int permits) {
    if (positive(permits) == 0) {
      return true;
    }
    Call<Long> call = acquiring(permits, false, true, Times.NOW);
    return taken(call, call.awaitUninterruptibly());
  }

  /** Acquires a permit; waits in line for at most that long. */
  public boolean tryAcquire(long timeout, TimeUnit unit) throws InterruptedException {
    return tryAcquire(1, timeout, unit);
  }

  /** Acquires that many permits; waits in line for at most that long. */
  public boolean tryAcquire(int permits, long timeout, TimeUnit unit) throws InterruptedException {
    checkInterrupt();
    if (positive(permits) == 0) {
      return true;
    }
    Call<Long> call = acquiring(permits, false, false, Times.nanos(timeout, unit));
    return taken(call, call.await());
  }

  /** Acquires a permit that only the returned object gives back. */
  public Permit acquirePermit() throws InterruptedException {
    return acquirePermit(1);
  }

  /** Acquires that many permits, which only the returned object gives back. */
  public Permit acquirePermit(int permits) throws InterruptedException {
    return tryAcquirePermit(permits, null);
  }

  /**
   * Acquires permits that only the returned object gives back.
   *
   * @param timeout null for no end
   * @return null: the time was over first
   */
  public Permit tryAcquirePermit(int permits, Duration timeout) throws InterruptedException {
    checkInterrupt();
    Call<Long> call = acquiring(permits, true, false, Times.nanos(timeout));
    return call.await() ? new Permit(this, call.take(), permits) : null;
  }

  /**
   * A future of {@link #acquirePermit(int)}. Cancelling it loses nothing: permits that had been
   * granted go back.
   */
  public CompletableFuture<Permit> acquirePermitAsync(int permits) {
    long started = Native.semaphoreAcquire(id, who(), positive(permits), true, false, Times.NEVER);
    return CallFuture.of(call(started, values -> new Permit(this, values[0], permits)));
  }

  /**
   * Gives a permit back: this thread's newest, else another's; where none is held it adds one.
   *
   * @throws SyncBridgeException {@code TOO_MANY_RELEASES} where the semaphore is bounded and at its
   *     limit; {@code STALE} where the permit had been lost: the session had expired, and somebody
   *     else may have been inside meanwhile
   */
  public void release() {
    release(1);
  }

  /** Gives that many permits back, as {@link #release()}. */
  public void release(int permits) {
    if (positive(permits) > 0) {
      release(permits, NO_TOKEN);
    }
  }

  void release(int permits, long token) {
    done(Native.semaphoreRelease(id, who(), permits, token));
  }

  private void done(long started) {
    Call<Object> call = new Call<>(connection, started, value -> value);
    call.awaitUninterruptibly();
    call.accept();
  }

  /** Acquires all that is available and says how many; a negative number is reset to zero. */
  public int drainPermits() {
    Call<Long> call = call(Native.semaphoreDrain(id, who()), values -> values[0]);
    call.awaitUninterruptibly();
    return Math.toIntExact(call.take());
  }

  /** Lowers the number of available permits, below zero if need be, without waiting for them. */
  public void reducePermits(int reduction) {
    if (positive(reduction) > 0) {
      done(Native.semaphoreReduce(id, who(), reduction));
    }
  }

  /**
   * Changes the limit; what is held stays held.
   *
   * @param limit how many permits there are, held ones included
   */
  public void setLimit(long limit) {
    done(Native.semaphoreSetLimit(id, who(), limit));
  }

  /** How many permits are available now; negative where releases must come first. */
  public int availablePermits() {
    return (int) Math.max(Integer.MIN_VALUE, Math.min(Integer.MAX_VALUE, describe()[0]));
  }

  /** How many wait in line, everywhere. */
  public int getQueueLength() {
    return (int) Math.min(Integer.MAX_VALUE, describe()[4]);
  }

  /** Whether anybody waits in line. */
  public boolean hasQueuedThreads() {
    return getQueueLength() > 0;
  }

  /** True: first come, first served. */
  public boolean isFair() {
    return true;
  }

  /** Who holds permits, the oldest grants first; at most a page (1000). */
  public List<PermitHolder> holders() {
    Call<List<PermitHolder>> call =
        new Call<>(
            connection,
            Native.semaphoreHolders(id, who()),
            value -> Arrays.stream((Object[]) value).map(PermitHolder.class::cast).toList());
    call.awaitUninterruptibly();
    return call.take();
  }

  /** available, limit, signals, held, waiting. */
  private long[] describe() {
    Call<long[]> call = call(Native.semaphoreDescribe(id, who()), values -> values);
    call.awaitUninterruptibly();
    return call.take();
  }

  @Override
  public String toString() {
    return "BridgeSemaphore(" + name + ")";
  }
}
