package io.syncbridge;

import static io.syncbridge.BridgeQueueTest.assertReason;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.syncbridge.SyncBridgeException.Reason;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class BridgeTest {
  @Test
  void badUrlsAreNamed() {
    assertReason(Reason.INVALID_ARGUMENT, () -> Bridge.connect("http://localhost"));
    assertReason(Reason.INVALID_ARGUMENT, () -> Bridge.connect("mem:\u0000"));
  }

  @Test
  void nobodyThereIsUnavailableInTime() throws Exception {
    int port;
    try (ServerSocket socket = new ServerSocket(0)) {
      port = socket.getLocalPort();
    }
    long began = System.nanoTime();
    assertReason(Reason.UNAVAILABLE, () -> Bridge.connect("grpc://127.0.0.1:" + port));
    assertTrue(System.nanoTime() - began < TimeUnit.SECONDS.toNanos(6));
  }

  @Test
  void somebodyElseThereIsUnavailableInTime() throws Exception {
    try (ServerSocket silent = new ServerSocket(0)) {
      ConnectOptions hasty = ConnectOptions.DEFAULT.withConnectTimeout(Duration.ofMillis(300));
      assertReason(
          Reason.UNAVAILABLE,
          () -> Bridge.connect("grpc://127.0.0.1:" + silent.getLocalPort(), hasty));
    }
  }

  @Test
  void overAUnixSocket(@TempDir Path directory) throws Exception {
    try (BridgeServer server = BridgeServer.start(directory.resolve("s"));
        Bridge bridge = Bridge.connect(server.url())) {
      bridge.queue("q").put("x");
      assertEquals("x", bridge.queue("q").take());
    }
  }

  @Test
  void aServerOnThisHostIsReachedByItsLocalSocket() throws Exception {
    try (BridgeServer server = BridgeServer.start("127.0.0.1:0");
        Bridge bridge = Bridge.connect(server.url())) {
      bridge.queue("q").put("x");
      String connected = ".* 03 +\\d+ @syncbridge/" + server.url().substring("grpc://".length());
      List<String> sockets = Files.readAllLines(Path.of("/proc/net/unix"));
      assertEquals(1, sockets.stream().filter(line -> line.matches(connected)).count());
    }
  }

  @Test
  void aPortInUseIsNamed() throws Exception {
    try (ServerSocket taken = new ServerSocket(0)) {
      SyncBridgeException e =
          assertThrows(
              SyncBridgeException.class,
              () -> BridgeServer.start("127.0.0.1:" + taken.getLocalPort()));
      assertTrue(e.getMessage().contains("in use"), e.getMessage());
    }
  }

  @Test
  void namesAreChecked() {
    try (Bridge bridge = Placement.MEM.connect()) {
      assertReason(Reason.INVALID_ARGUMENT, () -> bridge.queue("a/b"));
      assertThrows(NullPointerException.class, () -> bridge.event((String) null));
    }
  }

  @Test
  void aClosedBridgeSaysSo() {
    Bridge bridge = Placement.SERVER.connect();
    bridge.close();
    assertThrows(SyncBridgeException.class, () -> bridge.queue("q"));
  }
}
