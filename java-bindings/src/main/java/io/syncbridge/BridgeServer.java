package io.syncbridge;

import java.nio.file.Path;
import java.util.List;

/**
 * A server inside this program, on threads of its own that do not keep the program alive. It keeps
 * nothing on disk: what it holds goes with it.
 */
public final class BridgeServer implements AutoCloseable {
  private final long id;
  private final List<String> urls;

  private BridgeServer(String listen, Path unix) {
    String path = unix == null ? null : unix.toString();
    id = Threads.aside("syncbridge-serve", () -> Native.serverStart(listen, path));
    urls = List.of(Native.serverUrls(id));
  }

  /**
   * Starts a server on a free port of the loopback interface, which every user of this host can
   * reach.
   *
   * @throws SyncBridgeException {@code UNAVAILABLE} where it cannot listen
   */
  public static BridgeServer start() {
    return start("127.0.0.1:0");
  }

  /**
   * Starts a server.
   *
   * @param listen {@code HOST:PORT}; port 0 picks a free one
   * @throws SyncBridgeException {@code UNAVAILABLE} where it cannot listen there
   */
  public static BridgeServer start(String listen) {
    return new BridgeServer(listen, null);
  }

  /**
   * Starts a server on a unix socket, the fastest way between programs of one host.
   *
   * @param unix the path of the socket, which must not be in use
   * @throws SyncBridgeException {@code UNAVAILABLE} where it cannot listen there
   */
  public static BridgeServer start(Path unix) {
    return new BridgeServer("none", unix);
  }

  /** Where clients find it. */
  public String url() {
    return urls.get(0);
  }

  /** Stops it; clients that do not go by themselves are cut off after a second. */
  @Override
  public void close() {
    Threads.aside(
        "syncbridge-stop",
        () -> {
          Native.serverStop(id);
          return null;
        });
  }

  @Override
  public String toString() {
    return "BridgeServer(" + String.join(", ", urls) + ")";
  }
}
