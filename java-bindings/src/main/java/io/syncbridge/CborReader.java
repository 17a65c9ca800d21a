package io.syncbridge;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** Reads CBOR from bytes that nobody has checked: every length is compared with what is there. */
final class CborReader {
  /** Ends an indefinite length; never a value. */
  private static final Object BREAK = new Object();

  private final ByteBuffer in;
  private int depth;

  CborReader(ByteBuffer in) {
    this.in = in.order(ByteOrder.BIG_ENDIAN);
  }

  /** Checks that nothing follows. */
  void end() {
    if (in.hasRemaining()) {
      throw malformed("has " + in.remaining() + " bytes after its end");
    }
  }

  Object value() {
    Object value = next();
    if (value == BREAK) {
      throw malformed("has a break where a value belongs");
    }
    return value;
  }

  private Object next() {
    if (++depth > Cbor.DEPTH_MAX) {
      throw malformed("is nested more than " + Cbor.DEPTH_MAX + " deep");
    }
    int initial = octet();
    int info = initial & 0x1f;
    Object value =
        switch (initial >> 5) {
          case 0 -> unsigned(argument(info));
          case 1 -> negative(argument(info));
          case 2 -> info == 31 ? chunks(2) : bytes(argument(info));
          case 3 -> info == 31 ? Utf8.decode(ByteBuffer.wrap(chunks(3))) : text(argument(info));
          case 4 -> list(info);
          case 5 -> map(info);
          case 6 -> tagged(argument(info));
          default -> simple(info);
        };
    depth--;
    return value;
  }

  private int octet() {
    need(1);
    return in.get() & 0xff;
  }

  private void need(long bytes) {
    if (bytes < 0 || bytes > in.remaining()) {
      throw malformed("ends early");
    }
  }

  /** The argument of a head, unsigned. */
  private long argument(int info) {
    if (info < 24) {
      return info;
    }
    if (info > 27) {
      throw malformed("has a head of unknown form " + info);
    }
    need(1L << (info - 24));
    return switch (info) {
      case 24 -> in.get() & 0xffL;
      case 25 -> in.getShort() & 0xffffL;
      case 26 -> in.getInt() & 0xffff_ffffL;
      default -> in.getLong();
    };
  }

  private static Object unsigned(long argument) {
    return argument >= 0 ? (Object) argument : new BigInteger(Long.toUnsignedString(argument));
  }

  private static Object negative(long argument) {
    return argument >= 0
        ? (Object) ~argument
        : new BigInteger(Long.toUnsignedString(argument)).not();
  }

  private ByteBuffer slice(long length) {
    need(length);
    ByteBuffer slice = in.slice(in.position(), (int) length);
    in.position(in.position() + (int) length);
    return slice;
  }

  private byte[] bytes(long length) {
    need(length);
    byte[] bytes = new byte[(int) length];
    in.get(bytes);
    return bytes;
  }

  private String text(long length) {
    return Utf8.decode(slice(length));
  }

  private byte[] chunks(int major) {
    java.io.ByteArrayOutputStream all = new java.io.ByteArrayOutputStream();
    while (true) {
      int initial = octet();
      if (initial == 0xff) {
        return all.toByteArray();
      }
      if (initial >> 5 != major) {
        throw malformed("has a string with parts of another kind");
      }
      all.writeBytes(bytes(argument(initial & 0x1f)));
    }
  }

  private List<Object> list(int info) {
    List<Object> list = new ArrayList<>();
    if (info == 31) {
      for (Object value = next(); value != BREAK; value = next()) {
        list.add(value);
      }
      return list;
    }
    long count = argument(info);
    need(count);
    for (long i = 0; i < count; i++) {
      list.add(value());
    }
    return list;
  }

  private Map<Object, Object> map(int info) {
    Map<Object, Object> map = new LinkedHashMap<>();
    if (info == 31) {
      for (Object key = next(); key != BREAK; key = next()) {
        map.put(comparable(key), value());
      }
      return map;
    }
    long count = argument(info);
    need(count);
    for (long i = 0; i < count; i++) {
      Object key = comparable(value());
      map.put(key, value());
    }
    return map;
  }

  private Object simple(int info) {
    return switch (info) {
      case 20 -> false;
      case 21 -> true;
      case 22, 23 -> null;
      case 25 -> (double) NdArray.halfToFloat((short) argument(25));
      case 26 -> (double) Float.intBitsToFloat((int) argument(26));
      case 27 -> Double.longBitsToDouble(argument(27));
      case 31 -> BREAK;
      default ->
          throw malformed("has a simple value " + info + ", which is none of the shared ones");
    };
  }

