package io.syncbridge;

import static io.syncbridge.BridgeQueueTest.assertReason;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.syncbridge.SyncBridgeException.Reason;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(30)
class EventAndSemaphoreTest {
  @ParameterizedTest
  @EnumSource
  void anEventWakesEveryWaiter(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeEvent event = bridge.event("e");
      assertFalse(event.isSet());
      assertFalse(event.await(20, TimeUnit.MILLISECONDS));
      List<Threading.Task<Void>> waiters = new ArrayList<>();
      for (int i = 0; i < 10; i++) {
        waiters.add(Threading.start(event::await));
        Threading.awaitParked(waiters.get(i));
      }
      assertEquals(1, event.set());
      for (Threading.Task<Void> waiter : waiters) {
        waiter.get();
      }
      assertTrue(event.isSet());
      event.await();
      event.clear();
      assertFalse(event.isSet());
      assertTrue(event.await(Duration.ZERO, 0), "a set since version 0 counts, cleared or not");
      assertEquals(1, event.version());
    }
  }

  @ParameterizedTest
  @EnumSource
  void anAutoResetEventWakesOne(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeEvent event = bridge.event("e", true);
      event.set();
      event.await();
      assertFalse(event.isSet());
    }
  }

  @ParameterizedTest
  @EnumSource
  void permits(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeSemaphore semaphore = bridge.semaphore("s", 3);
      semaphore.acquire();
      semaphore.acquire(2);
      assertEquals(0, semaphore.availablePermits());
      assertFalse(semaphore.tryAcquire());
      assertFalse(semaphore.tryAcquire(20, TimeUnit.MILLISECONDS));
      Threading.Task<Void> waiter = Threading.start(semaphore::acquire);
      Threading.awaitParked(waiter);
      assertTrue(semaphore.hasQueuedThreads());
      semaphore.release(2);
      waiter.get();
      assertEquals(1, semaphore.availablePermits());
      assertEquals(1, semaphore.drainPermits());
      assertThrows(IllegalArgumentException.class, () -> semaphore.acquire(-1));
    }
  }

  @ParameterizedTest
  @EnumSource
  void negativeCountsNeedReleasesFirst(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeSemaphore semaphore = bridge.semaphore("s", -1);
      assertEquals(-1, semaphore.availablePermits());
      semaphore.release();
      assertFalse(semaphore.tryAcquire());
      semaphore.release();
      assertTrue(semaphore.tryAcquire());
      semaphore.reducePermits(2);
      assertEquals(-2, semaphore.availablePermits());
    }
  }

  @ParameterizedTest
  @EnumSource
  void aPermitIsItsOwnersOnly(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeSemaphore semaphore =
          bridge.semaphore("s", SemaphoreOptions.DEFAULT.withPermits(1).withBounded(true));
      Permit permit = semaphore.acquirePermit();
      assertTrue(permit.token() > 0);
      assertNull(semaphore.tryAcquirePermit(1, Duration.ofMillis(20)));
      assertReason(Reason.TOO_MANY_RELEASES, semaphore::release);
      permit.close();
      permit.close();
      assertEquals(1, semaphore.availablePermits());
    }
  }

  @ParameterizedTest
  @EnumSource
  void holdersSayWhoHasWhat(Placement placement) throws Exception {
    try (Bridge bridge = placement.connect()) {
      BridgeSemaphore semaphore = bridge.semaphore("s", 3);
      assertEquals(List.of(), semaphore.holders());
      try (Permit permit = semaphore.acquirePermit(2)) {
        PermitHolder holder = semaphore.holders().get(0);
        assertEquals(permit.token(), holder.token());
        assertEquals(2, holder.permits());
        assertTrue(holder.byToken());
        assertTrue(holder.session().endsWith(":" + ProcessHandle.current().pid()));
      }
      assertEquals(List.of(), semaphore.holders());
    }
  }

  @ParameterizedTest
  @EnumSource
  void permitsGoBackWithTheSession(Placement placement) throws Exception {
    String url = placement.freshUrl();
    try (Bridge stays = Bridge.connect(url)) {
      BridgeSemaphore semaphore = stays.semaphore("s", 1);
      try (Bridge goes = Bridge.connect(url)) {
        goes.semaphore("s").acquire();
        assertFalse(semaphore.tryAcquire());
      }
      assertTrue(semaphore.tryAcquire(1, TimeUnit.SECONDS));
    }
  }
}
