package io.syncbridge;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;

/** JSON by Jackson. The only class that needs it. */
final class JsonCodec<T> implements Codec<T> {
  private final Class<T> type;
  private final ObjectMapper mapper;

  JsonCodec(Class<T> type) {
    this.type = type;
    try {
      this.mapper = Mapper.INSTANCE;
    } catch (NoClassDefFoundError e) {
      throw new CodecException(
          "JSON needs Jackson; add com.fasterxml.jackson.core:jackson-databind to the class path",
          e);
    }
  }

  @Override
  public Class<T> type() {
    return type;
  }

  @Override
  public Payload encode(T value) {
    try {
      return Payload.of(Payload.JSON, mapper.writeValueAsBytes(value));
    } catch (JsonProcessingException e) {
      throw new CodecException(
          "a " + type.getName() + " cannot be written as JSON: " + e.getOriginalMessage(), e);
    }
  }

  @Override
  public T decode(Payload payload) {
    try {
      return mapper.readValue(payload.toBytes(), type);
    } catch (IOException e) {
      throw new CodecException(
          "the item (" + payload.contentType() + ") cannot be read as JSON of a " + type.getName(),
          e);
    }
  }

  /** Loaded when first used, so that nobody needs Jackson who does not ask for it. */
  private static final class Mapper {
    static final ObjectMapper INSTANCE = new ObjectMapper();
  }
}
