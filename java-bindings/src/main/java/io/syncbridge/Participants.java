package io.syncbridge;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Who waits and holds: each Java thread is a participant of its own. A program that makes threads
 * without end shares one participant among the later ones; virtual threads share one from the
 * start.
 */
final class Participants {
  private static final int OWN_MAX = 10_000;

  private final long bridge;
  private final AtomicInteger made = new AtomicInteger();
  private final ThreadLocal<Integer> own = ThreadLocal.withInitial(this::make);
  private volatile int shared = -1;

  Participants(long bridge) {
    this.bridge = bridge;
  }

  int current() {
    return Threads.isVirtual(Thread.currentThread()) ? shared() : own.get();
  }

  private int make() {
    return made.incrementAndGet() > OWN_MAX
        ? shared()
        : Native.bridgeParticipant(bridge, Thread.currentThread().getName());
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
