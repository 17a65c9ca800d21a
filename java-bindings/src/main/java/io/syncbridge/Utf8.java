package io.syncbridge;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;

/** Text that is refused rather than mended where it is malformed. */
final class Utf8 {
  private Utf8() {}

  static ByteBuffer encode(String text) {
    try {
      return StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
    } catch (CharacterCodingException e) {
      throw new CodecException("a string with a lone surrogate cannot be encoded as UTF-8");
    }
  }

  static String decode(ByteBuffer bytes) {
    return decode(bytes, StandardCharsets.UTF_8);
  }

  static String decode(ByteBuffer bytes, Charset charset) {
    try {
      return charset.newDecoder().decode(bytes.duplicate()).toString();
    } catch (CharacterCodingException e) {
      throw new CodecException("the text is not " + charset.name());
    }
  }
}
