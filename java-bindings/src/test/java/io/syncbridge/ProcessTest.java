package io.syncbridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What only shows in a JVM of its own. */
@Timeout(60)
class ProcessTest {
  /** Forgets everything: open bridges, a waiting future, held permits, an embedded server. */
  static final class Forgetful {
    private Forgetful() {}

    public static void main(String[] arguments) throws Exception {
      for (String url : arguments) {
        Bridge bridge = Bridge.connect(url);
        bridge.queue("q").takeAsync();
        bridge.semaphore("s", 1).acquire();
      }
      BridgeServer.start();
      System.out.println("forgot");
    }
  }

  static Process java(List<String> options, Class<?> main, String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(System.getProperty("java.home") + "/bin/java");
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(options);
    command.add(main.getName());
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command).redirectErrorStream(true).start();
  }

  private static String output(Process process) throws Exception {
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(10, TimeUnit.SECONDS), said);
    return said;
  }

  @Test
  void aProgramThatForgetsToCloseExitsAndGivesEverythingBack() throws Exception {
    String url = Placement.SERVER.freshUrl();
    Process process = java(List.of(), Forgetful.class, url, "mem:");
    String said = output(process);
    assertEquals(0, process.exitValue(), said);
    assertTrue(said.contains("forgot"), said);
    try (Bridge bridge = Bridge.connect(url)) {
      assertTrue(bridge.semaphore("s").tryAcquire(2, TimeUnit.SECONDS));
    }
  }

  @Test
  void aLibraryThatCannotBeLoadedSaysWhatWasTried() throws Exception {
    Process process =
        java(List.of("-Dsyncbridge.library=/nonexistent/lib.so"), Forgetful.class, "mem:");
    String said = output(process);
    assertEquals(1, process.exitValue(), said);
    assertTrue(said.contains("/nonexistent/lib.so"), said);
    assertTrue(said.contains("-Dsyncbridge.library"), said);
  }

  @Test
  void theJarIsTheCommandLine() throws Exception {
    Process process = java(List.of(), Main.class, "--version");
    String said = output(process);
    assertEquals(0, process.exitValue(), said);
    assertTrue(said.lines().anyMatch(line -> line.startsWith("syncbridge ")), said);
  }
}
