package io.syncbridge;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A leased item: it stays with the session under a token until it is acknowledged, and comes back
 * when the session ends before. {@link #close} gives it back unless it was acknowledged, nacked or
 * rejected; only the first of these counts, and the rest do nothing:
 *
 * <pre>{@code
 * try (Delivery<Job> job = jobs.lease()) {
 *   work(job.value());
 *   job.ack();
 * }
 * }</pre>
 *
 * @param <E> the type of the items
 */
public final class Delivery<E> implements AutoCloseable {
  private final BridgeQueue<E> queue;
  private final FromNative.Item item;
  private final E value;
  private final AtomicBoolean settled = new AtomicBoolean();

  Delivery(BridgeQueue<E> queue, FromNative.Item item, E value) {
    this.queue = queue;
    this.item = item;
    this.value = value;
  }

  /** The item. */
  public E value() {
    return value;
  }

  /** The item's number, the same in every delivery. */
  public long id() {
    return item.id();
  }

  /**
   * The fencing token of this delivery: larger than that of any grant before it in the namespace.
   */
  public long token() {
    return item.token();
  }

  /** 1 for the first delivery; grows whenever one ends without an ack. */
  public int attempt() {
    return item.attempt();
  }

  /** How long the item had been in the queue when it was delivered. */
  public Duration age() {
    return Duration.ofNanos(item.ageNanos());
  }

  /**
   * The item is done.
   *
   * @throws SyncBridgeException {@code STALE} where it does not belong to this session any more
   */
  public void ack() {
    if (settle()) {
      queue.ack(item.token());
    }
  }

  /**
   * Gives the item back to its place in the queue, as {@link #close} does.
   *
   * @throws SyncBridgeException {@code STALE}, as {@link #ack}
   */
  public void nack() {
    nack(Reentry.PLACE, "");
  }

  /**
   * Gives the item back and says why. After the queue's {@code maxDeliveries} it is a dead letter
   * instead.
   *
   * @param error kept with the item as its last error
   * @throws SyncBridgeException {@code STALE}, as {@link #ack}
   */
  public void nack(Reentry reentry, String error) {
    if (settle()) {
      queue.nack(reentry, error, item.token());
    }
  }

  /**
   * Sends the item to the dead letters.
   *
   * @param reason kept with the item, as {@code REJECTED: reason}
   * @throws SyncBridgeException {@code STALE}, as {@link #ack}
   */
  public void reject(String reason) {
    if (settle()) {
      queue.reject(reason, item.token());
    }
  }

  /** True for the first who says what becomes of it. */
  boolean settle() {
    return settled.compareAndSet(false, true);
  }

  /** Gives the item back unless something else was said before. */
  @Override
  public void close() {
    nack();
  }

  @Override
  public String toString() {
    return "Delivery(" + item.id() + ", attempt " + item.attempt() + ", " + value + ")";
  }

  /** Where an item that is given back re-enters. */
  public enum Reentry {
    /** At its old place. */
    PLACE,
    /** Next out among equal keys. */
    FRONT,
    /** As a new arrival. */
    BACK
  }
}
