package io.syncbridge;

import java.nio.ByteBuffer;

/**
 * The native library, method by method. Numbers stand for native objects; one that is gone is an
 * exception. Calls answer at once with the number of a {@link Call}, which is waited for in Java.
 * What waits in native code is only called by daemon threads of syncbridge: {@code bridgeConnect},
 * {@code bridgeCollect}, {@code bridgeFlush}, {@code bridgeClose}, {@code serverStart} and {@code
 * serverStop}; {@code callAwait} waits for the slice that it is given. So do {@code queuePut} and
 * {@code queueTake}, which answer with number and status: see {@link Call#led}.
 */
final class Native {
  /** A body that travels by reference, within this process. */
  static final int LOCAL = -1;

  /** Added to the form of a body that is a direct buffer. */
  private static final int DIRECT = 256;

  /** Content types that travel as their index. */
  private static final String[] KNOWN = {
    Payload.BYTES, Payload.TEXT, Payload.CBOR, Payload.JSON, Payload.NDARRAY, Payload.PICKLE
  };

  static {
    NativeLoader.load();
  }

  private Native() {}

  static int form(String contentType) {
    for (int i = 0; i < KNOWN.length; i++) {
      if (KNOWN[i].equals(contentType)) {
        return i;
      }
    }
    return KNOWN.length;
  }

  static String contentType(int form, String other) {
    return form < KNOWN.length ? KNOWN[form] : other;
  }

  /** A payload in the arguments that the natives below take for one. */
  record Passed(int form, String contentType, Object body, int offset, int length) {
    static Passed local(Object value) {
      return new Passed(LOCAL, null, value, 0, 0);
    }

    static Passed of(Payload payload) {
      int form = Native.form(payload.contentType());
      String other = form == KNOWN.length ? payload.contentType() : null;
      ByteBuffer bytes = payload.bytes();
      if (bytes.isDirect()) {
        return new Passed(form | DIRECT, other, bytes, bytes.position(), bytes.remaining());
      }
      if (bytes.hasArray()) {
        int offset = bytes.arrayOffset() + bytes.position();
        return new Passed(form, other, bytes.array(), offset, bytes.remaining());
      }
      byte[] copy = payload.toBytes();
      return new Passed(form, other, copy, 0, copy.length);
    }
  }

  static native long bridgeConnect(String url, String label, long ttlMillis, long timeoutMillis);

  static native boolean bridgeIsLocal(long bridge);

  static native long serverStart(String listen, String unix);

  static native String[] serverUrls(long server);

  static native void serverStop(long server);

  static native int commandLine(String[] arguments);

  static native int bridgeParticipant(long bridge, String label);

  static native void bridgeRelabel(long bridge, int who, String label);

  static native long[] bridgeCollect(long bridge, long sliceMillis);

  static native void bridgeFlush(long bridge, long atMostMillis);

  static native void bridgeClose(long bridge, long atMostMillis);

  static native void bridgeDrop(long bridge);

  static native int callAwait(long call, long sliceNanos);

  static native boolean callWatch(long call, long bridge);

  static native void callCancel(long call);

  static native int callGiveUp(long call);

  static native Object callValue(long call);

  static native void callAccept(long call);

  static native void callDrop(long call);

  static native void bufferRelease(long buffer);

  static native long queueOpen(
      long bridge,
      String name,
      int discipline,
      long maxsize,
      long maxDeliveries,
      String deadLetters,
      boolean ephemeral);

  static native String queueName(long queue);

  static native void queueDrop(long queue);

  static native long queuePut(
      long queue,
      int who,
      int form,
      String contentType,
      Object body,
      int offset,
      int length,
      byte[] key,
      long timeoutNanos,
      long sliceNanos);

  static native long batchNew();

  static native void batchAdd(
      long batch, int form, String contentType, Object body, int offset, int length, byte[] key);

  static native void batchDrop(long batch);

  static native long queuePutMany(long queue, int who, long batch, long timeoutNanos);

  static native Object queueTake(
      long queue,
      int who,
      boolean lease,
      int max,
      int min,
      long lingerNanos,
      long timeoutNanos,
      long sliceNanos,
      long[] started);

  static native long queueAck(long queue, int who, long[] tokens);

  static native long queueNack(long queue, int who, long[] tokens, int reentry, String error);

  static native long queueReject(long queue, int who, long[] tokens, String reason);

  static native long queueTaskDone(long queue, int who, int count);

  static native long queueJoin(long queue, int who, long timeoutNanos);

  static native long queueDescribe(long queue, int who);

  static native long queueBrowse(
      long queue, int who, boolean dead, int pageSize, byte[] afterKey, long afterArrival);

  static native long queueRemove(long queue, int who, long[] ids);

  static native long queuePurge(long queue, int who);

  static native long queueShutdown(long queue, int who, boolean immediate);

  static native long eventOpen(long bridge, String name, int autoReset, boolean ephemeral);

  static native String eventName(long event);

  static native void eventDrop(long event);

  static native long eventSet(long event, int who);

  static native long eventClear(long event, int who);

  static native long eventWait(long event, int who, long timeoutNanos, long after);

  static native long eventDescribe(long event, int who);

  static native long semaphoreOpen(
      long bridge, String name, long limit, int bounded, int owned, boolean ephemeral);

  static native String semaphoreName(long semaphore);

  static native void semaphoreDrop(long semaphore);

  static native long semaphoreAcquire(
      long semaphore, int who, int permits, boolean byToken, boolean barge, long timeoutNanos);

  static native long semaphoreRelease(long semaphore, int who, int permits, long token);

  static native long semaphoreDrain(long semaphore, int who);

  static native long semaphoreReduce(long semaphore, int who, int permits);

  static native long semaphoreSetLimit(long semaphore, int who, long limit);

  static native long semaphoreDescribe(long semaphore, int who);

  static native long semaphoreHolders(long semaphore, int who);
}
