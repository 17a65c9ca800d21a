package io.syncbridge;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.syncbridge.SyncBridgeException.Reason;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Objects without a name go when they are garbage. */
@Timeout(60)
class AnonymousTest {
  private static final int COUNT = 1000;

  @ParameterizedTest
  @EnumSource
  void theyDoNotPileUp(Placement placement) {
    String url = placement.freshUrl();
    try (Bridge bridge = Bridge.connect(url);
        Bridge other = Bridge.connect(url)) {
      List<String> names = new ArrayList<>();
      for (int i = 0; i < COUNT; i++) {
        BridgeQueue<Object> queue =
            bridge.queue(Codec.values(), QueueOptions.DEFAULT.withMaxsize(7));
        queue.add(i);
        names.add(queue.name());
      }
      names.removeIf(name -> isGone(other, name));
      while (!names.isEmpty()) {
        System.gc();
        names.removeIf(name -> isGone(other, name));
        Thread.yield();
      }
    }
  }

  /** Another declaration fits only where there is no such queue. */
  private static boolean isGone(Bridge bridge, String name) {
    try {
      bridge.queue(name, Codec.values(), QueueOptions.DEFAULT.withMaxsize(8));
      return true;
    } catch (SyncBridgeException e) {
      assertEquals(Reason.CONFIG_MISMATCH, e.reason());
      return false;
    }
  }
}
