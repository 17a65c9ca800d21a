package io.syncbridge;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A call as a future. Cancelling it, or completing it otherwise ({@code orTimeout}), withdraws the
 * call; what it was granted meanwhile goes back. Dependent stages run on daemon threads of
 * syncbridge, never on the one that carries the connection, and may block.
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

  /** How the future ends if the call is withdrawn; null as long as nobody wants that. */
  private Runnable instead;

  private boolean over;
  private boolean withdrawn;

  private CallFuture(Call<T> call) {
    this.call = call;
  }

  static <T> CompletableFuture<T> of(Call<T> call) {
    CallFuture<T> future = new CallFuture<>(call);
    call.whenEnded(future::mayHaveEnded);
    return future;
  }

  private void mayHaveEnded() {
    EXECUTOR.execute(this::settle);
  }

  /** Ends the future if the call has ended. */
  private void settle() {
    Runnable end;
    synchronized (this) {
      if (over) {
        return;
      }
      if (!call.hasEnded()) {
        call.whenEnded(this::mayHaveEnded);
        return;
      }
      over = true;
      end = end();
    }
    end.run();
  }

  /** How the future ends. What was granted is accepted first. */
  private Runnable end() {
    withdrawn = instead != null && call.isWithdrawn();
    if (withdrawn) {
      call.drop();
      return instead;
    }
    try {
      T value = call.take();
      return () -> super.complete(value);
    } catch (RuntimeException | Error e) {
      return () -> super.completeExceptionally(e);
    }
  }

  /**
   * Withdraws the call, without waiting: the future ends by {@code instead}, or with what the call
   * came to before. False: it ends or has ended by somebody else.
   */
  private boolean withdraw(Runnable instead) {
    synchronized (this) {
      if (over || this.instead != null) {
        return false;
      }
      this.instead = instead;
      call.withdraw();
    }
    settle();
    if (!isDone()) {
      delayedExecutor(Call.CANCEL_NANOS, TimeUnit.NANOSECONDS, EXECUTOR).execute(this::giveUp);
    }
    return true;
  }

  private void giveUp() {
    synchronized (this) {
      if (over) {
        return;
      }
      call.giveUp();
    }
    settle();
  }

  /** Withdraws the call and waits for its end. True: the future ended by {@code instead}. */
  private boolean end(Runnable instead) {
    boolean mine = withdraw(instead);
    handle((value, failure) -> null).join();
    return mine && withdrawn;
  }

  /**
   * Withdraws the call; waits for the definite answer for at most a second. False: it had taken
   * effect before, and the future has completed with that.
   */
  @Override
  public boolean cancel(boolean mayInterruptIfRunning) {
    end(() -> super.cancel(mayInterruptIfRunning));
    return isCancelled();
  }

  /** As {@link #cancel}, with a value. */
  @Override
  public boolean complete(T value) {
    return end(() -> super.complete(value));
  }

  /** As {@link #cancel}, with an exception. */
  @Override
  public boolean completeExceptionally(Throwable e) {
    return end(() -> super.completeExceptionally(e));
  }

  @Override
  public CompletableFuture<T> orTimeout(long timeout, TimeUnit unit) {
    return after(timeout, unit, () -> super.completeExceptionally(new TimeoutException()));
  }

  @Override
  public CompletableFuture<T> completeOnTimeout(T value, long timeout, TimeUnit unit) {
    return after(timeout, unit, () -> super.complete(value));
  }

  /** The JDK's one timer thread for all futures must not wait for the answer to a withdrawal. */
  private CompletableFuture<T> after(long timeout, TimeUnit unit, Runnable instead) {
    CompletableFuture<Void> timer =
        new CompletableFuture<Void>().completeOnTimeout(null, timeout, unit);
    timer.thenRunAsync(() -> withdraw(instead), EXECUTOR);
    whenComplete((value, failure) -> timer.complete(null));
    return this;
  }
}
