package io.syncbridge;

import static io.syncbridge.BridgeQueueTest.assertReason;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.syncbridge.SyncBridgeException.Reason;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** A server that is stopped answers nothing: whoever waits does so in Java, and not for ever. */
@Timeout(60)
@EnabledOnOs(OS.LINUX)
class SilentServerTest {
  private static final ConnectOptions HASTY =
      ConnectOptions.DEFAULT.withConnectTimeout(Duration.ofMillis(500));

  @TempDir private Path directory;
  private Process server;
  private String url;
  private Bridge bridge;

  @BeforeEach
  void start() throws Exception {
    Path socket = directory.resolve("s");
    server =
        ProcessTest.java(List.of(), Main.class, "serve", "--listen", "none", "--unix", "" + socket);
    url = "unix://" + socket;
    String line;
    do {
      line = server.inputReader().readLine();
      assertTrue(line != null, "the server ended");
    } while (!line.contains(url));
    bridge = Bridge.connect(url, HASTY);
  }

  @AfterEach
  void stop() throws Exception {
    try {
      signal("CONT");
      if (bridge != null) {
        bridge.close();
      }
    } finally {
      server.destroyForcibly();
    }
  }

  private void signal(String name) throws IOException, InterruptedException {
    String pid = Long.toString(server.pid());
    assertEquals(0, new ProcessBuilder("kill", "-" + name, pid).start().waitFor());
  }

  /** Returns when no thread of the server runs any more. */
  private void silence() throws IOException, InterruptedException {
    signal("STOP");
    File[] threads = new File("/proc/" + server.pid() + "/task").listFiles();
    for (File thread : threads) {
      while (!Files.readString(thread.toPath().resolve("stat")).contains(") T ")) {
        Thread.onSpinWait();
      }
    }
  }

  /** Fails in the end, and is seen to wait in Java before. */
  private static void assertUnavailableInJava(Executable call) throws Exception {
    Threading.Task<Void> task = Threading.start(() -> assertReason(Reason.UNAVAILABLE, call));
    Threading.awaitParked(task);
    task.get();
  }

  @Test
  void connectingAndDeclaring() throws Exception {
    silence();
    assertUnavailableInJava(() -> bridge.queue("q"));
    assertUnavailableInJava(() -> Bridge.connect(url, HASTY));
    assertUnavailableInJava(() -> bridge.flush(Duration.ofMillis(500)));
  }

  @Test
  void anInterruptIsNotHeldUp() throws Exception {
    BridgeQueue<Object> queue = bridge.queue("q");
    BridgeQueue<Object> full =
        bridge.queue("full", Codec.values(), QueueOptions.DEFAULT.withMaxsize(1));
    full.put(1L);
    Threading.Task<Void> taker =
        Threading.start(() -> assertThrows(InterruptedException.class, queue::take));
    Threading.Task<Void> putter =
        Threading.start(
            () -> {
              assertReason(Reason.OUTCOME_UNKNOWN, () -> full.put(2L));
              assertTrue(Thread.interrupted());
            });
    Threading.awaitParked(taker);
    Threading.awaitParked(putter);
    silence();
    long began = System.nanoTime();
    taker.interrupt();
    putter.interrupt();
    taker.get();
    putter.get();
    assertTrue(System.nanoTime() - began < TimeUnit.SECONDS.toNanos(3));
  }

  /** All at once, not one after the other. */
  @Test
  void futuresTimeOut() throws Exception {
    BridgeQueue<Object> queue = bridge.queue("q");
    silence();
    List<CompletableFuture<Object>> futures = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      futures.add(queue.takeAsync().orTimeout(10, TimeUnit.MILLISECONDS));
    }
    long began = System.nanoTime();
    for (CompletableFuture<Object> future : futures) {
      ExecutionException e = assertThrows(ExecutionException.class, future::get);
      assertInstanceOf(TimeoutException.class, e.getCause());
    }
    assertTrue(System.nanoTime() - began < TimeUnit.SECONDS.toNanos(5));
  }
}
