package io.syncbridge;

import java.util.Map;

/** Records as CBOR maps. */
final class RecordCodec<T extends Record> implements Codec<T> {
  private final Class<T> type;

  RecordCodec(Class<T> type) {
    this.type = type;
  }

  @Override
  public Class<T> type() {
    return type;
  }

  @Override
  public Payload encode(T value) {
    return Payload.of(Payload.CBOR, Cbor.encode(value));
  }

  @Override
  public T decode(Payload payload) {
    return Records.make(type, Codecs.cast(Map.class, Codec.values().decode(payload), payload));
  }
}
