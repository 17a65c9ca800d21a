package io.syncbridge;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Times as native code takes them. */
final class Times {
  /** Without end. */
  static final long NEVER = -1;

  /** Granted at once or not at all. */
  static final long NOW = 0;

  private Times() {}

  static long nanos(long time, TimeUnit unit) {
    return Math.max(0, unit.toNanos(time));
  }

  /** Null is without end. */
  static long nanos(Duration duration) {
    if (duration == null) {
      return NEVER;
    }
    try {
      return Math.max(0, duration.toNanos());
    } catch (ArithmeticException e) {
      return duration.isNegative() ? 0 : Long.MAX_VALUE;
    }
  }
}
