package io.syncbridge;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * A flag to wait for, as Python's {@code threading.Event}. Every set has a version, so that a pulse
 * (set, then clear) is not missed by who waits for a set after a version it has seen.
 */
public final class BridgeEvent {
  private static final long NO_VERSION = -1;

  private final Connection connection;
  private final long id;
  private final String name;

  BridgeEvent(Connection connection, String name, Boolean autoReset) {
    this.connection = connection;
    int reset = autoReset == null ? -1 : autoReset ? 1 : 0;
    long declaring = Native.eventOpen(connection.id, name, reset, false);
    long event = connection.declared(declaring, "event", name);
    this.id = event;
    this.name = Native.eventName(event);
    FromNative.whenUnreachable(this, () -> Native.eventDrop(event));
  }

  private <T> Call<T> call(long started, Function<long[], T> read) {
    return new Call<>(connection, started, value -> read.apply((long[]) value));
  }

  private static long version(Call<Long> call) {
    call.awaitUninterruptibly();
    return call.take();
  }

  private int who() {
    return connection.participants.current();
  }

  /** Its name. */
  public String name() {
    return name;
  }

  /**
   * Sets it and wakes every waiter; one that resets itself wakes one waiter and is clear again.
   *
   * @return the version of this set: 1 for the first, then one more each
   */
  public long set() {
    return version(call(Native.eventSet(id, who()), values -> values[0]));
  }

  /**
   * Clears it.
   *
   * @return the version of the latest set, 0 before the first
   */
  public long clear() {
    return version(call(Native.eventClear(id, who()), values -> values[0]));
  }

  private long[] describe() {
    Call<long[]> call = call(Native.eventDescribe(id, who()), values -> values);
    call.awaitUninterruptibly();
    return call.take();
  }

  /** Whether it is set now. */
  public boolean isSet() {
    return describe()[0] != 0;
  }

  /** The version of the latest set, 0 before the first. */
  public long version() {
    return describe()[1];
  }

  /** Waits until it is set. */
  public void await() throws InterruptedException {
    await(null, NO_VERSION);
  }

  /** Waits until it is set. False: the time was over first. */
  public boolean await(long timeout, TimeUnit unit) throws InterruptedException {
    return await(Duration.ofNanos(Times.nanos(timeout, unit)), NO_VERSION);
  }

  /**
   * Waits until it is set, or has been set since the version {@code after}, even if it was cleared
   * since.
   *
   * @param timeout null for no end
   * @param after a version that {@link #set} or {@link #version} answered with
   * @return false: the time was over first
   */
  public boolean await(Duration timeout, long after) throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
    Call<Boolean> call = waiting(timeout, after);
    return call.await() && call.take();
  }

  /**
   * A future of {@link #await()}: true once it is set, false when the time was over first.
   *
   * @param timeout null for no end
   */
  public CompletableFuture<Boolean> awaitAsync(Duration timeout) {
    return CallFuture.of(waiting(timeout, NO_VERSION));
  }

  private Call<Boolean> waiting(Duration timeout, long after) {
    return call(Native.eventWait(id, who(), Times.nanos(timeout), after), values -> values[0] != 0);
  }

  @Override
  public String toString() {
    return "BridgeEvent(" + name + ")";
  }
}
