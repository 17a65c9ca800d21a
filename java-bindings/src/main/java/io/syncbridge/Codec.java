package io.syncbridge;

/**
 * Turns values into bytes that other languages read, and back. On a {@code mem:} bridge nothing is
 * encoded: the very object comes out, and only its type is checked.
 *
 * @param <T> the type of the values
 */
public interface Codec<T> {
  /** What {@link #decode} returns; what a {@code mem:} bridge checks its objects against. */
  Class<? super T> type();

  /**
   * Encodes a value. The payload's buffer must not be changed any more.
   *
   * @throws CodecException if it cannot be encoded
   */
  Payload encode(T value);

  /**
   * Decodes a payload, after a look at its content type.
   *
   * @throws CodecException if it is none of this codec's
   */
  T decode(Payload payload);

  /** {@code byte[]}, as they are, whatever their content type. */
  static Codec<byte[]> bytes() {
    return Codecs.BYTES;
  }

  /** Text in UTF-8. */
  static Codec<String> string() {
    return Codecs.STRING;
  }

  /**
   * Any value of the table in {@code docs/values.md}: {@code byte[]} and strings travel as
   * themselves, an {@link NdArray} as an array, everything else (null excepted, which is no element
   * of a queue) as CBOR. Reads JSON too, where Jackson is there.
   */
  static Codec<Object> values() {
    return Codecs.VALUES;
  }

  /** Arrays of numbers. */
  static Codec<NdArray> ndarray() {
    return Codecs.NDARRAY;
  }

  /**
   * A record, as a CBOR map from the names of its components to their values. Components that a map
   * lacks are null or zero; what else it has is ignored.
   *
   * @param type the record's class; its components are of types of the table in {@code
   *     docs/values.md}, primitives, other records, or lists of them
   */
  static <T extends Record> Codec<T> record(Class<T> type) {
    return new RecordCodec<>(type);
  }

  /**
   * JSON by Jackson, which must be on the class path: {@code
   * com.fasterxml.jackson.core:jackson-databind}.
   *
   * @param type what is read and written
   */
  static <T> Codec<T> json(Class<T> type) {
    return new JsonCodec<>(type);
  }
}
