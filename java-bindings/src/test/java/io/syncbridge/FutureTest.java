package io.syncbridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Async twins, whose cancel really cancels. */
@Timeout(60)
class FutureTest {
  @ParameterizedTest
  @EnumSource
  void futuresComplete(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      CompletableFuture<Object> taken = queue.takeAsync();
      assertFalse(taken.isDone());
      queue.putAsync(1L).get();
      assertEquals(2L, taken.thenApply(value -> (Long) value + 1).get());

      CompletableFuture<Boolean> set = bridge.event("e").awaitAsync(null);
      bridge.event("e").set();
      assertTrue(set.get());
      assertFalse(bridge.event("f").awaitAsync(Duration.ofMillis(20)).get());

      queue.put(2L);
      try (Delivery<Object> delivery = queue.leaseAsync().get()) {
        assertEquals(2L, delivery.value());
        delivery.ack();
      }
      try (Permit permit = bridge.semaphore("s", 1).acquirePermitAsync(1).get()) {
        assertEquals(1, permit.permits());
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void failuresComplete(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      CompletableFuture<Object> taken = queue.takeAsync();
      queue.shutdown(true);
      ExecutionException e = assertThrows(ExecutionException.class, taken::get);
      assertInstanceOf(SyncBridgeException.class, e.getCause());
      CompletableFuture<Void> put = queue.putAsync(1L);
      e = assertThrows(ExecutionException.class, put::get, "the future fails, not its making");
      assertInstanceOf(SyncBridgeException.class, e.getCause());
    }
  }

  @ParameterizedTest
  @EnumSource
  void cancelWithdraws(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue =
          bridge.queue("q", Codec.values(), QueueOptions.DEFAULT.withMaxsize(1));
      CompletableFuture<Object> taken = queue.takeAsync();
      assertTrue(taken.cancel(true));
      assertThrows(CancellationException.class, taken::get);
      queue.put(1L);
      CompletableFuture<Void> put = queue.putAsync(2L);
      assertTrue(put.cancel(true));
      assertEquals(1L, queue.take());
      assertEquals(0, queue.size());
    }
  }

  @ParameterizedTest
  @EnumSource
  void whatHasTakenEffectIsNotCancelled(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      CompletableFuture<Void> put = queue.putAsync(1L);
      put.get();
      assertFalse(put.cancel(true));
      CompletableFuture<Object> taken = queue.takeAsync();
      assertEquals(1L, taken.get());
      assertFalse(taken.cancel(true));
    }
  }

  @ParameterizedTest
  @EnumSource
  void orTimeoutWithdraws(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      CompletableFuture<Object> taken = queue.takeAsync().orTimeout(20, TimeUnit.MILLISECONDS);
      ExecutionException e = assertThrows(ExecutionException.class, taken::get);
      assertInstanceOf(TimeoutException.class, e.getCause());
      queue.put(1L);
      assertEquals(1L, queue.poll());
    }
  }

  /** What was granted at once is not lost with a future that is cancelled before it knows. */
  @ParameterizedTest
  @EnumSource
  void cancelsAtOnceLoseNothing(Placement placement) throws Exception {
    int count = 500;
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      for (long i = 0; i < count; i++) {
        queue.put(i);
      }
      int taken = 0;
      for (int i = 0; i < count; i++) {
        CompletableFuture<Object> future = queue.takeAsync();
        if (!future.cancel(true)) {
          future.get();
          taken++;
        }
      }
      assertEquals(count - taken, queue.size());
    }
  }

  /** Stages that block do not keep other futures from completing. */
  @ParameterizedTest
  @EnumSource
  void stagesMayBlock(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      BridgeSemaphore semaphore = bridge.semaphore("s", 0);
      List<CompletableFuture<Void>> blocked = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        blocked.add(queue.takeAsync().thenAccept(taken -> semaphore.acquireUninterruptibly()));
      }
      for (long i = 0; i < 20; i++) {
        queue.put(i);
      }
      while (semaphore.getQueueLength() < 20) {
        Thread.onSpinWait();
      }
      assertTrue(bridge.event("e").awaitAsync(Duration.ofMillis(1)).get().equals(false));
      semaphore.release(20);
      CompletableFuture.allOf(blocked.toArray(new CompletableFuture<?>[0])).get();
    }
  }

  /**
   * Futures cancelled while elements arrive: each element is in one future or still in the queue.
   */
  @ParameterizedTest
  @EnumSource
  void cancelsLoseNothing(Placement placement) throws Exception {
    int count = 500;
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      List<CompletableFuture<Object>> futures = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        futures.add(queue.takeAsync());
      }
      Threading.Task<Void> putter =
          Threading.start(
              () -> {
                for (long i = 0; i < count; i++) {
                  queue.put(i);
                }
              });
      Random random = new Random(17);
      for (CompletableFuture<Object> future : futures) {
        if (random.nextBoolean()) {
          future.cancel(true);
        }
      }
      putter.get();
      List<Object> all = new ArrayList<>();
      for (CompletableFuture<Object> future : futures) {
        if (!future.isCancelled()) {
          all.add(future.get());
        }
      }
      queue.drainTo(all);
      assertEquals(count, all.size());
      assertEquals(count, all.stream().distinct().count());
    }
  }
}
