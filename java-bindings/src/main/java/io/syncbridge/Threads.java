package io.syncbridge;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Supplier;

/** What depends on the calling thread. */
final class Threads {
  /** {@code Thread.isVirtual}, where there is such a thing (Java 21). */
  private static final MethodHandle IS_VIRTUAL = isVirtualMethod();

  private Threads() {}

  private static MethodHandle isVirtualMethod() {
    try {
      return MethodHandles.publicLookup()
          .findVirtual(Thread.class, "isVirtual", MethodType.methodType(boolean.class));
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  static boolean isVirtual(Thread thread) {
    try {
      return IS_VIRTUAL != null && (boolean) IS_VIRTUAL.invokeExact(thread);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  static void daemon(String name, Runnable body) {
    Thread thread = new Thread(body, name);
    thread.setDaemon(true);
    thread.start();
  }

  /**
   * Runs what waits in native code (connecting, closing) on a daemon thread of its own. The caller
   * waits in Java, whatever interrupts come; they stay pending.
   */
  static <T> T aside(String name, Supplier<T> waiting) {
    CompletableFuture<T> result = new CompletableFuture<>();
    daemon(
        name,
        () -> {
          try {
            result.complete(waiting.get());
          } catch (Throwable e) {
            result.completeExceptionally(e);
          }
        });
    try {
      return result.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof SyncBridgeException failure) {
        // It should name the caller's lines.
        failure.fillInStackTrace();
        throw failure;
      }
      throw e;
    }
  }
}
