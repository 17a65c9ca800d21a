package io.syncbridge;

import java.util.HashMap;
import java.util.Map;

/** RFC 8746: typed arrays in CBOR, by their numpy names. */
final class TypedArrays {
  private static final Map<Integer, String> BY_TAG =
      Map.ofEntries(
          Map.entry(64, "|u1"),
          Map.entry(65, ">u2"),
          Map.entry(66, ">u4"),
          Map.entry(67, ">u8"),
          Map.entry(69, "<u2"),
          Map.entry(70, "<u4"),
          Map.entry(71, "<u8"),
          Map.entry(72, "|i1"),
          Map.entry(73, ">i2"),
          Map.entry(74, ">i4"),
          Map.entry(75, ">i8"),
          Map.entry(77, "<i2"),
          Map.entry(78, "<i4"),
          Map.entry(79, "<i8"),
          Map.entry(80, ">f2"),
          Map.entry(81, ">f4"),
          Map.entry(82, ">f8"),
          Map.entry(84, "<f2"),
          Map.entry(85, "<f4"),
          Map.entry(86, "<f8"));

  private static final Map<String, Integer> BY_DTYPE = new HashMap<>();

  static {
    BY_TAG.forEach((tag, dtype) -> BY_DTYPE.put(dtype, tag));
  }

  private TypedArrays() {}

  static String dtype(int tag) {
    // 68 is u1 "clamped", which is the same bytes.
    String dtype = tag == 68 ? "|u1" : BY_TAG.get(tag);
    if (dtype == null) {
      throw new CodecException(
          "a typed array with tag " + tag + " is of no element type that is supported");
    }
    return dtype;
  }

  static boolean has(String dtype) {
    return BY_DTYPE.containsKey(dtype);
  }

  static int tag(String dtype) {
    return BY_DTYPE.get(dtype);
  }
}
