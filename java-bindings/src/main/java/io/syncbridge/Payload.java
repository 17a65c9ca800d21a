package io.syncbridge;

import java.nio.ByteBuffer;

/**
 * An encoded value: bytes and what they are.
 *
 * @param contentType the media type, as other languages see it
 * @param bytes the value, from position to limit; not to be changed any more
 */
public record Payload(String contentType, ByteBuffer bytes) {
  /** Plain bytes. */
  public static final String BYTES = "application/octet-stream";

  /** Text in UTF-8. */
  public static final String TEXT = "text/plain; charset=utf-8";

  /** A structured value. */
  public static final String CBOR = "application/cbor";

  /** JSON, where asked for. */
  public static final String JSON = "application/json";

  /** An {@link NdArray}. */
  public static final String NDARRAY = "application/vnd.syncbridge.ndarray";

  /** A pickled Python object, which only Python reads. */
  public static final String PICKLE = "application/x-python-pickle";

  /** A payload over all of {@code bytes}. */
  public static Payload of(String contentType, byte[] bytes) {
    return new Payload(contentType, ByteBuffer.wrap(bytes));
  }

  byte[] toBytes() {
    byte[] copy = new byte[bytes.remaining()];
    bytes.duplicate().get(copy);
    return copy;
  }
}
