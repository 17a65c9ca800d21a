package io.syncbridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ThreadFactory;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Virtual threads wait without their carriers, of which there are two and never more (see the pom):
 * one that waits on its carrier is recorded, two would stop everything.
 */
@Timeout(60)
@EnabledForJreRange(min = JRE.JAVA_21)
class VirtualThreadTest {
  private static final int THREADS = 1000;
  private static final int ITEMS = 1000;

  @TempDir private Path directory;

  /** By reflection: the compiler is Java 17's. */
  private static ThreadFactory virtual() throws ReflectiveOperationException {
    Object builder = Thread.class.getMethod("ofVirtual").invoke(null);
    Class<?> type = Class.forName("java.lang.Thread$Builder");
    return (ThreadFactory) type.getMethod("factory").invoke(builder);
  }

  /** Runs it on a virtual thread; fails if any waited on its carrier meanwhile. */
  private void unpinned(Threading.Action action) throws Exception {
    Path file = directory.resolve("pinned.jfr");
    try (Recording recording = new Recording()) {
      recording.enable("jdk.VirtualThreadPinned").withoutThreshold().withStackTrace();
      recording.start();
      FutureTask<Void> task =
          new FutureTask<>(
              () -> {
                action.run();
                return null;
              });
      virtual().newThread(task).start();
      task.get();
      recording.stop();
      recording.dump(file);
    }
    assertEquals(
        "",
        String.join("", RecordingFile.readAllEvents(file).stream().map(Object::toString).toList()));
  }

  @ParameterizedTest
  @EnumSource
  void aThousandParkedTakersAreWokenByPuts(Placement placement) throws Exception {
    ThreadFactory virtual = virtual();
    unpinned(
        () -> {
          try (Bridge bridge = placement.connect()) {
            BridgeQueue<Object> queue = bridge.queue("q");
            Set<Object> taken = ConcurrentHashMap.newKeySet();
            List<Thread> takers = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
              FutureTask<Boolean> taker = new FutureTask<>(() -> taken.add(queue.take()));
              takers.add(virtual.newThread(taker));
            }
            takers.forEach(Thread::start);
            takers.forEach(Threading::awaitParked);
            for (long i = 0; i < THREADS; i++) {
              queue.put(i);
            }
            for (Thread taker : takers) {
              taker.join();
            }
            assertEquals(THREADS, taken.size());
            assertEquals(0, queue.size());
          }
        });
  }

  /** Interrupts, futures and permits, as on platform threads. */
  @ParameterizedTest
  @EnumSource
  void interruptedTakersLoseNothing(Placement placement) throws Exception {
    ThreadFactory virtual = virtual();
    unpinned(
        () -> {
          try (Bridge bridge = placement.connect()) {
            BridgeQueue<Object> queue = bridge.queue("q");
            Set<Object> taken = ConcurrentHashMap.newKeySet();
            FutureTask<Integer> task =
                new FutureTask<>(
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
            Thread taker = virtual.newThread(task);
            taker.start();
            for (long i = 0; i < ITEMS; i++) {
              if (i % 3 == 0) {
                Threading.awaitParked(taker);
                taker.interrupt();
              }
              queue.putAsync(i).join();
            }
            assertTrue(task.get() > 0);
            assertEquals(ITEMS, taken.size());
            assertEquals(0, queue.size());
          }
        });
  }
}
