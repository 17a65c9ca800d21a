package io.syncbridge;

/**
 * Options of a queue. What is not given is no opinion: it takes the value that others declared.
 * What is given must agree with what others gave, else {@code CONFIG_MISMATCH}.
 *
 * @param discipline in which order items leave; FIFO unless somebody says otherwise
 * @param maxsize how many waiting items it holds at most, 0 for no bound
 * @param maxDeliveries after how many deliveries without an ack an item is a dead letter, 0 for
 *     never
 * @param deadLetters the queue that receives dead letters
 * @param ephemeral deleted with the last session that uses it
 */
public record QueueOptions(
    Discipline discipline,
    Long maxsize,
    Integer maxDeliveries,
    String deadLetters,
    boolean ephemeral) {

  /** In which order items leave. */
  public enum Discipline {
    /** In order of arrival. */
    FIFO,
    /** The latest first. */
    LIFO,
    /** The smallest key first, equal keys in order of arrival. */
    PRIORITY
  }

  /** No opinion about anything. */
  public static final QueueOptions DEFAULT = new QueueOptions(null, null, null, null, false);

  /** The same with a discipline. */
  public QueueOptions withDiscipline(Discipline discipline) {
    return new QueueOptions(discipline, maxsize, maxDeliveries, deadLetters, ephemeral);
  }

  /** The same with a bound. */
  public QueueOptions withMaxsize(long maxsize) {
    return new QueueOptions(discipline, maxsize, maxDeliveries, deadLetters, ephemeral);
  }

  /** The same with a limit of deliveries. */
  public QueueOptions withMaxDeliveries(int maxDeliveries) {
    return new QueueOptions(discipline, maxsize, maxDeliveries, deadLetters, ephemeral);
  }

  /** The same with a queue for dead letters. */
  public QueueOptions withDeadLetters(String deadLetters) {
    return new QueueOptions(discipline, maxsize, maxDeliveries, deadLetters, ephemeral);
  }

  /** The same, deleted with the last session that uses it, or not. */
  public QueueOptions withEphemeral(boolean ephemeral) {
    return new QueueOptions(discipline, maxsize, maxDeliveries, deadLetters, ephemeral);
  }
}
