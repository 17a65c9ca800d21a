package io.syncbridge;

import java.lang.reflect.RecordComponent;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/** Writes CBOR. Integers and lengths take their shortest form, doubles eight bytes. */
final class CborWriter {
  private static final BigInteger TWO_64 = BigInteger.ONE.shiftLeft(64);

  private static final DateTimeFormatter SECONDS =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss");
  private static final DateTimeFormatter MICROS =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS");
  private static final DateTimeFormatter NANOS =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSSSSS");

  private byte[] out = new byte[64];
  private int length;
  private int depth;

  byte[] toBytes() {
    return Arrays.copyOf(out, length);
  }

  void value(Object value) {
    if (++depth > Cbor.DEPTH_MAX) {
      throw new CodecException(
          "a value nested more than "
              + Cbor.DEPTH_MAX
              + " deep cannot be encoded; is it part of itself?");
    }
    if (value == null) {
      put(0xf6);
    } else if (value instanceof Boolean b) {
      put(b ? 0xf5 : 0xf4);
    } else if (value instanceof Number number) {
      number(number);
    } else if (value instanceof CharSequence || value instanceof Character) {
      text(value.toString());
    } else if (value instanceof Enum<?> constant) {
      text(constant.name());
    } else if (value instanceof byte[] bytes) {
      bytes(ByteBuffer.wrap(bytes));
    } else if (value instanceof ByteBuffer bytes) {
      bytes(bytes.duplicate());
    } else if (value instanceof Map<?, ?> map) {
      map(map);
    } else if (value instanceof Set<?> set) {
      head(6, Cbor.TAG_SET);
      array(set);
    } else if (value instanceof Collection<?> collection) {
      array(collection);
    } else if (value instanceof Object[] array) {
      array(Arrays.asList(array));
    } else if (value instanceof NdArray array) {
      ndarray(array);
    } else if (value instanceof Instant instant) {
      tagged(Cbor.TAG_DATE_TEXT, text(LocalDateTime.ofInstant(instant, ZoneOffset.UTC)) + "Z");
    } else if (value instanceof LocalDateTime time) {
      tagged(Cbor.TAG_LOCAL_DATE_TIME, text(time));
    } else if (value instanceof LocalDate date) {
      tagged(Cbor.TAG_DATE, date.toString());
    } else if (value instanceof UUID uuid) {
      uuid(uuid);
    } else if (value instanceof Record record) {
      record(record);
    } else if (value instanceof Optional<?> optional) {
      value(optional.orElse(null));
    } else {
      typedArray(value);
    }
    depth--;
  }

  private void number(Number number) {
    if (number instanceof Long
        || number instanceof Integer
        || number instanceof Short
        || number instanceof Byte) {
      integer(number.longValue());
    } else if (number instanceof Double || number instanceof Float) {
      put(0xfb);
      bits(Double.doubleToRawLongBits(number.doubleValue()), 8);
    } else if (number instanceof BigInteger big) {
      integer(big);
    } else if (number instanceof BigDecimal decimal) {
      head(6, Cbor.TAG_DECIMAL);
      head(4, 2);
      integer(-(long) decimal.scale());
      integer(decimal.unscaledValue());
    } else {
      throw unknown(number);
    }
  }

  private void integer(long value) {
    if (value >= 0) {
      head(0, value);
    } else {
      head(1, ~value);
    }
  }

  private void integer(BigInteger value) {
    boolean negative = value.signum() < 0;
    BigInteger magnitude = negative ? value.not() : value;
    if (magnitude.compareTo(TWO_64) < 0) {
      head(negative ? 1 : 0, magnitude.longValue());
      return;
    }
    head(6, negative ? Cbor.TAG_BIGNUM_NEGATIVE : Cbor.TAG_BIGNUM);
    byte[] bytes = magnitude.toByteArray();
    int zeros = bytes[0] == 0 ? 1 : 0;
    bytes(ByteBuffer.wrap(bytes, zeros, bytes.length - zeros));
  }

  private void text(String text) {
    ByteBuffer utf8 = Utf8.encode(text);
    head(3, utf8.remaining());
    raw(utf8);
  }

  private void bytes(ByteBuffer bytes) {
    head(2, bytes.remaining());
    raw(bytes);
  }

  private void array(Collection<?> values) {
    Object[] snapshot = values.toArray();
    head(4, snapshot.length);
    for (Object value : snapshot) {
      value(value);
    }
  }

  private void map(Map<?, ?> map) {
    head(5, map.size());
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      value(entry.getKey());
      value(entry.getValue());
    }
  }

  private void record(Record record) {
    RecordComponent[] components = record.getClass().getRecordComponents();
    head(5, components.length);
    for (RecordComponent component : components) {
      text(component.getName());
      value(Records.get(record, component));
    }
  }

  /** With seconds always, and a fraction of no, six or nine digits. */
  private static String text(LocalDateTime time) {
    int nanos = time.getNano();
    return time.format(nanos == 0 ? SECONDS : nanos % 1000 == 0 ? MICROS : NANOS);
  }

  private void tagged(int tag, String text) {
    head(6, tag);
    text(text);
  }

  private void uuid(UUID uuid) {
    head(6, Cbor.TAG_UUID);
    head(2, 16);
    bits(uuid.getMostSignificantBits(), 8);
    bits(uuid.getLeastSignificantBits(), 8);
  }

  private void ndarray(NdArray array) {
    if (!TypedArrays.has(array.dtype())) {
      head(6, Cbor.TAG_NDARRAY);
      bytes(array.toPayload());
      return;
    }
    head(6, array.fortran() ? Cbor.TAG_ARRAY_COLUMN_MAJOR : Cbor.TAG_ARRAY_ROW_MAJOR);
    head(4, 2);
    head(4, array.shape().length);
    for (long extent : array.shape()) {
      integer(extent);
    }
    head(6, TypedArrays.tag(array.dtype()));
    bytes(array.data());
  }

  private void typedArray(Object value) {
    NdArray array = NdArray.ofJavaArray(value);
    if (array == null) {
      throw unknown(value);
    }
    head(6, TypedArrays.tag(array.dtype()));
    bytes(array.data());
  }

  private static CodecException unknown(Object value) {
    return new CodecException(
        "a "
            + value.getClass().getName()
            + " cannot be encoded as CBOR; put a value of the table in docs/values.md, or give the queue a codec of"
            + " your own");
  }

  private void head(int major, long argument) {
    int type = major << 5;
    if (argument >= 0 && argument < 24) {
      put(type | (int) argument);
    } else if (argument >= 0 && argument <= 0xff) {
      put(type | 24);
      bits(argument, 1);
    } else if (argument >= 0 && argument <= 0xffff) {
      put(type | 25);
      bits(argument, 2);
    } else if (argument >= 0 && argument <= 0xffff_ffffL) {
      put(type | 26);
      bits(argument, 4);
    } else {
      put(type | 27);
      bits(argument, 8);
    }
  }

  private void bits(long value, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
      put((int) (value >>> shift));
    }
  }

  private void put(int octet) {
    reserve(1);
    out[length++] = (byte) octet;
  }

  private void raw(ByteBuffer bytes) {
    int count = bytes.remaining();
    reserve(count);
    bytes.get(out, length, count);
    length += count;
  }

  private void reserve(int more) {
    if (out.length - length < more) {
      out =
          Arrays.copyOf(
              out, Math.max(Math.addExact(length, more), (int) Math.min(out.length * 2L, 1 << 30)));
    }
  }
}
