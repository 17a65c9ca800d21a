package io.syncbridge;

import java.util.Map;

/**
 * A call failed in a way for which {@code java.util.concurrent} has no exception of its own. The
 * {@link #reason()} decides; the message says what was asked, what was found and what to do.
 */
public class SyncBridgeException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Why: the closed list that all languages share. */
  public enum Reason {
    /** A field has a value that it may not have. */
    INVALID_ARGUMENT,
    /** A bound was reached; nothing was changed. */
    LIMIT_EXCEEDED,
    /** The object exists with another value of an option. */
    CONFIG_MISMATCH,
    /** The object is not there any more. */
    OBJECT_GONE,
    /** One call names objects of two namespaces. */
    CROSS_NAMESPACE,
    /** What is held needs a session. */
    SESSION_REQUIRED,
    /** The session ended; what it held went back. */
    SESSION_EXPIRED,
    /** The session is somebody else's. */
    SESSION_DENIED,
    /** Client and server do not speak the same version. */
    PROTOCOL_VERSION,
    /** No room within the time given. */
    FULL,
    /** Nothing to take within the time given. */
    EMPTY,
    /** The time given was over. */
    TIMED_OUT,
    /** Withdrawn. */
    CANCELLED,
    /** The queue, the handle or the bridge was shut down. */
    SHUT_DOWN,
    /** The other end of the pipe is closed, and everything that it sent was received. */
    END_OF_PIPE,
    /** The end of the pipe that would receive is closed. */
    BROKEN_PIPE,
    /** The token does not hold any more; nothing was changed. */
    STALE,
    /** A release beyond the limit of a bounded semaphore. */
    TOO_MANY_RELEASES,
    /** taskDone beyond what was taken. */
    TOO_MANY_TASKS_DONE,
    /** A fencing token lower than one that was seen before; nothing was changed. */
    FENCED,
    /** A party of the barrier failed, or somebody aborted or reset it. */
    BROKEN_BARRIER,
    /** Nothing is left to wait for but items that were lost with their consumers. */
    JOIN_INCOMPLETE,
    /** An item of that key is there already, and its put refuses duplicates. */
    DUPLICATE,
    /** The call left, and no answer can be had any more. */
    OUTCOME_UNKNOWN,
    /** The server cannot be reached. */
    UNAVAILABLE,
    /** A fault of syncbridge. */
    INTERNAL
  }

  private final Reason reason;
  private final transient Map<String, String> details;

  /** An exception without details. */
  public SyncBridgeException(Reason reason, String message) {
    this(reason, message, Map.of());
  }

  SyncBridgeException(Reason reason, String message, Map<String, String> details) {
    super(message);
    this.reason = reason;
    this.details = details;
  }

  /** Why. */
  public Reason reason() {
    return reason;
  }

  /** Details by name, such as {@code limit} and {@code value}. */
  public Map<String, String> details() {
    return details == null ? Map.of() : details;
  }
}
