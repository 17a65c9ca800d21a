package io.syncbridge;

import java.time.Duration;

/**
 * How to connect.
 *
 * @param label the program's name, for people; null for the executable's
 * @param sessionTtl how long the session, and what it holds, outlives its connection
 * @param connectTimeout how long connecting, and declaring an object, may take at most
 */
public record ConnectOptions(String label, Duration sessionTtl, Duration connectTimeout) {
  /** No label, 15 seconds to live, 5 seconds to connect. */
  public static final ConnectOptions DEFAULT =
      new ConnectOptions(null, Duration.ofSeconds(15), Duration.ofSeconds(5));

  /** The same with a label. */
  public ConnectOptions withLabel(String label) {
    return new ConnectOptions(label, sessionTtl, connectTimeout);
  }

  /** The same with another time to live. */
  public ConnectOptions withSessionTtl(Duration sessionTtl) {
    return new ConnectOptions(label, sessionTtl, connectTimeout);
  }

  /** The same with another time to connect. */
  public ConnectOptions withConnectTimeout(Duration connectTimeout) {
    return new ConnectOptions(label, sessionTtl, connectTimeout);
  }
}
