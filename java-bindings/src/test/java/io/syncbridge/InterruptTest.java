package io.syncbridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** An interrupt ends every blocking method and loses nothing. */
@Timeout(60)
class InterruptTest {
  private static final int ITEMS = 1000;

  private static void assertInterruptible(Threading.Action blocking) throws InterruptedException {
    AtomicBoolean interrupted = new AtomicBoolean();
    Threading.Task<Void> task =
        Threading.start(
            () -> {
              assertThrows(InterruptedException.class, blocking::run);
              interrupted.set(!Thread.currentThread().isInterrupted());
            });
    Threading.awaitParked(task);
    long began = System.nanoTime();
    task.interrupt();
    task.join();
    assertTrue(interrupted.get(), "it should end with InterruptedException and a clear flag");
    assertTrue(System.nanoTime() - began < TimeUnit.MILLISECONDS.toNanos(500), "it took too long");
  }

  @ParameterizedTest
  @EnumSource
  void everyBlockingMethod(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> empty = bridge.queue("empty");
      BridgeQueue<Object> full =
          bridge.queue("full", Codec.values(), QueueOptions.DEFAULT.withMaxsize(1));
      full.put(1L);
      BridgeSemaphore semaphore = bridge.semaphore("s", 0);
      BridgeEvent event = bridge.event("e");
      assertInterruptible(empty::take);
      assertInterruptible(() -> empty.poll(1, TimeUnit.MINUTES));
      assertInterruptible(empty::lease);
      assertInterruptible(() -> empty.getMany(2, 1, null, null));
      assertInterruptible(() -> full.put(2L));
      assertInterruptible(() -> full.offer(2L, 1, TimeUnit.MINUTES));
      assertInterruptible(full::join);
      assertInterruptible(semaphore::acquire);
      assertInterruptible(() -> semaphore.tryAcquire(2, 1, TimeUnit.MINUTES));
      assertInterruptible(semaphore::acquirePermit);
      assertInterruptible(event::await);
      assertInterruptible(() -> event.await(1, TimeUnit.MINUTES));
      assertEquals(1, full.size());
      assertEquals(0, semaphore.getQueueLength());
    }
  }

  @ParameterizedTest
  @EnumSource
  void aPendingInterruptComesFirst(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      queue.put(1L);
      Thread.currentThread().interrupt();
      assertThrows(InterruptedException.class, queue::take);
      Thread.currentThread().interrupt();
      assertEquals(1L, queue.poll());
      assertTrue(Thread.interrupted());
    }
  }

  @ParameterizedTest
  @EnumSource
  void uninterruptibleKeepsTheFlag(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeSemaphore semaphore = bridge.semaphore("s", 0);
      AtomicBoolean pending = new AtomicBoolean();
      Threading.Task<Void> task =
          Threading.start(
              () -> {
                semaphore.acquireUninterruptibly();
                pending.set(Thread.currentThread().isInterrupted());
              });
      Threading.awaitParked(task);
      task.interrupt();
      semaphore.release();
      task.join();
      assertTrue(pending.get());
    }
  }

  /** Every element is taken exactly once, however often the takers are interrupted. */
  @ParameterizedTest
  @EnumSource
  void interruptedTakersLoseNothing(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue = bridge.queue("q");
      Set<Object> taken = new HashSet<>();
      Threading.Task<Integer> taker =
          Threading.run(
              () -> {
                int interrupts = 0;
                while (taken.size() < ITEMS) {
                  try {
                    assertTrue(taken.add(queue.take()), "an element came twice");
                  } catch (InterruptedException e) {
                    interrupts++;
                  }
                }
                return interrupts;
              });
      Random random = new Random(7);
      for (long i = 0; i < ITEMS; i++) {
        if (random.nextInt(3) == 0) {
          taker.interrupt();
        }
        queue.put(i);
        if (random.nextInt(3) == 0) {
          taker.interrupt();
        }
      }
      assertTrue(taker.get() > 0);
      assertEquals(ITEMS, taken.size());
      assertEquals(0, queue.size());
    }
  }

  /**
   * Every element is put exactly as often as its put returned, however often the putter is
   * interrupted.
   */
  @ParameterizedTest
  @EnumSource
  void interruptedPuttersPutExactlyWhatTheySay(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeQueue<Object> queue =
          bridge.queue("q", Codec.values(), QueueOptions.DEFAULT.withMaxsize(1));
      Set<Object> put = new HashSet<>();
      Threading.Task<Void> putter =
          Threading.start(
              () -> {
                for (long i = 0; i < ITEMS; i++) {
                  try {
                    queue.put(i);
                    put.add(i);
                  } catch (InterruptedException e) {
                    // Not put.
                  }
                }
              });
      Set<Object> taken = new HashSet<>();
      Random random = new Random(11);
      while (putter.isAlive() || queue.size() > 0) {
        Object element = queue.poll(5, TimeUnit.MILLISECONDS);
        if (element != null) {
          assertTrue(taken.add(element), "an element came twice");
        }
        if (random.nextInt(3) == 0) {
          putter.interrupt();
        }
      }
      putter.get();
      Set<Object> lost = new HashSet<>(put);
      lost.removeAll(taken);
      taken.removeAll(put);
      assertEquals(Set.of(), lost, "said to be put, but not there");
      assertEquals(Set.of(), taken, "said not to be put, but there");
    }
  }

  /** Permits are neither lost nor doubled. */
  @ParameterizedTest
  @EnumSource
  void interruptedAcquirersKeepTheCount(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeSemaphore semaphore = bridge.semaphore("s", 2);
      Random random = new Random(13);
      Threading.Task<?>[] tasks = new Threading.Task<?>[4];
      for (int i = 0; i < tasks.length; i++) {
        tasks[i] =
            Threading.start(
                () -> {
                  for (int round = 0; round < 100; round++) {
                    try {
                      semaphore.acquire();
                    } catch (InterruptedException e) {
                      continue;
                    }
                    semaphore.release();
                  }
                });
      }
      while (java.util.Arrays.stream(tasks).anyMatch(Thread::isAlive)) {
        tasks[random.nextInt(tasks.length)].interrupt();
        java.util.concurrent.locks.LockSupport.parkNanos(200_000);
      }
      for (Threading.Task<?> task : tasks) {
        task.get();
      }
      assertEquals(2, semaphore.availablePermits());
      assertEquals(0, semaphore.getQueueLength());
    }
  }
}
