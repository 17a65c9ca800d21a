package io.syncbridge;

import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.List;

/** Order-preserving bytes of priority keys, as {@code docs/priority-keys.md} has them. */
final class PriorityKey {
  private static final int END = 0;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  private PriorityKey() {}

  /** Encodes an explicit priority. */
  static byte[] of(Object key) {
    PriorityKey encoding = new PriorityKey();
    encoding.key(key);
    return encoding.out.toByteArray();
  }

  /**
   * Encodes the key that an element without explicit priority stands for: itself, or its longest
   * prefix.
   */
  static byte[] ofElement(Object element) {
    if (!(element instanceof List<?> list) || list.isEmpty()) {
      return of(element);
    }
    PriorityKey encoding = new PriorityKey();
    encoding.out.write(0x30);
    encoding.key(list.get(0));
    for (Object next : list.subList(1, list.size())) {
      byte[] encoded;
      try {
        encoded = of(next);
      } catch (CodecException notAKey) {
        break;
      }
      encoding.out.writeBytes(encoded);
    }
    encoding.out.write(END);
    return encoding.out.toByteArray();
  }

  private void key(Object key) {
    if (key instanceof Boolean flag) {
      number(flag ? BigDecimal.ONE : BigDecimal.ZERO);
    } else if (key instanceof Double || key instanceof Float) {
      floating(((Number) key).doubleValue());
    } else if (key instanceof Long
        || key instanceof Integer
        || key instanceof Short
        || key instanceof Byte
        || key instanceof BigInteger) {
      number(new BigDecimal(key.toString()));
    } else if (key instanceof byte[] bytes) {
      string(0x10, ByteBuffer.wrap(bytes));
    } else if (key instanceof ByteBuffer bytes) {
      string(0x10, bytes.duplicate());
    } else if (key instanceof String text) {
      string(0x20, Utf8.encode(text));
    } else if (key instanceof List<?> list) {
      out.write(0x30);
      list.forEach(this::key);
      out.write(END);
    } else {
      throw new CodecException(
          (key == null ? "null" : "a " + key.getClass().getName())
              + " has no place in the order of a priority queue; give the queue a priority of numbers, bytes, strings"
              + " or lists of them");
    }
  }

  private void floating(double value) {
    if (Double.isNaN(value)) {
      throw new CodecException("NaN has no place in the order of a priority queue");
    }
    if (Double.isInfinite(value)) {
      out.write(value < 0 ? 0x01 : 0x05);
    } else {
      number(new BigDecimal(value));
    }
  }

  /** A finite number: kind, exponent, and the fraction in groups of seven bits. */
  private void number(BigDecimal value) {
    if (value.signum() == 0) {
      out.write(0x03);
      return;
    }
    // Every double is an integer times a power of two, and so times a power of ten that is not
    // positive.
    BigDecimal magnitude = value.abs();
    int binaryScale = Math.max(0, magnitude.scale());
    BigInteger integer =
        magnitude
            .multiply(new BigDecimal(BigInteger.ONE.shiftLeft(binaryScale)))
            .toBigIntegerExact();
    int top = integer.bitLength() - 1;
    int invert = value.signum() < 0 ? 0xff : 0;
    out.write(value.signum() < 0 ? 0x02 : 0x04);
    int exponent = (top - binaryScale) ^ Integer.MIN_VALUE;
    for (int shift = 24; shift >= 0; shift -= 8) {
      out.write((exponent >>> shift) ^ invert);
    }
    int bits = top - integer.getLowestSetBit();
    for (int start = 0; start == 0 || start < bits; start += 7) {
      int group = 0;
      for (int i = start; i < start + 7; i++) {
        group = group << 1 | (i < bits && integer.testBit(top - 1 - i) ? 1 : 0);
      }
      out.write((group << 1 | (start + 7 < bits ? 1 : 0)) ^ invert);
    }
  }

  private void string(int kind, ByteBuffer bytes) {
    out.write(kind);
    while (bytes.hasRemaining()) {
      byte octet = bytes.get();
      out.write(octet);
      if (octet == 0) {
        out.write(0xff);
      }
    }
    out.write(END);
  }
}
