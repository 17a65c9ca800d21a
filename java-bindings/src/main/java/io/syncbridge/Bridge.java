package io.syncbridge;

import java.time.Duration;

/**
 * A session with a namespace of a server, or with an engine in this process: the way to queues,
 * events and semaphores that are shared with other programs. Thread-safe; one per program and
 * namespace is enough.
 *
 * <p>{@link #close} gives back everything that is held and ends every wait. A program that forgets
 * it still exits, and gives everything back then.
 */
public final class Bridge implements AutoCloseable {
  private static final Duration CLOSE = Duration.ofSeconds(5);

  private final Connection connection;

  private Bridge(Connection connection) {
    this.connection = connection;
  }

  /**
   * Connects to the URL in the environment variable {@code SYNCBRIDGE_URL}, else to {@code mem:},
   * as {@link #connect(String, ConnectOptions)} does.
   */
  public static Bridge connect() {
    String url = System.getenv("SYNCBRIDGE_URL");
    return connect(url == null || url.isEmpty() ? "mem:" : url);
  }

  /** Connects with the default options. */
  public static Bridge connect(String url) {
    return connect(url, ConnectOptions.DEFAULT);
  }

  /**
   * Connects and opens a session. Blocks at most {@link ConnectOptions#connectTimeout}.
   *
   * @param url {@code grpc://HOST:PORT/NAMESPACE}, {@code unix:///PATH#NAMESPACE}, or {@code mem:}
   *     and {@code mem:NAME} for an engine in this process, shared by everything in it that uses
   *     the same name
   * @throws SyncBridgeException {@code INVALID_ARGUMENT}, {@code UNAVAILABLE}, {@code
   *     PROTOCOL_VERSION}
   */
  public static Bridge connect(String url, ConnectOptions options) {
    return new Bridge(Connection.open(url, options));
  }

  /** The URL that it was connected with. */
  public String url() {
    return connection.url;
  }

  /** The queue of that name, created unless it exists, of any values. */
  public BridgeQueue<Object> queue(String name) {
    return queue(name, Codec.values());
  }

  /** The queue of that name, created unless it exists. */
  public <E> BridgeQueue<E> queue(String name, Codec<E> codec) {
    return queue(name, codec, QueueOptions.DEFAULT);
  }

  /**
   * The queue of that name, created unless it exists.
   *
   * @throws SyncBridgeException {@code CONFIG_MISMATCH} where an option differs from what was
   *     declared before
   */
  public <E> BridgeQueue<E> queue(String name, Codec<E> codec, QueueOptions options) {
    return new BridgeQueue<>(connection, requireName(name), codec, options);
  }

  /** A queue of its own, of any values, which goes when it is garbage, or with the session. */
  public BridgeQueue<Object> queue() {
    return queue(Codec.values(), QueueOptions.DEFAULT);
  }

  /** A queue of its own, which goes when it is garbage, or with the session. */
  public <E> BridgeQueue<E> queue(Codec<E> codec, QueueOptions options) {
    return new BridgeQueue<>(connection, null, codec, options);
  }

  /** The event of that name, created unless it exists. */
  public BridgeEvent event(String name) {
    return new BridgeEvent(connection, requireName(name), null);
  }

  /**
   * The event of that name, created unless it exists.
   *
   * @param autoReset a set wakes one waiter and clears the event
   */
  public BridgeEvent event(String name, boolean autoReset) {
    return new BridgeEvent(connection, requireName(name), autoReset);
  }

  /** An event of its own, which goes when it is garbage, or with the session. */
  public BridgeEvent event() {
    return new BridgeEvent(connection, null, null);
  }

  /** The semaphore of that name; one permit unless others declared more. */
  public BridgeSemaphore semaphore(String name) {
    return new BridgeSemaphore(connection, requireName(name), SemaphoreOptions.DEFAULT);
  }

  /** The semaphore of that name with so many permits, created unless it exists. */
  public BridgeSemaphore semaphore(String name, int permits) {
    return semaphore(name, SemaphoreOptions.DEFAULT.withPermits(permits));
  }

  /** The semaphore of that name, created unless it exists. */
  public BridgeSemaphore semaphore(String name, SemaphoreOptions options) {
    return new BridgeSemaphore(connection, requireName(name), options);
  }

  /** A semaphore of its own, which goes when it is garbage, or with the session. */
  public BridgeSemaphore semaphore(int permits) {
    return new BridgeSemaphore(connection, null, SemaphoreOptions.DEFAULT.withPermits(permits));
  }

  /**
   * Returns when everything that was posted so far, such as the acceptance of what was taken, has
   * reached the server.
   *
   * @param atMost how long to wait for that
   * @throws SyncBridgeException {@code UNAVAILABLE} when the time is over
   */
  public void flush(Duration atMost) {
    connection.flush(atMost.toMillis());
  }

  /**
   * Flushes and ends the session: what it holds goes back, waits end, later calls fail. Blocks at
   * most five seconds; the second time does nothing.
   *
   * @throws SyncBridgeException {@code UNAVAILABLE} where the server did not confirm it in time;
   *     the session is over here all the same, and at the server when its time to live is
   */
  @Override
  public void close() {
    connection.close(CLOSE.toMillis());
  }

  @Override
  public String toString() {
    return "Bridge(" + connection.url + ")";
  }

  private static String requireName(String name) {
    return java.util.Objects.requireNonNull(name, "name");
  }
}
