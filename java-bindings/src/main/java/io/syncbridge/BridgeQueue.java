package io.syncbridge;

import java.time.Duration;
import java.util.AbstractQueue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * A {@link BlockingQueue} that is shared with other programs. Beyond the interface: leases,
 * batches, futures, {@code taskDone} and {@code join} as in Python, and {@link #shutdown}.
 *
 * <p>What looks at the whole queue ({@link #contains}, {@link #remove(Object)}, {@link #removeIf},
 * the iterator) reads it page by page, compares with {@code equals} and removes by number; it is
 * weakly consistent. Operations that do not wait for others still make a round trip to a served
 * queue. After {@link #shutdown} operations throw a {@link SyncBridgeException} with the reason
 * {@code SHUT_DOWN}.
 *
 * @param <E> the type of the items
 */
public final class BridgeQueue<E> extends AbstractQueue<E> implements BlockingQueue<E> {
  private static final int PAGE = 100;
  private static final int DRAIN = 1000;
  private static final byte[] NO_KEY = null;

  private final Connection connection;
  private final Codec<E> codec;
  private final long id;
  private final String name;
  private final boolean keyed;

  BridgeQueue(Connection connection, String name, Codec<E> codec, QueueOptions options) {
    this.connection = connection;
    this.codec = Objects.requireNonNull(codec, "codec");
    long declaring =
        Native.queueOpen(
            connection.id,
            name,
            options.discipline() == null ? -1 : options.discipline().ordinal(),
            options.maxsize() == null ? -1 : options.maxsize(),
            options.maxDeliveries() == null ? -1 : options.maxDeliveries(),
            options.deadLetters(),
            options.ephemeral());
    long queue = connection.declared(declaring, "queue", name);
    this.id = queue;
    this.name = Native.queueName(queue);
    FromNative.whenUnreachable(this, () -> Native.queueDrop(queue));
    // What was given holds; only who had no opinion about a named queue must ask.
    this.keyed =
        options.discipline() == null && name != null
            ? describe().discipline() == QueueOptions.Discipline.PRIORITY.ordinal()
            : options.discipline() == QueueOptions.Discipline.PRIORITY;
  }

  /** Its name. */
  public String name() {
    return name;
  }

  // Putting.

  private int who() {
    return connection.participants.current();
  }

  private static void checkInterrupt() throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
  }

  private <T> Call<T> call(long started, Function<Object, T> read) {
    return new Call<>(connection, started, read);
  }

  private Call<Void> nothing(long started) {
    return call(started, value -> null);
  }

  private Native.Passed pass(E element) {
    Objects.requireNonNull(element, "element");
    return connection.local
        ? Native.Passed.local(element)
        : Native.Passed.of(codec.encode(element));
  }

  private byte[] key(E element) {
    return keyed ? PriorityKey.ofElement(element) : NO_KEY;
  }

  private Call<Void> putting(E element, byte[] key, long nanos) {
    return putting(element, key, nanos, Call.leadNanos());
  }

  private Call<Void> putting(E element, byte[] key, long nanos, long slice) {
    Native.Passed passed = pass(element);
    long started =
        Native.queuePut(
            id,
            who(),
            passed.form(),
            passed.contentType(),
            passed.body(),
            passed.offset(),
            passed.length(),
            key,
            nanos,
            slice);
    return Call.led(connection, slice, started, null, value -> null);
  }

  private static boolean done(Call<?> call, boolean inTime) {
    if (inTime) {
      call.accept();
    }
    return inTime;
  }

  @Override
  public void put(E element) throws InterruptedException {
    checkInterrupt();
    Call<Void> call = putting(element, key(element), Times.NEVER);
    done(call, call.await());
  }

  /**
   * Puts an element with a priority of its own into a priority queue: the smallest leaves first.
   *
   * @param priority a number, string, {@code byte[]}, or list of them
   */
  public void put(E element, Object priority) throws InterruptedException {
    checkInterrupt();
    Call<Void> call = putting(element, PriorityKey.of(priority), Times.NEVER);
    done(call, call.await());
  }

  @Override
  public boolean offer(E element) {
    Call<Void> call = putting(element, key(element), Times.NOW);
    return done(call, call.awaitUninterruptibly());
  }

  @Override
  public boolean offer(E element, long timeout, TimeUnit unit) throws InterruptedException {
    checkInterrupt();
    Call<Void> call = putting(element, key(element), Times.nanos(timeout, unit));
    return done(call, call.await());
  }

  /**
   * Puts an element without waiting here; the future completes when the queue has it. Cancelling
   * the future withdraws the put as long as it has not been admitted.
   */
  public CompletableFuture<Void> putAsync(E element) {
    return CallFuture.of(putting(element, key(element), Times.NEVER, Call.LATER));
  }

  /**
   * Puts all elements in one step; waits while there is no room for all of them.
   *
   * @throws SyncBridgeException {@code INVALID_ARGUMENT} where there are more than can ever fit
   */
  public void putMany(Collection<? extends E> elements) throws InterruptedException {
    putMany(elements, null);
  }

  /**
   * Puts all elements in one step, or none.
   *
   * @param timeout null for no end
   * @return false: there was no room in time, and none was put
   */
  public boolean putMany(Collection<? extends E> elements, Duration timeout)
      throws InterruptedException {
    checkInterrupt();
    long batch = Native.batchNew();
    try {
      for (E element : elements) {
        Native.Passed passed = pass(element);
        Native.batchAdd(
            batch,
            passed.form(),
            passed.contentType(),
            passed.body(),
            passed.offset(),
            passed.length(),
            key(element));
      }
      Call<Void> call = nothing(Native.queuePutMany(id, who(), batch, Times.nanos(timeout)));
      return done(call, call.await());
    } finally {
      Native.batchDrop(batch);
    }
  }

  // Taking.

  E decode(FromNative.Item item) {
    if (item.payload() == null) {
      return local(item);
    }
    try {
      return codec.decode(item.payload());
    } catch (CodecException e) {
      throw new CodecException(
          "item " + item.id() + " of the queue " + name + " cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * Decodes what is on offer. What cannot be decoded becomes a dead letter; the rest of its batch
   * goes back.
   */
  private E taken(FromNative.Item item) {
    try {
      return decode(item);
    } catch (CodecException e) {
      try {
        reject("UNDECODABLE: " + e.getMessage(), item.token());
      } catch (SyncBridgeException rejected) {
        // On mem: what a call was granted at once is its caller's already.
        if (rejected.reason() != SyncBridgeException.Reason.STALE) {
          e.addSuppressed(rejected);
        }
      }
      throw e;
    }
  }

  private E local(FromNative.Item item) {
    if (!codec.type().isInstance(item.local())) {
      throw new CodecException(
          "item "
              + item.id()
              + " of the queue "
              + name
              + " is a "
              + item.local().getClass().getName()
              + "; the codec of this handle reads "
              + codec.type().getName()
              + "; give every handle of a queue the same codec");
    }
    @SuppressWarnings("unchecked")
    E element = (E) item.local();
    return element;
  }

  private <T> Call<T> taking(
      boolean lease,
      int max,
      int min,
      Duration linger,
      long nanos,
      long slice,
      Function<Object, T> read) {
    long[] started = new long[1];
    long lingerNanos = linger == null ? 0 : Times.nanos(linger);
    Object granted =
        Native.queueTake(id, who(), lease, max, min, lingerNanos, nanos, slice, started);
    return Call.led(connection, slice, started[0], granted, read);
  }

  private Call<List<E>> getting(int max, int min, Duration linger, long nanos) {
    return taking(
        false, max, min, linger, nanos, Call.leadNanos(), items -> map(items, this::taken));
  }

  private Call<E> getting(long nanos, long slice) {
    return taking(false, 1, 1, null, nanos, slice, item -> taken((FromNative.Item) item));
  }

  private Call<List<Delivery<E>>> leasing(int max, int min, Duration linger, long nanos) {
    return taking(
        true, max, min, linger, nanos, Call.leadNanos(), items -> map(items, this::leased));
  }

  private Call<Delivery<E>> leasing(long nanos, long slice) {
    return taking(true, 1, 1, null, nanos, slice, item -> leased((FromNative.Item) item));
  }

  private Delivery<E> leased(FromNative.Item item) {
    return new Delivery<>(this, item, taken(item));
  }

  /** A single item is no array. */
  private static <T> List<T> map(Object items, Function<FromNative.Item, T> read) {
    Object[] all = items instanceof Object[] several ? several : new Object[] {items};
    List<T> list = new ArrayList<>();
    for (Object item : all) {
      list.add(read.apply((FromNative.Item) item));
    }
    return list;
  }

  @Override
  public E take() throws InterruptedException {
    checkInterrupt();
    Call<E> call = getting(Times.NEVER, Call.leadNanos());
    return call.await() ? call.take() : null;
  }

  @Override
  public E poll() {
    Call<E> call = getting(Times.NOW, Call.leadNanos());
    return call.awaitUninterruptibly() ? call.take() : null;
  }

  @Override
  public E poll(long timeout, TimeUnit unit) throws InterruptedException {
    checkInterrupt();
    Call<E> call = getting(Times.nanos(timeout, unit), Call.leadNanos());
    return call.await() ? call.take() : null;
  }

  /**
   * Takes an element without waiting here. Cancelling the future loses nothing: what had been
   * granted goes back.
   */
  public CompletableFuture<E> takeAsync() {
    return CallFuture.of(getting(Times.NEVER, Call.LATER));
  }

  /**
   * Takes several elements in one step.
   *
   * @param max at most so many
   * @param min so many will do when the time is over
   * @param linger how long to wait for {@code max} once {@code min} are there; null for not at all
   * @param timeout null for no end
   * @return none: the time was over with fewer than {@code min}
   */
  public List<E> getMany(int max, int min, Duration linger, Duration timeout)
      throws InterruptedException {
    checkInterrupt();
    Call<List<E>> call = getting(max, min, linger, Times.nanos(timeout));
    return call.await() ? call.take() : List.of();
  }

  /**
   * Leases an element, waiting while there is none: it comes back unless it is acknowledged.
   *
   * @throws CodecException if it cannot be decoded; it has become a dead letter
   */
  public Delivery<E> lease() throws InterruptedException {
    return lease(null);
  }

  /**
   * Leases an element: it comes back unless it is acknowledged.
   *
   * @param timeout how long to wait while there is none; null for no end
   * @return null: the time was over first
   * @throws CodecException if it cannot be decoded; it has become a dead letter
   */
  public Delivery<E> lease(Duration timeout) throws InterruptedException {
    checkInterrupt();
    Call<Delivery<E>> call = leasing(Times.nanos(timeout), Call.leadNanos());
    return call.await() ? call.take() : null;
  }

  /** A future of {@link #lease()}. */
  public CompletableFuture<Delivery<E>> leaseAsync() {
    return CallFuture.of(leasing(Times.NEVER, Call.LATER));
  }

  /** Leases several elements in one step; the arguments are those of {@link #getMany}. */
  public Deliveries<E> leaseMany(int max, int min, Duration linger, Duration timeout)
      throws InterruptedException {
    checkInterrupt();
    Call<List<Delivery<E>>> call = leasing(max, min, linger, Times.nanos(timeout));
    return new Deliveries<>(this, call.await() ? call.take() : List.of());
  }

  private static void settle(Call<Void> call) {
    call.awaitUninterruptibly();
    call.accept();
  }

  void ack(long... tokens) {
    settle(nothing(Native.queueAck(id, who(), tokens)));
  }

  void nack(Delivery.Reentry reentry, String error, long... tokens) {
    settle(nothing(Native.queueNack(id, who(), tokens, reentry.ordinal(), error)));
  }

  void reject(String reason, long... tokens) {
    settle(nothing(Native.queueReject(id, who(), tokens, reason)));
  }

  /** An element that was taken is done; as many as were put, and {@link #join} returns. */
  public void taskDone() {
    taskDone(1);
  }

  /**
   * That many elements are done.
   *
   * @throws IllegalStateException more than were put
   */
  public void taskDone(int count) {
    try {
      settle(nothing(Native.queueTaskDone(id, who(), count)));
    } catch (SyncBridgeException e) {
      if (e.reason() == SyncBridgeException.Reason.TOO_MANY_TASKS_DONE) {
        throw new IllegalStateException(e.getMessage(), e);
      }
      throw e;
    }
  }

  /** Waits until every element that was put has been taken and is done. */
  public void join() throws InterruptedException {
    join(null);
  }

  /**
   * Waits until every element that was put has been taken and is done.
   *
   * @param timeout null for no end
   * @return false: the time was over first
   */
  public boolean join(Duration timeout) throws InterruptedException {
    checkInterrupt();
    Call<Void> call = nothing(Native.queueJoin(id, who(), Times.nanos(timeout)));
    return done(call, call.await());
  }

  /**
   * Shuts the queue down for everybody: puts fail, and gets fail once nothing is left or can come
   * back. What waits then ends with {@code SHUT_DOWN}.
   *
   * @param immediate gets fail at once; what is waiting in the queue is dropped
   */
  public void shutdown(boolean immediate) {
    settle(nothing(Native.queueShutdown(id, who(), immediate)));
  }

  // Looking.

  /** The queue in figures. */
  private record Figures(long ready, long delayed, long maxsize, long discipline) {
    static Figures of(Object values) {
      long[] figures = (long[]) values;
      return new Figures(figures[0], figures[1], figures[2], figures[3]);
    }
  }

  private static <T> T now(Call<T> call) {
    call.awaitUninterruptibly();
    return call.take();
  }

  private Figures describe() {
    return now(call(Native.queueDescribe(id, who()), Figures::of));
  }

  private FromNative.Page page(boolean dead, int pageSize, FromNative.Page after) {
    byte[] key = after == null ? null : after.nextKey();
    long arrival = after == null ? 0 : after.nextArrival();
    return now(
        call(
            Native.queueBrowse(id, who(), dead, pageSize, key, arrival),
            FromNative.Page.class::cast));
  }

  /**
   * The waiting items in the order in which they would leave, without taking them. Reads the queue
   * page by page as the stream is consumed; weakly consistent.
   */
  public Stream<BrowsedItem<E>> browse() {
    return browse(false);
  }

  /**
   * The dead letters that stay in this queue, oldest first, without taking them; read as by {@link
   * #browse}. Where {@link QueueOptions#deadLetters} names another queue, they are waiting items of
   * that one.
   */
  public Stream<BrowsedItem<E>> deadLetters() {
    return browse(true);
  }

  private Stream<BrowsedItem<E>> browse(boolean dead) {
    return Stream.iterate(
            page(dead, PAGE, null),
            Objects::nonNull,
            page -> page.nextKey() == null ? null : page(dead, PAGE, page))
        .flatMap(page -> Arrays.stream(page.items()))
        .map(item -> new BrowsedItem<>(this, (FromNative.Browsed) item));
  }

  @Override
  public int size() {
    return (int) Math.min(Integer.MAX_VALUE, describe().ready());
  }

  @Override
  public int remainingCapacity() {
    Figures figures = describe();
    long room = figures.maxsize() - figures.ready() - figures.delayed();
    return figures.maxsize() == 0
        ? Integer.MAX_VALUE
        : (int) Math.max(0, Math.min(Integer.MAX_VALUE, room));
  }

  @Override
  public E peek() {
    Object[] items = page(false, 1, null).items();
    return items.length == 0 ? null : decode(((FromNative.Browsed) items[0]).item());
  }

  @Override
  public Iterator<E> iterator() {
    return new Browser();
  }

  @Override
  public Spliterator<E> spliterator() {
    return Spliterators.spliteratorUnknownSize(
        iterator(), Spliterator.ORDERED | Spliterator.NONNULL | Spliterator.CONCURRENT);
  }

  /**
   * Walks through the queue page by page. An element taken meanwhile may still be shown, one put
   * may be missed.
   */
  private final class Browser implements Iterator<E> {
    private final Iterator<BrowsedItem<E>> items = browse().iterator();
    private BrowsedItem<E> shown;

    @Override
    public boolean hasNext() {
      return items.hasNext();
    }

    @Override
    public E next() {
      shown = items.next();
      return shown.value();
    }

    @Override
    public void remove() {
      if (shown == null) {
        throw new IllegalStateException("call next() before remove()");
      }
      removeIds(shown.id());
      shown = null;
    }

    long id() {
      return shown.id();
    }
  }

  /** How many of them went. */
  private int removeIds(long... ids) {
    return now(call(Native.queueRemove(id, who(), ids), gone -> ((long[]) gone).length));
  }

  @Override
  public boolean contains(Object element) {
    for (E each : this) {
      if (each.equals(element)) {
        return true;
      }
    }
    return false;
  }

  @Override
  public boolean remove(Object element) {
    Browser browser = new Browser();
    while (browser.hasNext()) {
      if (browser.next().equals(element) && removeIds(browser.id()) == 1) {
        return true;
      }
    }
    return false;
  }

  @Override
  public boolean removeIf(Predicate<? super E> filter) {
    Objects.requireNonNull(filter, "filter");
    List<Long> ids = new ArrayList<>();
    Browser browser = new Browser();
    while (browser.hasNext()) {
      if (filter.test(browser.next())) {
        ids.add(browser.id());
      }
    }
    int removed = 0;
    for (int i = 0; i < ids.size(); i += DRAIN) {
      List<Long> some = ids.subList(i, Math.min(ids.size(), i + DRAIN));
      removed += removeIds(some.stream().mapToLong(Long::longValue).toArray());
    }
    return removed > 0;
  }

  @Override
  public boolean removeAll(Collection<?> elements) {
    return removeIf(Objects.requireNonNull(elements, "elements")::contains);
  }

  @Override
  public boolean retainAll(Collection<?> elements) {
    Objects.requireNonNull(elements, "elements");
    return removeIf(element -> !elements.contains(element));
  }

  @Override
  public void clear() {
    now(nothing(Native.queuePurge(id, who())));
  }

  @Override
  public int drainTo(Collection<? super E> target) {
    return drainTo(target, Integer.MAX_VALUE);
  }

  @Override
  public int drainTo(Collection<? super E> target, int max) {
    Objects.requireNonNull(target, "target");
    if (target == this) {
      throw new IllegalArgumentException("a queue cannot be drained into itself");
    }
    int drained = 0;
    while (drained < max) {
      int wanted = Math.min(DRAIN, max - drained);
      Call<List<E>> call = getting(wanted, 1, null, Times.NOW);
      if (!call.awaitUninterruptibly()) {
        break;
      }
      List<E> some = call.take();
      target.addAll(some);
      drained += some.size();
    }
    return drained;
  }

  /** Names the queue; unlike other collections it does not list its elements. */
  @Override
  public String toString() {
    return "BridgeQueue(" + name + ")";
  }
}
