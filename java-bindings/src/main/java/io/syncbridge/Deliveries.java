package io.syncbridge;

import java.util.AbstractList;
import java.util.List;

/**
 * Items leased in one step. What was not settled one by one is acknowledged together by {@link
 * #ack}, or given back together by {@link #close}.
 *
 * @param <E> the type of the items
 */
public final class Deliveries<E> extends AbstractList<Delivery<E>> implements AutoCloseable {
  private final BridgeQueue<E> queue;
  private final List<Delivery<E>> deliveries;

  Deliveries(BridgeQueue<E> queue, List<Delivery<E>> deliveries) {
    this.queue = queue;
    this.deliveries = deliveries;
  }

  @Override
  public Delivery<E> get(int index) {
    return deliveries.get(index);
  }

  @Override
  public int size() {
    return deliveries.size();
  }

  /** The items. */
  public List<E> values() {
    return deliveries.stream().map(Delivery::value).toList();
  }

  private long[] unsettled() {
    return deliveries.stream().filter(Delivery::settle).mapToLong(Delivery::token).toArray();
  }

  /** All that is not settled yet is done. */
  public void ack() {
    long[] tokens = unsettled();
    if (tokens.length > 0) {
      queue.ack(tokens);
    }
  }

  /** Gives back all that is not settled yet. */
  public void nack(Delivery.Reentry reentry, String error) {
    long[] tokens = unsettled();
    if (tokens.length > 0) {
      queue.nack(reentry, error, tokens);
    }
  }

  /** Gives back all that is not settled yet, each to its place. */
  @Override
  public void close() {
    nack(Delivery.Reentry.PLACE, "");
  }
}
