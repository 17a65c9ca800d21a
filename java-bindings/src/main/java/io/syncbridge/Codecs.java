package io.syncbridge;

import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The codecs that need nothing but the JDK. */
final class Codecs {
  private static final Pattern CHARSET =
      Pattern.compile(";\\s*charset=\"?([^;\"\\s]+)", Pattern.CASE_INSENSITIVE);

  static final Codec<byte[]> BYTES =
      new Codec<>() {
        @Override
        public Class<byte[]> type() {
          return byte[].class;
        }

        @Override
        public Payload encode(byte[] value) {
          return Payload.of(Payload.BYTES, value);
        }

        @Override
        public byte[] decode(Payload payload) {
          return payload.toBytes();
        }
      };

  static final Codec<String> STRING =
      new Codec<>() {
        @Override
        public Class<String> type() {
          return String.class;
        }

        @Override
        public Payload encode(String value) {
          return new Payload(Payload.TEXT, Utf8.encode(value));
        }

        @Override
        public String decode(Payload payload) {
          return cast(String.class, VALUES.decode(payload), payload);
        }
      };

  static final Codec<NdArray> NDARRAY =
      new Codec<>() {
        @Override
        public Class<NdArray> type() {
          return NdArray.class;
        }

        @Override
        public Payload encode(NdArray value) {
          return new Payload(Payload.NDARRAY, value.toPayload());
        }

        @Override
        public NdArray decode(Payload payload) {
          return cast(NdArray.class, VALUES.decode(payload), payload);
        }
      };

  static final Codec<Object> VALUES =
      new Codec<>() {
        @Override
        public Class<Object> type() {
          return Object.class;
        }

        @Override
        public Payload encode(Object value) {
          if (value instanceof byte[] bytes) {
            return BYTES.encode(bytes);
          }
          if (value instanceof ByteBuffer bytes) {
            return new Payload(Payload.BYTES, bytes.slice());
          }
          if (value instanceof String text) {
            return STRING.encode(text);
          }
          if (value instanceof NdArray array) {
            return NDARRAY.encode(array);
          }
          return Payload.of(Payload.CBOR, Cbor.encode(value));
        }

        @Override
        public Object decode(Payload payload) {
          String type = payload.contentType();
          int semicolon = type.indexOf(';');
          String media =
              (semicolon < 0 ? type : type.substring(0, semicolon))
                  .strip()
                  .toLowerCase(Locale.ROOT);
          if (media.startsWith("text/")) {
            return Utf8.decode(payload.bytes(), charset(type));
          }
          if (media.equals(Payload.JSON)
              || media.startsWith("application/") && media.endsWith("+json")) {
            return new JsonCodec<>(Object.class).decode(payload);
          }
          return switch (media) {
            case Payload.CBOR -> Cbor.decode(payload.bytes());
            case Payload.NDARRAY -> NdArray.fromPayload(payload.bytes());
            case Payload.PICKLE ->
                throw new CodecException(
                    "the item is a pickled Python object, which only Python reads; put plain values on the Python side");
            default -> payload.toBytes();
          };
        }
      };

  private Codecs() {}

  private static Charset charset(String type) {
    Matcher matcher = CHARSET.matcher(type);
    try {
      return matcher.find() ? Charset.forName(matcher.group(1)) : StandardCharsets.UTF_8;
    } catch (IllegalArgumentException e) {
      throw new CodecException(
          "the item is " + type + ", in a character set that this JVM does not know");
    }
  }

  static <T> T cast(Class<T> type, Object value, Payload payload) {
    if (!type.isInstance(value)) {
      throw new CodecException(
          "the queue's codec reads "
              + type.getSimpleName()
              + "; the item is "
              + payload.contentType()
              + (value == null ? " and null" : " and a " + value.getClass().getSimpleName())
              + "; Codec.values() reads any");
    }
    return type.cast(value);
  }
}
