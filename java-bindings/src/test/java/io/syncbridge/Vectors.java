package io.syncbridge;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;

/** The shared vectors of tests/vectors, and values in their notation. */
final class Vectors {
  private Vectors() {}

  static JsonNode file(String name) {
    try {
      return new ObjectMapper()
          .readTree(new File(System.getProperty("syncbridge.vectors", "../tests/vectors"), name));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  static Stream<JsonNode> cases(String name, String section) {
    List<JsonNode> all = new ArrayList<>();
    file(name).get(section).forEach(all::add);
    return all.stream();
  }

  static byte[] hex(JsonNode node) {
    return HexFormat.of().parseHex(node.asText());
  }

  /** Whether Java has a value of its own for everything in there; it reads tuples as lists. */
  static boolean hasTuple(JsonNode notation) {
    return notation.toString().contains("\"tuple\"");
  }

  static Object value(JsonNode notation) {
    String kind = notation.fieldNames().next();
    JsonNode content = notation.get(kind);
    return switch (kind) {
      case "null" -> null;
      case "bool" -> content.asBoolean();
      case "int" -> integer(new BigInteger(content.asText()));
      case "float" -> Double.longBitsToDouble(Long.parseUnsignedLong(content.asText(), 16));
      case "bytes" -> hex(content);
      case "str" -> content.asText();
      case "list", "tuple" -> list(content);
      case "set" -> {
        LinkedHashSet<Object> set = new LinkedHashSet<>();
        list(content).forEach(value -> set.add(key(value)));
        yield set;
      }
      case "map" -> map(content);
      case "decimal" -> new BigDecimal(content.asText());
      case "uuid" -> UUID.fromString(content.asText());
      case "datetime" -> OffsetDateTime.parse(content.asText()).toInstant();
      case "local_datetime" -> LocalDateTime.parse(content.asText());
      case "date" -> LocalDate.parse(content.asText());
      case "ndarray" -> ndarray(content);
      default -> throw new IllegalStateException("the notation has a kind that is new: " + kind);
    };
  }

  private static Object integer(BigInteger value) {
    return value.bitLength() < 64 ? (Object) value.longValue() : value;
  }

  private static List<Object> list(JsonNode content) {
    List<Object> list = new ArrayList<>();
    content.forEach(element -> list.add(value(element)));
    return list;
  }

  private static Map<Object, Object> map(JsonNode content) {
    Map<Object, Object> map = new LinkedHashMap<>();
    content.forEach(entry -> map.put(key(value(entry.get(0))), value(entry.get(1))));
    return map;
  }

  private static Object key(Object key) {
    return key instanceof byte[] bytes ? ByteBuffer.wrap(bytes) : key;
  }

  private static NdArray ndarray(JsonNode content) {
    long[] shape = new long[content.get("shape").size()];
    for (int i = 0; i < shape.length; i++) {
      shape[i] = content.get("shape").get(i).asLong();
    }
    return NdArray.over(
        content.get("dtype").asText(),
        shape,
        content.get("fortran").asBoolean(),
        ByteBuffer.wrap(hex(content.get("data"))));
  }
}
