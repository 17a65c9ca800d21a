package io.syncbridge;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Who waits and holds: each platform thread is a participant of its own, and takes over that of a
 * thread that has ended and was collected, if there is one. Virtual threads share one participant,
 * and so do platform threads beyond {@link #OWN_MAX}.
 */
final class Participants {
  private static final int OWN_MAX = 10_000;

  private final long bridge;
  private final AtomicInteger made = new AtomicInteger();
  private final Queue<Integer> retired = new ConcurrentLinkedQueue<>();
  private final ThreadLocal<Own> own = ThreadLocal.withInitial(this::make);
  private volatile int shared = -1;

  /** Reachable as long as its thread runs; not as long as another object of the same value is. */
  private static final class Own {
    final int who;

    Own(int who) {
      this.who = who;
    }
  }

  Participants(long bridge) {
    this.bridge = bridge;
  }

  int current() {
    return Threads.isVirtual(Thread.currentThread()) ? shared() : own.get().who;
  }

  private Own make() {
    String label = Thread.currentThread().getName();
    Integer who = retired.poll();
    if (who != null) {
      Native.bridgeRelabel(bridge, who, label);
    } else if (made.incrementAndGet() > OWN_MAX) {
      return new Own(shared());
    } else {
      who = Native.bridgeParticipant(bridge, label);
    }
    Own fresh = new Own(who);
    Queue<Integer> home = retired;
    int mine = who;
    FromNative.whenUnreachable(fresh, () -> home.add(mine));
    return fresh;
  }

  private int shared() {
    if (shared == -1) {
      synchronized (this) {
        if (shared == -1) {
          shared = Native.bridgeParticipant(bridge, "threads");
        }
      }
    }
    return shared;
  }
}
