package io.syncbridge;

import java.util.concurrent.atomic.AtomicBoolean;

/** Permits of a semaphore that only this object gives back. */
public final class Permit implements AutoCloseable {
  private final BridgeSemaphore semaphore;
  private final long token;
  private final int permits;
  private final AtomicBoolean released = new AtomicBoolean();

  Permit(BridgeSemaphore semaphore, long token, int permits) {
    this.semaphore = semaphore;
    this.token = token;
    this.permits = permits;
  }

  /** The fencing token: larger than that of any grant before it in the namespace. */
  public long token() {
    return token;
  }

  /** How many permits it stands for. */
  public int permits() {
    return permits;
  }

  /**
   * Gives the permits back; the second time does nothing.
   *
   * @throws SyncBridgeException {@code STALE} where they had been lost: the session had expired,
   *     and somebody else may have been inside meanwhile
   */
  @Override
  public void close() {
    if (released.compareAndSet(false, true)) {
      semaphore.release(permits, token);
    }
  }

  @Override
  public String toString() {
    return "Permit(" + semaphore.name() + ", " + permits + ", token " + token + ")";
  }
}
