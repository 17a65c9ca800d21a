package io.syncbridge;

/** A value that cannot be encoded, or a payload that cannot be decoded as what was asked for. */
public class CodecException extends SyncBridgeException {
  private static final long serialVersionUID = 1L;

  /** With what was asked, what was found and what to do. */
  public CodecException(String message) {
    super(Reason.INVALID_ARGUMENT, message);
  }

  /** The same, and what lies behind it. */
  public CodecException(String message, Throwable cause) {
    super(Reason.INVALID_ARGUMENT, message);
    initCause(cause);
  }
}
