package io.syncbridge;

import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;

/**
 * A call under way in native code. Its caller leads the connection for a slice, then parks in Java
 * until the collector wakes it. What it is granted is an offer until {@link #accept}; dropped
 * before that, it goes back.
 *
 * @param <T> what the call comes to
 */
final class Call<T> {
  private static final int WAITING = 0;
  private static final int NOT_IN_TIME = 2;
  private static final int WITHDRAWN = 3;

  /** Added to a status where other calls ended too. */
  private static final int COLLECT = 16;

  /** How long a platform thread may carry the connection itself before it parks. */
  private static final long LEAD_NANOS = 100_000;

  private static final long CANCEL_MILLIS = 1000;

  private final Connection connection;
  private final long id;
  private final Function<Object, T> read;
  private volatile boolean mayHaveEnded;
  private volatile Thread parked;
  private volatile Runnable listener;

  /**
   * @param id the number of the started call
   * @param read makes the result of what native code answers
   */
  Call(Connection connection, long id, Function<Object, T> read) {
    this.connection = connection;
    this.id = id;
    this.read = read;
  }

  /**
   * Waits to the end. False: not in time.
   *
   * <p>An interrupt withdraws the call. If it had ended before, it counts: the interrupt stays
   * pending.
   */
  boolean await() throws InterruptedException {
    int status = lead();
    while (status == WAITING) {
      if (Thread.interrupted()) {
        status = Native.callCancel(id, CANCEL_MILLIS);
        if (status == WITHDRAWN) {
          drop();
          throw new InterruptedException();
        }
        Thread.currentThread().interrupt();
      } else {
        status = park();
      }
    }
    return inTime(status);
  }

  /** Waits to the end, whatever interrupts come; they stay pending. False: not in time. */
  boolean awaitUninterruptibly() {
    boolean interrupted = false;
    int status = lead();
    while (status == WAITING) {
      interrupted |= Thread.interrupted();
      status = park();
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return inTime(status);
  }

  private int lead() {
    return status(Threads.isVirtual(Thread.currentThread()) ? 0 : LEAD_NANOS);
  }

  private int status(long sliceNanos) {
    int status = Native.callAwait(id, sliceNanos);
    if ((status & COLLECT) != 0) {
      connection.collectNow();
    }
    return status & ~COLLECT;
  }

  private int park() {
    parked = Thread.currentThread();
    mayHaveEnded = false;
    connection.watch(id, this);
    while (!mayHaveEnded && !Thread.currentThread().isInterrupted()) {
      LockSupport.park(this);
    }
    parked = null;
    return status(0);
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

  /** Withdraws it. True: nothing of it remains. False: it had ended otherwise. */
  boolean cancel() {
    return Native.callCancel(id, CANCEL_MILLIS) == WITHDRAWN;
  }

  /** What the call comes to, as an offer still. Throws where it failed. */
  T value() {
    try {
      return read.apply(Native.callValue(id));
    } catch (Throwable e) {
      drop();
      throw e;
    }
  }

  /** The caller's last step. */
  void accept() {
    Native.callAccept(id);
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
