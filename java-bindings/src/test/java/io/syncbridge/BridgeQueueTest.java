package io.syncbridge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.syncbridge.SyncBridgeException.Reason;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a BridgeQueue promises beyond the interface of a collection. */
@Timeout(30)
class BridgeQueueTest {
  private static final Duration SOON = Duration.ofMillis(50);

  @ParameterizedTest
  @EnumSource
  void firstInFirstOut(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<String> queue = bridge.queue("q", Codec.string());
      queue.put("a");
      queue.put("b");
      assertEquals(2, queue.size());
      assertEquals("a", queue.peek());
      assertEquals("a", queue.take());
      assertEquals("b", queue.poll());
      assertNull(queue.poll());
      assertNull(queue.poll(20, TimeUnit.MILLISECONDS));
      assertEquals(Integer.MAX_VALUE, queue.remainingCapacity());
    }
  }

  @ParameterizedTest
  @EnumSource
  void nullIsNoElement(Placement placement) {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<String> queue = bridge.queue("q", Codec.string());
      assertThrows(NullPointerException.class, () -> queue.put(null));
      assertThrows(NullPointerException.class, () -> queue.offer(null));
      assertThrows(NullPointerException.class, () -> queue.add(null));
    }
  }

  @ParameterizedTest
  @EnumSource
  void aBoundHoldsBack(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<String> queue =
          bridge.queue("q", Codec.string(), QueueOptions.DEFAULT.withMaxsize(2));
      assertTrue(queue.offer("a"));
      assertEquals(1, queue.remainingCapacity());
      assertTrue(queue.offer("b"));
      assertFalse(queue.offer("c"));
      assertFalse(queue.offer("c", 20, TimeUnit.MILLISECONDS));
      assertThrows(IllegalStateException.class, () -> queue.add("c"));
      assertEquals(0, queue.remainingCapacity());

      Thread putter = Threading.start(() -> queue.put("c"));
      Threading.awaitParked(putter);
      assertEquals("a", queue.take());
      putter.join();
      assertEquals(List.of("b", "c"), new ArrayList<>(queue));
    }
  }

  @ParameterizedTest
  @EnumSource
  void aParkedTakerIsHandedTheNextElement(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<String> queue = bridge.queue("q", Codec.string());
      for (int i = 0; i < 20; i++) {
        String element = "element " + i;
        Threading.Task<String> taker = Threading.run(queue::take);
        Threading.awaitParked(taker);
        queue.put(element);
        assertEquals(element, taker.get());
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void twoBridgesShareAQueueByName(Placement placement) throws Exception {
    String url = placement.freshUrl();
    try (Bridge one = Bridge.connect(url);
        Bridge other = Bridge.connect(url)) {
      Threading.Task<Object> taker = Threading.run(() -> other.queue("q").take());
      one.queue("q").put(Map.of("id", 7L, "image", NdArray.of(new float[] {1, 2})));
      assertEquals(Map.of("id", 7L, "image", NdArray.of(new float[] {1, 2})), taker.get());
    }
  }

  @ParameterizedTest
  @EnumSource
  void valuesOfEveryForm(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      byte[] large = new byte[300_000];
      Arrays.fill(large, (byte) 7);
      NdArray array = NdArray.of(new double[50_000], 500, 100);
      for (Object value : List.of("text", 5L, List.of(1L, "x"), array)) {
        queue.put(value);
        assertEquals(value, queue.take());
      }
      queue.put(large);
      assertArrayEquals(large, (byte[]) queue.take());
      queue.put(new byte[0]);
      assertArrayEquals(new byte[0], (byte[]) queue.take());
    }
  }

  @ParameterizedTest
  @EnumSource
  void memPassesTheVeryObject(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      List<Object> value = List.of("x");
      queue.put(value);
      if (placement == Placement.MEM) {
        assertSame(value, queue.take());
      } else {
        assertNotSame(value, queue.take());
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void whatCannotBeDecodedLeavesTheQueue(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      bridge.queue("q").put(5L);
      BridgeQueue<String> strings = bridge.queue("q", Codec.string());
      CodecException e = assertThrows(CodecException.class, strings::take);
      assertTrue(e.getMessage().contains("item "), e.getMessage());
      assertNull(bridge.queue("q").poll(), "it is in nobody's way");
    }
  }

  @ParameterizedTest
  @EnumSource
  void batches(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue =
          bridge.queue("q", Codec.values(), QueueOptions.DEFAULT.withMaxsize(3));
      queue.putMany(List.of(1L, 2L, 3L));
      assertFalse(queue.putMany(List.of(4L), SOON));
      assertEquals(List.of(1L, 2L), queue.getMany(2, 1, null, SOON));
      assertEquals(List.of(3L), queue.getMany(10, 1, SOON, SOON));
      assertEquals(List.of(), queue.getMany(10, 1, null, SOON));
    }
  }

  @ParameterizedTest
  @EnumSource
  void batchesOfOne(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      queue.putMany(List.of(1L, 2L));
      assertEquals(List.of(1L), queue.getMany(1, 1, null, SOON));
      try (Deliveries<Object> deliveries = queue.leaseMany(1, 1, null, SOON)) {
        assertEquals(List.of(2L), deliveries.values());
        deliveries.ack();
      }
      Threading.Task<List<Object>> parked = Threading.run(() -> queue.getMany(1, 1, null, null));
      Threading.awaitParked(parked);
      queue.put(3L);
      assertEquals(List.of(3L), parked.get());
      assertEquals(List.of(), queue.getMany(1, 1, null, SOON));
    }
  }

  @ParameterizedTest
  @EnumSource
  void drain(Placement placement) {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      queue.addAll(List.of(1L, 2L, 3L, 4L));
      List<Object> drained = new ArrayList<>();
      assertEquals(3, queue.drainTo(drained, 3));
      assertEquals(1, queue.drainTo(drained));
      assertEquals(0, queue.drainTo(drained));
      assertEquals(List.of(1L, 2L, 3L, 4L), drained);
      assertThrows(IllegalArgumentException.class, () -> queue.drainTo(queue));
    }
  }

  @ParameterizedTest
  @EnumSource
  void longQueuesAreBrowsedInPages(Placement placement) {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      List<Object> all = new ArrayList<>();
      for (long i = 0; i < 350; i++) {
        all.add(i);
      }
      queue.addAll(all);
      assertEquals(all, new ArrayList<>(queue));
      assertTrue(queue.contains(349L));
      assertTrue(queue.remove(200L));
      assertFalse(queue.remove(200L));
      assertTrue(queue.removeIf(value -> (Long) value % 2 == 1));
      assertEquals(174, queue.size());
    }
  }

  @ParameterizedTest
  @EnumSource
  void leases(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<String> queue = bridge.queue("q", Codec.string());
      queue.put("job");
      long token;
      try (Delivery<String> delivery = queue.lease()) {
        assertEquals("job", delivery.value());
        assertEquals(1, delivery.attempt());
        token = delivery.token();
      }
      try (Delivery<String> again = queue.lease()) {
        assertEquals(2, again.attempt());
        assertTrue(again.token() > token);
        again.ack();
      }
      assertNull(queue.lease(SOON));
    }
  }

  @ParameterizedTest
  @EnumSource
  void leasesInBatches(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue =
          bridge.queue(
              "q",
              Codec.values(),
              QueueOptions.DEFAULT.withMaxDeliveries(1).withDeadLetters("dead"));
      queue.putMany(List.of(1L, 2L, 3L, 4L));
      try (Deliveries<Object> deliveries = queue.leaseMany(4, 4, null, SOON)) {
        assertEquals(List.of(1L, 2L, 3L, 4L), deliveries.values());
        deliveries.get(0).ack();
        deliveries.get(1).reject("not wanted");
        deliveries.get(2).nack(Delivery.Reentry.PLACE, "failed");
        deliveries.ack();
      }
      assertEquals(0, queue.size());
      assertEquals(List.of(2L, 3L), bridge.queue("dead").getMany(2, 2, null, SOON));
    }
  }

  @ParameterizedTest
  @EnumSource
  void deadLettersTellTheirStory(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue =
          bridge.queue("q", Codec.values(), QueueOptions.DEFAULT.withMaxDeliveries(2));
      queue.putMany(List.of("poison", "fine"));
      for (int attempt = 1; attempt <= 2; attempt++) {
        queue.lease().nack(Delivery.Reentry.PLACE, "failure " + attempt);
      }
      assertEquals(List.of("fine"), queue.browse().map(BrowsedItem::value).toList());
      BrowsedItem<Object> waiting = queue.browse().findFirst().orElseThrow();
      assertEquals(0, waiting.attempts());
      assertTrue(waiting.deadReason().isEmpty() && waiting.consumers().isEmpty());

      List<BrowsedItem<Object>> dead = queue.deadLetters().toList();
      assertEquals(1, dead.size());
      assertEquals("poison", dead.get(0).value());
      assertEquals(2, dead.get(0).attempts());
      assertEquals("failure 2", dead.get(0).lastError().orElseThrow());
      assertTrue(dead.get(0).deadReason().isPresent());
      String pid = ":" + ProcessHandle.current().pid();
      assertTrue(dead.get(0).consumers().get(0).endsWith(pid), dead.toString());
    }
  }

  /** What no codec reads is there to be looked at all the same. */
  @Test
  void undecodableDeadLetters() throws Exception {
    try (Bridge bridge = Placement.SERVER.connect()) {
      bridge.queue("q").put(List.of(1L));
      BridgeQueue<String> strings = bridge.queue("q", Codec.string());
      assertThrows(CodecException.class, strings::take);
      BrowsedItem<String> dead = strings.deadLetters().findFirst().orElseThrow();
      assertEquals(Payload.CBOR, dead.contentType().orElseThrow());
      assertTrue(dead.deadReason().orElseThrow().startsWith("REJECTED: UNDECODABLE"));
      assertThrows(CodecException.class, dead::value);
      assertEquals(List.of(1L), bridge.queue("q").deadLetters().findFirst().orElseThrow().value());
    }
  }

  @ParameterizedTest
  @EnumSource
  void tasksDone(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<String> queue = bridge.queue("q", Codec.string());
      assertTrue(queue.join(SOON));
      queue.put("job");
      assertFalse(queue.join(SOON));
      Threading.Task<Void> joiner = Threading.start(queue::join);
      Threading.awaitParked(joiner);
      queue.take();
      queue.taskDone();
      joiner.get();
      assertThrows(IllegalStateException.class, queue::taskDone);
    }
  }

  @ParameterizedTest
  @EnumSource
  void priorities(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue =
          bridge.queue(
              "q",
              Codec.values(),
              QueueOptions.DEFAULT.withDiscipline(QueueOptions.Discipline.PRIORITY));
      queue.put(2L);
      queue.put(1.5);
      queue.put(List.of(0L, Map.of()));
      queue.put("last", "z");
      queue.put("first", -1);
      // Numbers come before text, text before lists.
      assertEquals("first", queue.take());
      assertEquals(1.5, queue.take());
      assertEquals(2L, bridge.queue("q").take());
      assertEquals("last", queue.take());
      assertEquals(List.of(0L, Map.of()), queue.take());
      assertThrows(CodecException.class, () -> queue.put(Map.of()));
    }
  }

  @ParameterizedTest
  @EnumSource
  void shutdownEndsPutsAndLetsTheRestOut(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<String> queue = bridge.queue("q", Codec.string());
      queue.put("left");
      queue.shutdown(false);
      assertReason(Reason.SHUT_DOWN, () -> queue.put("more"));
      assertEquals("left", queue.take());
      assertReason(Reason.SHUT_DOWN, queue::take);
    }
  }

  @ParameterizedTest
  @EnumSource
  void optionsMustAgree(Placement placement) {
    try (Bridge bridge = placement.connect()) {
      bridge.queue("q", Codec.values(), QueueOptions.DEFAULT.withMaxsize(2));
      bridge.queue("q");
      assertReason(
          Reason.CONFIG_MISMATCH,
          () -> bridge.queue("q", Codec.values(), QueueOptions.DEFAULT.withMaxsize(3)));
    }
  }

  @ParameterizedTest
  @EnumSource
  void closingEndsWaits(Placement placement) throws Exception {
    Bridge bridge = placement.connect();
    BridgeQueue<String> queue = bridge.queue("q", Codec.string());
    Threading.Task<String> taker = Threading.run(queue::take);
    Threading.awaitParked(taker);
    bridge.close();
    assertThrows(SyncBridgeException.class, taker::get);
    assertThrows(SyncBridgeException.class, queue::poll);
    bridge.close();
  }

  static void assertReason(Reason reason, org.junit.jupiter.api.function.Executable call) {
    SyncBridgeException e = assertThrows(SyncBridgeException.class, call);
    assertEquals(reason, e.reason(), e.getMessage());
  }
}