  private Object tagged(long tag) {
    if (tag >= 64 && tag <= 87) {
      return typedArray(tag);
    }
    Object content = value();
    return switch ((int) Math.min(tag, Integer.MAX_VALUE)) {
      case Cbor.TAG_DATE_TEXT -> instant(expect(content, String.class, tag));
      case Cbor.TAG_DATE_EPOCH -> instant(expect(content, Number.class, tag));
      case Cbor.TAG_BIGNUM -> small(new BigInteger(1, expect(content, byte[].class, tag)));
      case Cbor.TAG_BIGNUM_NEGATIVE ->
          small(new BigInteger(1, expect(content, byte[].class, tag)).not());
      case Cbor.TAG_DECIMAL -> decimal(expect(content, List.class, tag));
      case Cbor.TAG_UUID -> uuid(expect(content, byte[].class, tag));
      case Cbor.TAG_SET -> set(expect(content, List.class, tag));
      case Cbor.TAG_ARRAY_ROW_MAJOR -> ndarray(expect(content, List.class, tag), false);
      case Cbor.TAG_ARRAY_COLUMN_MAJOR -> ndarray(expect(content, List.class, tag), true);
      case Cbor.TAG_DATE -> date(expect(content, String.class, tag));
      case Cbor.TAG_LOCAL_DATE_TIME -> localDateTime(expect(content, String.class, tag));
      case Cbor.TAG_NDARRAY ->
          NdArray.fromPayload(ByteBuffer.wrap(expect(content, byte[].class, tag)));
      case Cbor.TAG_TUPLE -> expect(content, List.class, tag);
      case 21, 22, 23, 32, 33, 34, 35, 36, 55799 -> content;
      default -> throw malformed("has the tag " + tag + ", which is none of the shared ones");
    };
  }

  private static <T> T expect(Object content, Class<T> type, long tag) {
    if (!type.isInstance(content)) {
      throw malformed("has a tag " + tag + " over something else than it stands for");
    }
    return type.cast(content);
  }

  private static Object small(BigInteger value) {
    return value.bitLength() < 64 ? (Object) value.longValue() : value;
  }

  private static Instant instant(String text) {
    try {
      return OffsetDateTime.parse(text).toInstant();
    } catch (DateTimeException e) {
      throw malformed("has a date that is none: " + text);
    }
  }

  private static LocalDate date(String text) {
    try {
      return LocalDate.parse(text);
    } catch (DateTimeException e) {
      throw malformed("has a date that is none: " + text);
    }
  }

  private static LocalDateTime localDateTime(String text) {
    try {
      return LocalDateTime.parse(text);
    } catch (DateTimeException e) {
      throw malformed("has a date and time that is none: " + text);
    }
  }

  private static Instant instant(Number seconds) {
    if (seconds instanceof Long whole) {
      return Instant.ofEpochSecond(whole);
    }
    if (!(seconds instanceof Double fractional)) {
      throw malformed("has a date out of range");
    }
    try {
      BigDecimal exact = new BigDecimal(fractional);
      long whole = exact.setScale(0, java.math.RoundingMode.FLOOR).longValueExact();
      return Instant.ofEpochSecond(
          whole, exact.subtract(BigDecimal.valueOf(whole)).movePointRight(9).longValue());
    } catch (ArithmeticException | NumberFormatException | DateTimeException e) {
      throw malformed("has a date out of range: " + seconds);
    }
  }

  private static BigDecimal decimal(List<?> parts) {
    if (parts.size() != 2
        || !(parts.get(0) instanceof Long exponent)
        || !(parts.get(1) instanceof Long || parts.get(1) instanceof BigInteger)
        || Math.abs(exponent) > Integer.MAX_VALUE) {
      throw malformed("has a decimal fraction that is not [exponent, mantissa]");
    }
    return new BigDecimal(new BigInteger(parts.get(1).toString()), (int) -exponent);
  }

  private static UUID uuid(byte[] bytes) {
    if (bytes.length != 16) {
      throw malformed("has a UUID of " + bytes.length + " bytes");
    }
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    return new UUID(buffer.getLong(), buffer.getLong());
  }

  private static Set<Object> set(List<?> values) {
    Set<Object> set = new LinkedHashSet<>();
    values.forEach(value -> set.add(comparable(value)));
    return set;
  }

  /** A {@code byte[]} equals only itself; as a key it becomes a buffer. */
  private static Object comparable(Object key) {
    return key instanceof byte[] bytes ? ByteBuffer.wrap(bytes).asReadOnlyBuffer() : key;
  }

  private NdArray typedArray(long tag) {
    String dtype = TypedArrays.dtype((int) tag);
    int initial = octet();
    if (initial >> 5 != 2 || (initial & 0x1f) == 31) {
      throw malformed("has a typed array that is not a byte string");
    }
    ByteBuffer data = slice(argument(initial & 0x1f));
    int itemBytes = NdArray.itemBytes(dtype);
    if (data.remaining() % itemBytes != 0) {
      throw malformed("has an array of " + data.remaining() + " bytes of " + dtype);
    }
    return NdArray.over(dtype, new long[] {data.remaining() / itemBytes}, false, data);
  }

  private static NdArray ndarray(List<?> parts, boolean fortran) {
    if (parts.size() != 2
        || !(parts.get(0) instanceof List<?> extents)
        || !(parts.get(1) instanceof NdArray flat)) {
      throw malformed("has an array that is not [shape, typed array]");
    }
    long[] shape = new long[extents.size()];
    for (int i = 0; i < shape.length; i++) {
      shape[i] = expect(extents.get(i), Long.class, Cbor.TAG_ARRAY_ROW_MAJOR);
    }
    return NdArray.over(flat.dtype(), shape, fortran, flat.data());
  }

  private static CodecException malformed(String how) {
    return new CodecException("the CBOR item " + how);
  }
}
