package io.syncbridge;

import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;

/**
 * A call under way in native code. Its caller leads the connection for a slice, then parks in Java
 * until the collector wakes it; in a {@link ForkJoinPool} another worker stands in meanwhile. What
 * it is granted is an offer until {@link #accept}; dropped before that, it goes back. One thread
 * waits for it at a time.
 *
 * @param <T> what the call comes to
 */
final class Call<T> implements ForkJoinPool.ManagedBlocker {
  private static final int WAITING = 0;
  private static final int NOT_IN_TIME = 2;
  private static final int WITHDRAWN = 3;

  /** The number of a call that ended in the slice in which it was started, and was accepted. */
  private static final long NONE = 0;

  /** Added to a status where other calls ended too. */
  private static final int COLLECT = 16;

  /** A call's number stands above its status where native code answers with both. */
  private static final int STATUS_BITS = 5;

  /** In the place of a status: no native method has been asked yet. */
  private static final int NOT_LED = -1;

  /** In the place of a slice: nobody waits where the call is started. */
  static final long LATER = -1;

  /**
   * How long a platform thread may carry the connection itself before it parks. Parked, it is woken
   * by the collector, which the server's answer has to wake first: two threads more on its way. An
   * interrupt waits for as long.
   */
  private static final long LEAD_NANOS = 1_000_000;

  /** How long the answer to a withdrawal is waited for. */
  static final long CANCEL_NANOS = TimeUnit.SECONDS.toNanos(1);

  private static final long FOR_EVER = Long.MAX_VALUE;

  private final Connection connection;
  private final long id;
  private final Function<Object, T> read;
  private volatile boolean mayHaveEnded;
  private volatile Thread parked;
  private volatile Runnable listener;

  /** How the slice ended in which it was started; of interest once. */
  private int started;

  /** What it was granted within that slice. */
  private final Object granted;

  /** How long its caller parks, from {@code parkedAt}. */
  private long parkNanos;

  private long parkedAt;

  /**
   * @param id the number of the started call
   * @param read makes the result of what native code answers
   */
  Call(Connection connection, long id, Function<Object, T> read) {
    this(connection, id, NOT_LED, null, read);
  }

  private Call(
      Connection connection, long id, int started, Object granted, Function<Object, T> read) {
    this.connection = connection;
    this.id = id;
    this.started = started;
    this.granted = granted;
    this.read = read;
  }

  /**
   * A call whose caller led while it was started, for {@link #leadNanos}: most end within that, and
   * have crossed into native code once. With {@link #LATER} it is as any other.
   *
   * @param started number and status
   * @param granted what it was granted by then, as an offer still; null if nothing
   */
  static <T> Call<T> led(
      Connection connection, long slice, long started, Object granted, Function<Object, T> read) {
    int status = (int) started & (1 << STATUS_BITS) - 1;
    if ((status & COLLECT) != 0) {
      connection.collectNow();
    }
    int known = slice == LATER ? NOT_LED : status & ~COLLECT;
    return new Call<>(connection, started >> STATUS_BITS, known, granted, read);
  }

  /** For how long this thread may lead. */
  static long leadNanos() {
    return Threads.isVirtual(Thread.currentThread()) ? 0 : LEAD_NANOS;
  }

  /**
   * Waits to the end. False: not in time.
   *
   * <p>An interrupt withdraws the call, and the answer to that is waited for, for at most a second.
   * If the call had ended before, it counts: the interrupt stays pending.
   */
  boolean await() throws InterruptedException {
    int status = await(FOR_EVER, true);
    if (status == WAITING) {
      Thread.interrupted();
      withdraw();
      status = await(CANCEL_NANOS, false);
      if (status == WAITING) {
        status = Native.callGiveUp(id);
      }
      if (status == WITHDRAWN) {
        drop();
        throw new InterruptedException();
      }
      Thread.currentThread().interrupt();
    }
    return inTime(status);
  }

  /** Waits to the end, whatever interrupts come; they stay pending. False: not in time. */
  boolean awaitUninterruptibly() {
    return inTime(await(FOR_EVER, false));
  }

  /** The same, for at most that long. False: it has not ended. */
  boolean endsWithin(long nanos) {
    return await(nanos, false) != WAITING;
  }

  /** Its status when it has ended, time is over, or an interrupt came. */
  private int await(long nanos, boolean interruptibly) {
    long began = System.nanoTime();
    boolean interrupted = false;
    int status = lead();
    long left = nanos;
    while (status == WAITING && left > 0) {
      if (Thread.currentThread().isInterrupted()) {
        if (interruptibly) {
          break;
        }
        interrupted = Thread.interrupted();
      }
      status = park(left);
      if (nanos != FOR_EVER) {
        left = nanos - (System.nanoTime() - began);
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return status;
  }

  private int lead() {
    int status = started == NOT_LED ? status(leadNanos()) : started;
    started = NOT_LED;
    return status;
  }

  private int status(long sliceNanos) {
    int status = Native.callAwait(id, sliceNanos);
    if ((status & COLLECT) != 0) {
      connection.collectNow();
    }
    return status & ~COLLECT;
  }

  private int park(long nanos) {
    parkNanos = nanos;
    parkedAt = System.nanoTime();
    parked = Thread.currentThread();
    mayHaveEnded = false;
    connection.watch(id, this);
    try {
      ForkJoinPool.managedBlock(this);
    } catch (InterruptedException e) {
      throw new AssertionError("block() does not throw it", e);
    }
    parked = null;
    return status(0);
  }

  /** Not for callers: parks once. */
  @Override
  public boolean block() {
    if (parkNanos == FOR_EVER) {
      LockSupport.park(this);
    } else {
      LockSupport.parkNanos(this, parkNanos);
    }
    return isReleasable();
  }

  /** Not for callers: whether there is no reason to park (any longer). */
  @Override
  public boolean isReleasable() {
    return mayHaveEnded
        || Thread.currentThread().isInterrupted()
        || System.nanoTime() - parkedAt >= parkNanos;
  }

  private boolean inTime(int status) {
    if (status == NOT_IN_TIME) {
      drop();
    }
    return status != NOT_IN_TIME;
  }

  /** Has {@code listener} run on the collector, once, when the call may have ended. */
  void whenEnded(Runnable listener) {
    this.listener = listener;
    connection.watch(id, this);
  }

  /** Called by the collector. */
  void ended() {
    mayHaveEnded = true;
    Thread thread = parked;
    if (thread != null) {
      LockSupport.unpark(thread);
    }
    Runnable told = listener;
    if (told != null) {
      told.run();
    }
  }

  boolean hasEnded() {
    return status(0) != WAITING;
  }

  /** Whether it was withdrawn: nothing of it remains. */
  boolean isWithdrawn() {
    return status(0) == WITHDRAWN;
  }

  /**
   * Asks for the call to be withdrawn, without waiting: how it ends tells whether that was in time.
   */
  void withdraw() {
    Native.callCancel(id);
  }

  /** Ends a call whose withdrawal was not answered in time. */
  void giveUp() {
    Native.callGiveUp(id);
  }

  /** What the call comes to, as an offer still. Throws where it failed. */
  T value() {
    try {
      return read.apply(granted == null ? Native.callValue(id) : granted);
    } catch (Throwable e) {
      drop();
      throw e;
    }
  }

  /** The caller's last step. */
  void accept() {
    if (id != NONE) {
      Native.callAccept(id);
    }
  }

  /** What the call comes to, for good. */
  T take() {
    T value = value();
    accept();
    return value;
  }

  /** Withdraws what is under way, refuses what was granted. */
  void drop() {
    connection.forget(id);
    Native.callDrop(id);
  }
}
