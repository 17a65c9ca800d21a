package io.syncbridge;

import java.lang.reflect.Constructor;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Records from and to maps, those of other modules included. */
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

  static <T extends Record> T make(Class<T> type, Map<?, ?> fields) {
    RecordComponent[] components = type.getRecordComponents();
    Class<?>[] types =
        Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    Object[] arguments = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      String name = components[i].getName();
      arguments[i] =
          convert(fields.get(name), components[i].getGenericType(), type.getName() + "." + name);
    }
    try {
      Constructor<T> constructor = type.getDeclaredConstructor(types);
      constructor.setAccessible(true);
      return constructor.newInstance(arguments);
    } catch (InvocationTargetException e) {
      throw new CodecException(
          "the record " + type.getName() + " refuses its components: " + e.getCause().getMessage(),
          e);
    } catch (ReflectiveOperationException | RuntimeException e) {
      throw new CodecException(
          "the record " + type.getName() + " cannot be made; open its package to io.syncbridge", e);
    }
  }

  private static Object convert(Object value, Type type, String what) {
    if (type instanceof ParameterizedType generic) {
      Type element = generic.getActualTypeArguments()[0];
      if (generic.getRawType() == List.class && value instanceof List<?> list) {
        List<Object> converted = new ArrayList<>();
        list.forEach(each -> converted.add(convert(each, element, what)));
        return converted;
      }
      return convert(value, generic.getRawType(), what);
    }
    if (type instanceof GenericArrayType || !(type instanceof Class<?> wanted)) {
      return value;
    }
    if (value instanceof Number || value == null && wanted.isPrimitive()) {
      return number(value == null ? 0L : (Number) value, wanted, what);
    }
    if (value instanceof Map<?, ?> map && wanted.isRecord()) {
      return make(wanted.asSubclass(Record.class), map);
    }
    if (value == null
        || wanted.isInstance(value)
        || wanted == boolean.class && value instanceof Boolean) {
      return value;
    }
    throw mismatch(value, wanted, what);
  }

  /** As the wanted type, if that changes nothing. */
  private static Object number(Number value, Class<?> wanted, String what) {
    try {
      if (wanted == double.class || wanted == Double.class) {
        return value.doubleValue();
      }
      if (wanted == float.class || wanted == Float.class) {
        return value.floatValue();
      }
      if (wanted == boolean.class) {
        return value.intValue() != 0;
      }
      if (wanted.isInstance(value)) {
        return value;
      }
      BigDecimal exact = new BigDecimal(value.toString());
      if (wanted == long.class || wanted == Long.class) {
        return exact.longValueExact();
      }
      if (wanted == int.class || wanted == Integer.class) {
        return exact.intValueExact();
      }
      if (wanted == short.class || wanted == Short.class) {
        return exact.shortValueExact();
      }
      if (wanted == byte.class || wanted == Byte.class) {
        return exact.byteValueExact();
      }
      if (wanted == BigInteger.class) {
        return exact.toBigIntegerExact();
      }
      if (wanted == BigDecimal.class) {
        return exact;
      }
    } catch (ArithmeticException | NumberFormatException e) {
      throw mismatch(value, wanted, what);
    }
    throw mismatch(value, wanted, what);
  }

  private static CodecException mismatch(Object value, Class<?> wanted, String what) {
    return new CodecException(
        what
            + " is a "
            + wanted.getSimpleName()
            + "; the item has a "
            + value.getClass().getSimpleName()
            + (value instanceof Number ? " " + value : ""));
  }
}
