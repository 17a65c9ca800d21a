package io.syncbridge;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * An item that was looked at and not taken: see {@link BridgeQueue#browse} and {@link
 * BridgeQueue#deadLetters}.
 *
 * @param <E> the type of the items
 */
public final class BrowsedItem<E> {
  private final BridgeQueue<E> queue;
  private final FromNative.Browsed browsed;

  BrowsedItem(BridgeQueue<E> queue, FromNative.Browsed browsed) {
    this.queue = queue;
    this.browsed = browsed;
  }

  /**
   * The item, decoded anew by every call.
   *
   * @throws CodecException if it cannot be decoded, which may be why it is a dead letter
   */
  public E value() {
    return queue.decode(browsed.item());
  }

  /** The item's number, the same in every delivery. */
  public long id() {
    return browsed.item().id();
  }

  /** How often it was delivered so far. */
  public int attempts() {
    return browsed.item().attempt();
  }

  /** How long it had been in the queue when it was looked at. */
  public Duration age() {
    return Duration.ofNanos(browsed.item().ageNanos());
  }

  /** The media type of an encoded item; empty on a {@code mem:} bridge, which encodes nothing. */
  public Optional<String> contentType() {
    return Optional.ofNullable(browsed.item().payload()).map(Payload::contentType);
  }

  /** Why it is a dead letter, such as {@code REJECTED: no such customer}; empty if it is none. */
  public Optional<String> deadReason() {
    return Optional.ofNullable(browsed.deadReason());
  }

  /** The last error that a consumer gave when it gave the item back; empty without one. */
  public Optional<String> lastError() {
    return Optional.ofNullable(browsed.lastError());
  }

  /**
   * The sessions that had it without an ack or died while it was offered to them, {@code
   * label@host:pid}, the first ones first; at most as many as the server keeps (16 by default).
   */
  public List<String> consumers() {
    return browsed.consumers();
  }

  @Override
  public String toString() {
    return "BrowsedItem("
        + id()
        + ", attempts "
        + attempts()
        + deadReason().map(why -> ", " + why).orElse("")
        + ")";
  }
}
