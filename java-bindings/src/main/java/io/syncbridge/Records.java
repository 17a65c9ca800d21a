package io.syncbridge;

import java.lang.reflect.RecordComponent;

/** Reads the components of records, those of other modules included. */
final class Records {
  private Records() {}

  static Object get(Record record, RecordComponent component) {
    try {
      var accessor = component.getAccessor();
      accessor.setAccessible(true);
      return accessor.invoke(record);
    } catch (ReflectiveOperationException | RuntimeException e) {
      throw new CodecException(
          "the component "
              + component.getName()
              + " of "
              + record.getClass().getName()
              + " cannot be read; open its package to io.syncbridge",
          e);
    }
  }
}
