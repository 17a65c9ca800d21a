package io.syncbridge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** docs/values.md and docs/priority-keys.md, by the vectors that every language shares. */
class ValuesTest {
  static Stream<JsonNode> both() {
    return Vectors.cases("values.json", "both");
  }

  static Stream<JsonNode> read() {
    return Vectors.cases("values.json", "read");
  }

  static Stream<JsonNode> refused() {
    return Vectors.cases("values.json", "refused");
  }

  private static Payload payload(JsonNode vector) {
    return Payload.of(vector.get("content_type").asText(), Vectors.hex(vector.get("hex")));
  }

  private static Object decoded(JsonNode vector) {
    return Codec.values().decode(payload(vector));
  }

  /** JSON's integers are whatever Jackson makes of them; compare numbers by value there. */
  private static void assertSame(Object expected, Object actual) {
    if (expected instanceof byte[] bytes) {
      assertArrayEquals(bytes, (byte[]) actual);
    } else if (expected instanceof List<?> list) {
      assertEquals(list.size(), ((List<?>) actual).size());
      for (int i = 0; i < list.size(); i++) {
        assertSame(list.get(i), ((List<?>) actual).get(i));
      }
    } else if (expected instanceof Map<?, ?> map) {
      assertEquals(map.keySet(), ((Map<?, ?>) actual).keySet());
      map.forEach((key, value) -> assertSame(value, ((Map<?, ?>) actual).get(key)));
    } else if (expected instanceof Long && actual instanceof Integer) {
      assertEquals(expected, ((Integer) actual).longValue());
    } else {
      assertEquals(expected, actual);
    }
  }

  @ParameterizedTest
  @MethodSource("both")
  void writtenExactlySo(JsonNode vector) {
    if (Vectors.hasTuple(vector.get("value"))) {
      return;
    }
    Payload written = Codec.values().encode(Vectors.value(vector.get("value")));
    assertEquals(
        vector.get("hex").asText(), HexFormat.of().formatHex(written.toBytes()), vector.toString());
  }

  @ParameterizedTest
  @MethodSource({"both", "read"})
  void readAsTheValue(JsonNode vector) {
    assertSame(Vectors.value(vector.get("value")), decoded(vector));
  }

  @ParameterizedTest
  @MethodSource("refused")
  void refusedWithACodecException(JsonNode vector) {
    assertThrows(CodecException.class, () -> decoded(vector));
  }

  @Test
  void keysAscend() {
    byte[] previous = {};
    for (JsonNode group : Vectors.file("keys.json").get("ascending")) {
      byte[] first = null;
      for (JsonNode member : group) {
        byte[] key = PriorityKey.of(Vectors.value(member.get("value")));
        assertArrayEquals(Vectors.hex(member.get("hex")), key, member.toString());
        first = key;
      }
      assertTrue(Arrays.compareUnsigned(previous, first) < 0, group.toString());
      previous = first;
    }
  }

  @Test
  void keysRefused() {
    Vectors.cases("keys.json", "refused")
        .forEach(
            vector ->
                assertThrows(
                    CodecException.class,
                    () -> PriorityKey.of(Vectors.value(vector)),
                    vector.toString()));
  }

  @Test
  void anElementStandsForItsLongestPrefix() {
    Vectors.cases("keys.json", "prefixes")
        .forEach(
            vector ->
                assertArrayEquals(
                    Vectors.hex(vector.get("hex")),
                    PriorityKey.ofElement(Vectors.value(vector.get("element"))),
                    vector.toString()));
  }

  record Point(int x, Optional<String> label) {}

  @Test
  void recordsAreMapsByComponent() {
    Object read = Cbor.decode(Codec.values().encode(new Point(3, Optional.of("p"))).bytes());
    assertEquals(Map.of("x", 3L, "label", "p"), read);
  }

  record Job(int id, double weight, boolean urgent, String path, List<Step> steps, NdArray image) {}

  record Step(byte kind, Long size) {}

  @Test
  void recordsAreReadBack() {
    Codec<Job> codec = Codec.record(Job.class);
    NdArray image = NdArray.of(new float[] {1, 2});
    Job job =
        new Job(
            3,
            1.5,
            true,
            "a.png",
            List.of(new Step((byte) 1, 2L), new Step((byte) 2, null)),
            image);
    assertEquals(job, codec.decode(codec.encode(job)));
    Job sparse = codec.decode(Codec.values().encode(Map.of("id", 1, "weight", 2, "other", "x")));
    assertEquals(new Job(1, 2, false, null, null, null), sparse);
    CodecException e =
        assertThrows(
            CodecException.class,
            () -> codec.decode(Codec.values().encode(Map.of("id", 1L << 40))));
    assertTrue(e.getMessage().contains("Job.id"), e.getMessage());
    assertThrows(
        CodecException.class, () -> codec.decode(Codec.values().encode(Map.of("path", 5))));
  }

  @Test
  void whatHasNoFormIsRefusedByName() {
    CodecException e = assertThrows(CodecException.class, () -> Cbor.encode(new Thread()));
    assertTrue(e.getMessage().contains("java.lang.Thread"), e.getMessage());
  }

  @Test
  void aValueThatContainsItselfIsRefused() {
    List<Object> list = new ArrayList<>();
    list.add(list);
    assertThrows(CodecException.class, () -> Cbor.encode(list));
  }

  @Test
  void aCodecRefusesWhatIsNotItsOwn() {
    Payload number = Codec.values().encode(1);
    CodecException e = assertThrows(CodecException.class, () -> Codec.string().decode(number));
    assertTrue(e.getMessage().contains("String"), e.getMessage());
    assertThrows(CodecException.class, () -> Codec.ndarray().decode(number));
  }

  @Test
  void jsonByJackson() {
    Codec<BigDecimal> codec = Codec.json(BigDecimal.class);
    assertEquals(new BigDecimal("1.5"), codec.decode(codec.encode(new BigDecimal("1.5"))));
  }
}
