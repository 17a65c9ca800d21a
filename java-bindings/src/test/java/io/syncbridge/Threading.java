package io.syncbridge;

import java.util.concurrent.Callable;

/** Threads of tests. */
final class Threading {
  interface Action {
    void run() throws Exception;
  }

  /** A thread with a result. */
  static final class Task<T> extends Thread {
    private final Callable<T> body;
    private T result;
    private Throwable failure;

    private Task(Callable<T> body) {
      this.body = body;
    }

    @Override
    public void run() {
      try {
        result = body.call();
      } catch (Throwable e) {
        failure = e;
      }
    }

    /** The result; throws what the body threw. */
    T get() throws Exception {
      join();
      if (failure instanceof Exception e) {
        throw e;
      }
      if (failure instanceof Error e) {
        throw e;
      }
      return result;
    }
  }

  private Threading() {}

  static Task<Void> start(Action action) {
    return run(
        () -> {
          action.run();
          return null;
        });
  }

  static <T> Task<T> run(Callable<T> body) {
    Task<T> task = new Task<>(body);
    task.setDaemon(true);
    task.start();
    return task;
  }

  /** Returns once the thread waits for something in Java; for tests that need somebody parked. */
  static void awaitParked(Thread thread) {
    while (thread.getState() != Thread.State.WAITING
        && thread.getState() != Thread.State.TIMED_WAITING) {
      if (!thread.isAlive()) {
        throw new AssertionError(thread + " ended instead of waiting");
      }
      Thread.onSpinWait();
    }
  }
}
