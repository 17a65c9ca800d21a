package io.syncbridge;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;

/**
 * A call as a future. Cancelling it, or completing it otherwise ({@code orTimeout}), withdraws the
 * call; what it was granted meanwhile goes back. Dependent stages run on daemon threads of
 * syncbridge, never on the one that carries the connection.
 *
 * @param <T> what the call comes to
 */
final class CallFuture<T> extends CompletableFuture<T> {
  private static final Executor EXECUTOR =
      new ForkJoinPool(
          Math.max(2, Runtime.getRuntime().availableProcessors()),
          ForkJoinPool.defaultForkJoinWorkerThreadFactory,
          null,
          true);

  private final Call<T> call;
  private final boolean takes;
  private boolean over;

  private CallFuture(Call<T> call, boolean takes) {
    this.call = call;
    this.takes = takes;
  }

  /**
   * @param takes what the call is granted can be refused, as long as nobody has it
   */
  static <T> CompletableFuture<T> of(Call<T> call, boolean takes) {
    CallFuture<T> future = new CallFuture<>(call, takes);
    call.whenEnded(future::mayHaveEnded);
    return future;
  }

  private void mayHaveEnded() {
    EXECUTOR.execute(this::settle);
  }

  /** Accepts, then completes: whoever ends the future first decides about the grant. */
  private void settle() {
    T value = null;
    Throwable failure = null;
    synchronized (this) {
      if (over) {
        return;
      }
      if (!call.hasEnded()) {
        call.whenEnded(this::mayHaveEnded);
        return;
      }
      over = true;
      try {
        value = call.take();
      } catch (RuntimeException | Error e) {
        failure = e;
      }
    }
    if (failure == null) {
      super.complete(value);
    } else {
      super.completeExceptionally(failure);
    }
  }

  /** True: the call is withdrawn, and nobody else will complete this future. */
  private synchronized boolean withdraw() {
    if (over || !(call.cancel() || takes)) {
      return false;
    }
    over = true;
    call.drop();
    return true;
  }

  /**
   * Withdraws the call; waits for the definite answer for at most a second. False: it had taken
   * effect before, and the future completes with that.
   */
  @Override
  public boolean cancel(boolean mayInterruptIfRunning) {
    if (withdraw()) {
      return super.cancel(mayInterruptIfRunning);
    }
    settle();
    return isCancelled();
  }

  @Override
  public boolean complete(T value) {
    if (withdraw()) {
      return super.complete(value);
    }
    settle();
    return false;
  }

  @Override
  public boolean completeExceptionally(Throwable e) {
    if (withdraw()) {
      return super.completeExceptionally(e);
    }
    settle();
    return false;
  }
}
