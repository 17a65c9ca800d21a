package io.syncbridge;

/**
 * Options of a semaphore; null is no opinion.
 *
 * @param permits how many from the start; negative: so many releases must come first
 * @param bounded a release beyond the limit is an error
 * @param owned permits belong to the session that acquired them and go back when it ends (the
 *     default); else every permit is a mere signal
 * @param ephemeral deleted with the last session that uses it
 */
public record SemaphoreOptions(Long permits, Boolean bounded, Boolean owned, boolean ephemeral) {
  /** No opinion about anything. */
  public static final SemaphoreOptions DEFAULT = new SemaphoreOptions(null, null, null, false);

  /** The same with so many permits. */
  public SemaphoreOptions withPermits(long permits) {
    return new SemaphoreOptions(permits, bounded, owned, ephemeral);
  }

  /** The same, bounded or not. */
  public SemaphoreOptions withBounded(boolean bounded) {
    return new SemaphoreOptions(permits, bounded, owned, ephemeral);
  }

  /** The same, with permits that are owned, or are signals. */
  public SemaphoreOptions withOwned(boolean owned) {
    return new SemaphoreOptions(permits, bounded, owned, ephemeral);
  }

  /** The same, deleted with the last session that uses it, or not. */
  public SemaphoreOptions withEphemeral(boolean ephemeral) {
    return new SemaphoreOptions(permits, bounded, owned, ephemeral);
  }
}
