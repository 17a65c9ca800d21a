package io.syncbridge;

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * A bridge's native half and its collector: a daemon thread that waits in native code for calls
 * that ended while their callers are parked, and wakes those. It carries the connection while calls
 * are watched.
 */
final class Connection {
  private static final long SLICE_MILLIS = 1000;
  private static final long EXIT_MILLIS = 1000;
  private static final Set<Connection> OPEN = ConcurrentHashMap.newKeySet();

  static {
    Runtime.getRuntime().addShutdownHook(new Thread(Connection::closeAll, "syncbridge-exit"));
  }

  final long id;
  final String url;
  final boolean local;
  final Participants participants;
  private final Map<Long, Call<?>> watched = new ConcurrentHashMap<>();

  private final Duration connectTimeout;

  private Connection(long id, String url, Duration connectTimeout) {
    this.id = id;
    this.url = url;
    this.connectTimeout = connectTimeout;
    this.local = Native.bridgeIsLocal(id);
    this.participants = new Participants(id);
  }

  static Connection open(String url, ConnectOptions options) {
    long ttl = options.sessionTtl().toMillis();
    long timeout = options.connectTimeout().toMillis();
    long id =
        Threads.aside(
            "syncbridge-connect", () -> Native.bridgeConnect(url, options.label(), ttl, timeout));
    Connection connection = new Connection(id, url, options.connectTimeout());
    OPEN.add(connection);
    Threads.daemon("syncbridge-collector", connection::collect);
    return connection;
  }

  /** Waits for an object (without a name: one of its own) to be declared; its number. */
  long declared(long started, String kind, String name) {
    Call<Long> call = new Call<>(this, started, id -> ((long[]) id)[0]);
    if (!call.endsWithin(Times.nanos(connectTimeout))) {
      call.drop();
      throw new SyncBridgeException(
          SyncBridgeException.Reason.UNAVAILABLE,
          (name == null ? "a " + kind : "the " + kind + " " + name)
              + " could not be declared: "
              + url
              + " did not answer within "
              + connectTimeout.toMillis()
              + " ms");
    }
    return call.take();
  }

  /** Returns when everything posted so far has reached the server. */
  void flush(long atMostMillis) {
    waiting("syncbridge-flush", () -> Native.bridgeFlush(id, atMostMillis));
  }

  /** Flushes and ends the session. Anything else that was closed before stays closed. */
  void close(long atMostMillis) {
    if (OPEN.remove(this)) {
      waiting("syncbridge-close", () -> Native.bridgeClose(id, atMostMillis));
    }
  }

  private static void waiting(String thread, Runnable body) {
    Threads.aside(
        thread,
        () -> {
          body.run();
          return null;
        });
  }

  boolean isOpen() {
    return OPEN.contains(this);
  }

  /** The call is told once it may have ended; at once, on this thread, if it has. */
  void watch(long call, Call<?> caller) {
    watched.put(call, caller);
    try {
      if (Native.callWatch(call, id)) {
        collectNow();
      }
    } catch (RuntimeException e) {
      watched.remove(call);
      throw e;
    }
  }

  void forget(long call) {
    watched.remove(call);
  }

  private void collect() {
    long[] ended = {};
    while (ended != null) {
      wake(ended);
      ended = Native.bridgeCollect(id, SLICE_MILLIS);
    }
    Native.bridgeDrop(id);
    watched.values().forEach(Call::ended);
  }

  /**
   * What the collector does, done by a thread that drove the connection and saw other calls end.
   */
  void collectNow() {
    long[] ended = Native.bridgeCollect(id, 0);
    if (ended != null) {
      wake(ended);
    }
  }

  private void wake(long[] ended) {
    for (long call : ended) {
      Call<?> caller = watched.remove(call);
      if (caller != null) {
        caller.ended();
      }
    }
  }

  /**
   * On exit: everything is handed over and given back, in at most a second for all bridges
   * together.
   */
  private static void closeAll() {
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(EXIT_MILLIS);
    for (Connection connection : OPEN) {
      try {
        connection.close(Math.max(0, TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime())));
      } catch (SyncBridgeException e) {
        System.err.println("syncbridge: closing " + connection.url + " on exit: " + e.getMessage());
      }
    }
  }
}
