package io.syncbridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Many threads, many items: exact counts, nothing kept. */
@Timeout(60)
class LoadTest {
  private static final int THREADS = 8;
  private static final int EACH = 500;

  @ParameterizedTest
  @EnumSource
  void eightProducersAndEightConsumers(Placement placement) throws Exception {
    String url = placement.freshUrl();
    try (Bridge one = Bridge.connect(url);
        Bridge other = Bridge.connect(url)) {
      QueueOptions bounded = QueueOptions.DEFAULT.withMaxsize(10);
      Set<Object> seen = ConcurrentHashMap.newKeySet();
      List<Threading.Task<Void>> tasks = new ArrayList<>();
      for (int t = 0; t < THREADS; t++) {
        long first = (long) t * EACH;
        BridgeQueue<Object> in = (t % 2 == 0 ? one : other).queue("q", Codec.values(), bounded);
        BridgeQueue<Object> out = (t % 2 == 0 ? other : one).queue("q", Codec.values(), bounded);
        tasks.add(
            Threading.start(
                () -> {
                  for (long i = first; i < first + EACH; i++) {
                    in.put(i);
                  }
                }));
        tasks.add(
            Threading.start(
                () -> {
                  for (int i = 0; i < EACH; i++) {
                    assertTrue(seen.add(out.take()), "an element came twice");
                  }
                }));
      }
      for (Threading.Task<Void> task : tasks) {
        task.get();
      }
      assertEquals(THREADS * EACH, seen.size());
      assertEquals(0, one.queue("q").size());
    }
  }

  /**
   * More than the heap holds passes through a mem: queue, and each object is collectable once it
   * was taken.
   */
  @Test
  void memKeepsNoObjects() throws Exception {
    try (Bridge bridge = Placement.MEM.connect()) {
      BridgeQueue<byte[]> queue = bridge.queue("q", Codec.bytes());
      WeakReference<byte[]> first = null;
      for (int i = 0; i < 2000; i++) {
        byte[] large = new byte[1 << 20];
        queue.put(large);
        if (first == null) {
          first = new WeakReference<>(large);
        }
        queue.take();
      }
      for (int i = 0; i < 100 && first.get() != null; i++) {
        System.gc();
      }
      assertEquals(null, first.get());
    }
  }

  /** Lent buffers are given back: more than may stay passes through. */
  @Test
  void largeValuesAreReleased() throws Exception {
    try (Bridge bridge = Placement.SERVER.connect()) {
      BridgeQueue<NdArray> queue = bridge.queue("q", Codec.ndarray());
      for (int i = 0; i < 200; i++) {
        queue.put(NdArray.of(new double[] {i, 1, 2, 3}));
        NdArray large = NdArray.allocate("f8", 100_000);
        large.data().putDouble(0, i);
        queue.put(large);
        assertEquals(i, queue.take().getDouble(0));
        NdArray taken = queue.take();
        assertEquals(i, taken.getDouble(0));
        assertEquals(large, taken);
      }
    }
  }
}
