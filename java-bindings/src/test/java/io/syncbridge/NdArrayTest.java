package io.syncbridge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class NdArrayTest {
  @Test
  void elementsByIndex() {
    NdArray array = NdArray.of(new double[] {1, 2, 3, 4, 5, 6}, 2, 3);
    assertEquals(6, array.getDouble(1, 2));
    assertEquals(3, array.getLong(0, 2));
    assertArrayEquals(new long[] {2, 3}, array.shape());
    assertThrows(IndexOutOfBoundsException.class, () -> array.getDouble(2, 0));
    assertThrows(IndexOutOfBoundsException.class, () -> array.getDouble(0));
  }

  @Test
  void columnMajor() {
    NdArray array =
        NdArray.over("u1", new long[] {2, 3}, true, ByteBuffer.wrap(new byte[] {1, 2, 3, 4, 5, 6}));
    assertEquals(3, array.getLong(0, 1));
    assertEquals(2, array.getLong(1, 0));
  }

  @Test
  void everyElementType() {
    for (String dtype : "b1 i1 u1 <i2 >i2 <u2 <i4 >u4 <i8 <u8 <f2 >f4 <f8".split(" ")) {
      NdArray array = NdArray.allocate(dtype, 2);
      assertArrayEquals(new double[] {0, 0}, array.toDoubles(), dtype);
      assertArrayEquals(new long[] {0, 0}, array.toLongs(), dtype);
      assertEquals(array, NdArray.fromPayload(array.toPayload()));
    }
    assertEquals(0xffff_ffffL, filled("<u4").getLong(0));
    assertEquals(0x1p64, filled("<u8").getDouble(0));
    assertEquals(-1, filled(">i8").getLong(0));
    assertThrows(UnsupportedOperationException.class, () -> filled("<c8").getDouble(0));
    assertThrows(CodecException.class, () -> NdArray.allocate("O8", 1));
  }

  private static NdArray filled(String dtype) {
    NdArray array = NdArray.allocate(dtype, 1);
    ByteBuffer data = array.data();
    while (data.hasRemaining()) {
      data.put((byte) -1);
    }
    return array;
  }

  @Test
  void halfPrecision() {
    assertEquals(1.5f, NdArray.halfToFloat((short) 0x3e00));
    assertEquals(-2f, NdArray.halfToFloat((short) 0xc000));
    assertEquals(0x1p-24f, NdArray.halfToFloat((short) 1));
    assertEquals(65504f, NdArray.halfToFloat((short) 0x7bff));
    assertEquals(Float.NEGATIVE_INFINITY, NdArray.halfToFloat((short) 0xfc00));
    assertTrue(Float.isNaN(NdArray.halfToFloat((short) 0x7e00)));
  }

  @Test
  void whatIsAllocatedIsSentWithoutACopy() {
    NdArray array = NdArray.allocate("<f8", 100);
    ByteBuffer sent = array.toPayload();
    assertTrue(sent.isDirect());
    array.data().putDouble(0, 7);
    assertEquals(7, NdArray.fromPayload(sent).getDouble(0));
  }

  @Test
  void equality() {
    NdArray array = NdArray.of(new int[] {1, 2});
    assertEquals(array, NdArray.of(new int[] {1, 2}));
    assertEquals(array.hashCode(), NdArray.of(new int[] {1, 2}).hashCode());
    assertFalse(array.equals(NdArray.of(new int[] {1, 2}, 1, 2)));
    assertFalse(array.equals(NdArray.of(new long[] {1, 2})));
  }

  @Test
  void theShapeMustFit() {
    assertThrows(IllegalArgumentException.class, () -> NdArray.of(new int[3], 2, 2));
    assertThrows(CodecException.class, () -> NdArray.allocate("f8", 1L << 40, 1L << 40));
    assertThrows(
        CodecException.class,
        () -> NdArray.over("f8", new long[] {2}, false, ByteBuffer.allocate(8)));
  }
}
