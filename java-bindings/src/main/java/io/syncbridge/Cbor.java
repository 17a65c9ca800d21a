package io.syncbridge;

import java.nio.ByteBuffer;

/**
 * CBOR (RFC 8949) of the values that all languages share, in the tags of {@code docs/values.md}.
 *
 * <p>Our own because none of the small libraries carries the tags that matter here (sets, decimals,
 * UUIDs, typed and multi-dimensional arrays) both ways, and a dependency would be larger than this.
 */
final class Cbor {
  /** Deeper nesting is refused rather than overflowing the stack. */
  static final int DEPTH_MAX = 256;

  static final int TAG_DATE_TEXT = 0;
  static final int TAG_DATE_EPOCH = 1;
  static final int TAG_BIGNUM = 2;
  static final int TAG_BIGNUM_NEGATIVE = 3;
  static final int TAG_DECIMAL = 4;
  static final int TAG_UUID = 37;
  static final int TAG_ARRAY_ROW_MAJOR = 40;
  static final int TAG_ARRAY_COLUMN_MAJOR = 1040;
  static final int TAG_SET = 258;
  static final int TAG_DATE = 1004;

  /** This project's own: a tuple, read as a list. */
  static final int TAG_TUPLE = 45730;

  /** This project's own: a date and time of no time zone. */
  static final int TAG_LOCAL_DATE_TIME = 45731;

  /** This project's own: an array in its payload format, where RFC 8746 has no element type. */
  static final int TAG_NDARRAY = 45732;

  private Cbor() {}

  static byte[] encode(Object value) {
    CborWriter writer = new CborWriter();
    writer.value(value);
    return writer.toBytes();
  }

  static Object decode(ByteBuffer bytes) {
    CborReader reader = new CborReader(bytes.duplicate());
    Object value = reader.value();
    reader.end();
    return value;
  }
}
