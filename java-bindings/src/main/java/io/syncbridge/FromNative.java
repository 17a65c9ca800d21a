package io.syncbridge;

import java.lang.ref.Cleaner;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What native code makes Java objects with; looked up by name when the library is loaded. */
final class FromNative {
  private static final Cleaner CLEANER = Cleaner.create();

  private FromNative() {}

  /**
   * Runs {@code release} once {@code object} is not reachable any more; it must not refer to the
   * object.
   */
  static Cleaner.Cleanable whenUnreachable(Object object, Runnable release) {
    return CLEANER.register(object, release);
  }

  /** An item taken or browsed, not decoded yet; {@code payload} is null where it is local. */
  record Item(long id, long token, int attempt, long ageNanos, Payload payload, Object local) {}

  /** An item browsed, and what became of it before. */
  record Browsed(Item item, String deadReason, String lastError, List<String> consumers) {}

  /** A page of a browse; {@code nextKey} is null on the last. */
  record Page(Object[] items, byte[] nextKey, long nextArrival) {}

  static Throwable exception(String reason, String message, String[] details) {
    Map<String, String> byName = new LinkedHashMap<>();
    for (int i = 0; i < details.length; i += 2) {
      byName.put(details[i], details[i + 1]);
    }
    return new SyncBridgeException(
        SyncBridgeException.Reason.valueOf(reason), message, Map.copyOf(byName));
  }

  static Object item(
      long id,
      long token,
      int attempt,
      long ageNanos,
      long buffer,
      int form,
      String contentType,
      Object body) {
    Payload payload = null;
    if (form != Native.LOCAL) {
      payload = new Payload(Native.contentType(form, contentType), bytes(body, buffer));
    }
    return new Item(id, token, attempt, ageNanos, payload, form == Native.LOCAL ? body : null);
  }

  static Object browsed(Object item, String deadReason, String lastError, String[] consumers) {
    return new Browsed((Item) item, deadReason, lastError, List.of(consumers));
  }

  /**
   * Large bodies are lent: every view of the buffer keeps the first one reachable, and that one
   * keeps the bytes.
   */
  private static ByteBuffer bytes(Object body, long buffer) {
    if (body instanceof byte[] array) {
      return ByteBuffer.wrap(array);
    }
    CLEANER.register(body, () -> Native.bufferRelease(buffer));
    return ((ByteBuffer) body).asReadOnlyBuffer();
  }

  static Object holder(
      long token, long permits, long byToken, long nanos, String participant, String session) {
    return new PermitHolder(
        token, permits, byToken != 0, Duration.ofNanos(nanos), participant, session);
  }

  static Object page(Object[] items, byte[] nextKey, long nextArrival) {
    return new Page(items, nextKey, nextArrival);
  }
}
