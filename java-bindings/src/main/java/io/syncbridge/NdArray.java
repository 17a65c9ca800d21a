package io.syncbridge;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * An array of numbers with a shape, as numpy has it: element type and byte order, extents, and the
 * elements themselves in a buffer.
 *
 * <p>The elements of {@link #allocate} lie in a direct buffer that is sent without being copied in
 * Java; those of an array that was received lie in the buffer that it came in, which may be
 * read-only. An array that was put must not be changed any more.
 */
public final class NdArray {
  private static final int ALIGNMENT = 64;
  private static final String DTYPE = "[<>|=]?(b1|[iu][1248]|f[248]|c(8|16))";
  private static final boolean LITTLE = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN;

  private final String dtype;
  private final long[] shape;
  private final boolean fortran;
  private final ByteBuffer data;

  /** The whole payload, header included, where {@code data} is part of one. */
  private final ByteBuffer payload;

  private NdArray(
      String dtype, long[] shape, boolean fortran, ByteBuffer data, ByteBuffer payload) {
    this.dtype = dtype;
    this.shape = shape;
    this.fortran = fortran;
    this.data = data.order(dtype.startsWith(">") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
    this.payload = payload;
  }

  /**
   * An array of zeros in row-major order.
   *
   * @param dtype numpy's name of the element type: {@code "<f4"}, {@code "<i8"}, {@code "|u1"};
   *     without a byte order the machine's
   */
  public static NdArray allocate(String dtype, long... shape) {
    String full = normal(dtype);
    long[] extents = shape.clone();
    return format(full, extents, false, bytes(full, extents));
  }

  /** A copy of {@code elements} as {@code float64}. */
  public static NdArray of(double[] elements, long... shape) {
    NdArray array = allocate("f8", shapeOf(elements.length, shape));
    array.data().asDoubleBuffer().put(elements);
    return array;
  }

  /** A copy of {@code elements} as {@code float32}. */
  public static NdArray of(float[] elements, long... shape) {
    NdArray array = allocate("f4", shapeOf(elements.length, shape));
    array.data().asFloatBuffer().put(elements);
    return array;
  }

  /** A copy of {@code elements} as {@code int64}. */
  public static NdArray of(long[] elements, long... shape) {
    NdArray array = allocate("i8", shapeOf(elements.length, shape));
    array.data().asLongBuffer().put(elements);
    return array;
  }

  /** A copy of {@code elements} as {@code int32}. */
  public static NdArray of(int[] elements, long... shape) {
    NdArray array = allocate("i4", shapeOf(elements.length, shape));
    array.data().asIntBuffer().put(elements);
    return array;
  }

  /** A copy of {@code elements} as {@code int16}. */
  public static NdArray of(short[] elements, long... shape) {
    NdArray array = allocate("i2", shapeOf(elements.length, shape));
    array.data().asShortBuffer().put(elements);
    return array;
  }

  /** A copy of {@code elements} as {@code uint8}. */
  public static NdArray of(byte[] elements, long... shape) {
    NdArray array = allocate("u1", shapeOf(elements.length, shape));
    array.data().put(elements);
    return array;
  }

  /**
   * An array over {@code data}, which is not copied here.
   *
   * @param fortran the elements lie in column-major order
   */
  public static NdArray over(String dtype, long[] shape, boolean fortran, ByteBuffer data) {
    String full = normal(dtype);
    long needed = bytes(full, shape);
    if (data.remaining() != needed) {
      throw new CodecException(
          "an array of "
              + full
              + " and shape "
              + Arrays.toString(shape)
              + " takes "
              + needed
              + " bytes; there are "
              + data.remaining());
    }
    return new NdArray(full, shape.clone(), fortran, data.slice(), null);
  }

  /** The array that a Java array of a numeric type is; null if it is none. */
  static NdArray ofJavaArray(Object array) {
    if (array instanceof double[] elements) {
      return of(elements);
    }
    if (array instanceof float[] elements) {
      return of(elements);
    }
    if (array instanceof long[] elements) {
      return of(elements);
    }
    if (array instanceof int[] elements) {
      return of(elements);
    }
    return array instanceof short[] elements ? of(elements) : null;
  }

  /** numpy's name of the element type, byte order first: {@code "<f8"}. */
  public String dtype() {
    return dtype;
  }

  /** The extents; none for a scalar. */
  public long[] shape() {
    return shape.clone();
  }

  /** Whether the elements lie in column-major order. */
  public boolean fortran() {
    return fortran;
  }

  /** How many elements there are. */
  public int size() {
    return data.capacity() / itemBytes(dtype);
  }

  /**
   * The elements in memory order, from position 0 to the limit, in the byte order of the element
   * type.
   */
  public ByteBuffer data() {
    return data.duplicate().order(data.order());
  }

  /** One element as a double; bools are 0 and 1. */
  public double getDouble(long... index) {
    return doubleAt(position(index));
  }

  /** One element as a long; fractions are cut off. */
  public long getLong(long... index) {
    return longAt(position(index));
  }

  /** The elements in memory order as doubles. */
  public double[] toDoubles() {
    double[] all = new double[size()];
    int step = itemBytes(dtype);
    for (int i = 0; i < all.length; i++) {
      all[i] = doubleAt(i * step);
    }
    return all;
  }

  /** The elements in memory order as longs; fractions are cut off. */
  public long[] toLongs() {
    long[] all = new long[size()];
    int step = itemBytes(dtype);
    for (int i = 0; i < all.length; i++) {
      all[i] = longAt(i * step);
    }
    return all;
  }

  private int position(long[] index) {
    if (index.length != shape.length) {
      throw new IndexOutOfBoundsException(
          index.length + " indices for an array of " + shape.length + " dimensions");
    }
    long element = 0;
    for (int i = 0; i < shape.length; i++) {
      int axis = fortran ? shape.length - 1 - i : i;
      if (index[axis] < 0 || index[axis] >= shape[axis]) {
        throw new IndexOutOfBoundsException(
            "index " + index[axis] + " on axis " + axis + " of extent " + shape[axis]);
      }
      element = element * shape[axis] + index[axis];
    }
    return Math.toIntExact(element * itemBytes(dtype));
  }

  private double doubleAt(int at) {
    return switch (dtype.substring(1)) {
      case "f8" -> data.getDouble(at);
      case "f4" -> data.getFloat(at);
      case "f2" -> halfToFloat(data.getShort(at));
      case "u8" -> unsignedToDouble(data.getLong(at));
      default -> longAt(at);
    };
  }

  private long longAt(int at) {
    return switch (dtype.substring(1)) {
      case "b1", "u1" -> data.get(at) & 0xff;
      case "i1" -> data.get(at);
      case "u2" -> data.getShort(at) & 0xffff;
      case "i2" -> data.getShort(at);
      case "u4" -> data.getInt(at) & 0xffff_ffffL;
      case "i4" -> data.getInt(at);
      case "u8", "i8" -> data.getLong(at);
      case "f2", "f4", "f8" -> (long) doubleAt(at);
      default ->
          throw new UnsupportedOperationException(
              "elements of " + dtype + " are no Java numbers; read data() instead");
    };
  }

  private static double unsignedToDouble(long bits) {
    return bits >= 0 ? bits : ((bits >>> 1) | (bits & 1)) * 2.0;
  }

  static float halfToFloat(short half) {
    int sign = (half & 0x8000) << 16;
    int exponent = (half >> 10) & 0x1f;
    int fraction = half & 0x3ff;
    if (exponent == 0) {
      float magnitude = fraction * 0x1p-24f;
      return sign == 0 ? magnitude : -magnitude;
    }
    int widened = exponent == 31 ? 0xff : exponent + 112;
    return Float.intBitsToFloat(sign | widened << 23 | fraction << 13);
  }

  private static long[] shapeOf(int length, long[] shape) {
    if (shape.length == 0) {
      return new long[] {length};
    }
    long count = 1;
    for (long extent : shape) {
      count *= extent;
    }
    if (count != length) {
      throw new IllegalArgumentException(
          length + " elements do not fill the shape " + Arrays.toString(shape));
    }
    return shape;
  }

  /** With the byte order in front, {@code |} where there is none. */
  private static String normal(String dtype) {
    if (!dtype.matches(DTYPE)) {
      throw new CodecException(
          "the element type "
              + dtype
              + " is none of bool, integers, floats and complex numbers; send other elements field by field, or as a list");
    }
    char first = dtype.charAt(0);
    String bare =
        first == '<' || first == '>' || first == '|' || first == '=' ? dtype.substring(1) : dtype;
    if (bare.endsWith("1")) {
      return "|" + bare;
    }
    return (first == '<' || first == '>' ? first : LITTLE ? '<' : '>') + bare;
  }

  static int itemBytes(String dtype) {
    return Integer.parseInt(dtype.substring(2));
  }

  private static long bytes(String dtype, long[] shape) {
    long total = itemBytes(dtype);
    for (long extent : shape) {
      if (extent < 0) {
        throw new CodecException("an array has the extent " + extent);
      }
      try {
        total = Math.multiplyExact(total, extent);
      } catch (ArithmeticException e) {
        throw new CodecException("an array of shape " + Arrays.toString(shape) + " is too large");
      }
    }
    return total;
  }

  /** An array whose elements follow its written header in one direct buffer. */
  private static NdArray format(String dtype, long[] shape, boolean fortran, long dataBytes) {
    CborWriter header = new CborWriter();
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("d", dtype);
    fields.put("s", Arrays.stream(shape).boxed().toList());
    fields.put("f", fortran);
    header.value(fields);
    byte[] map = header.toBytes();
    int start = (4 + map.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    ByteBuffer payload = ByteBuffer.allocateDirect(Math.toIntExact(start + dataBytes));
    payload.order(ByteOrder.LITTLE_ENDIAN).putInt(map.length).put(map).rewind();
    return new NdArray(
        dtype, shape, fortran, payload.slice(start, Math.toIntExact(dataBytes)), payload);
  }

  /** As it goes over the wire; copies the elements unless they lie behind their header already. */
  ByteBuffer toPayload() {
    if (payload != null) {
      return payload.duplicate();
    }
    NdArray copy = format(dtype, shape, fortran, data.capacity());
    copy.data.duplicate().put(data());
    return copy.payload.duplicate();
  }

  static NdArray fromPayload(ByteBuffer bytes) {
    ByteBuffer in = bytes.slice().order(ByteOrder.LITTLE_ENDIAN);
    long mapBytes = in.remaining() < 4 ? -1 : in.getInt() & 0xffff_ffffL;
    if (mapBytes < 0 || mapBytes > in.remaining()) {
      throw new CodecException("the array's header is cut off");
    }
    if (!(Cbor.decode(in.slice(4, (int) mapBytes)) instanceof Map<?, ?> header)
        || !(header.get("d") instanceof String dtype)
        || !(header.get("s") instanceof List<?> extents)) {
      throw new CodecException(
          "the array's header is not a map with d (element type) and s (shape)");
    }
    long[] shape = new long[extents.size()];
    for (int i = 0; i < shape.length; i++) {
      if (!(extents.get(i) instanceof Long extent)) {
        throw new CodecException("the array's header has an extent that is no integer");
      }
      shape[i] = extent;
    }
    long start = (4 + mapBytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (start > in.capacity()) {
      throw new CodecException("the array's data is cut off");
    }
    ByteBuffer data = in.slice((int) start, in.capacity() - (int) start);
    NdArray array = over(dtype, shape, Boolean.TRUE.equals(header.get("f")), data);
    return new NdArray(array.dtype, array.shape, array.fortran, array.data, in.rewind());
  }

  /** Equal element type, shape, order and bytes. */
  @Override
  public boolean equals(Object other) {
    return other instanceof NdArray array
        && dtype.equals(array.dtype)
        && fortran == array.fortran
        && Arrays.equals(shape, array.shape)
        && data().equals(array.data());
  }

  @Override
  public int hashCode() {
    return 31 * (31 * dtype.hashCode() + Arrays.hashCode(shape)) + data().hashCode();
  }

  @Override
  public String toString() {
    return "NdArray(" + dtype + ", " + Arrays.toString(shape) + (fortran ? ", fortran)" : ")");
  }
}
