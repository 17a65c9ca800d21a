//! Priority keys: order-preserving bytes, as `docs/priority-keys.md` says.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};

use super::{DEPTH_MAX, cbor_write, types};
use crate::errors;

const NEGATIVE_INFINITY: u8 = 0x01;
const NEGATIVE: u8 = 0x02;
const ZERO: u8 = 0x03;
const POSITIVE: u8 = 0x04;
const INFINITY: u8 = 0x05;
const BYTES: u8 = 0x10;
const TEXT: u8 = 0x20;
const TUPLE: u8 = 0x30;
const END: u8 = 0x00;
const EXPONENT_BIAS: i64 = 1 << 31;

/// The key that `priority=` gives.
pub(crate) fn explicit_key(priority: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let mut out = Vec::new();
    match write(&mut out, priority, 0)? {
        Key::Written => Ok(out),
        Key::No(why) => Err(errors::encode_error(
            priority.py(),
            format!("priority= cannot be {why}; give a number, bytes, str, or a tuple of these"),
        )),
    }
}

/// The key of an element that was put without `priority=`.
pub(crate) fn element_key(element: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let mut out = Vec::new();
    let why = match sequence(element) {
        Some(elements) => {
            out.push(TUPLE);
            let mut why = None;
            for item in elements.iter_borrowed() {
                let kept = out.len();
                if let Key::No(reason) = write(&mut out, &item, 1)? {
                    out.truncate(kept);
                    why = Some(format!("a {} that begins with {reason}", types::type_name(element)));
                    break;
                }
            }
            if out.len() > 1 || why.is_none() {
                out.push(END);
                return Ok(out);
            }
            why.unwrap_or_default()
        }
        None => match compare_fields(element)? {
            Some(fields) => match write(&mut out, &fields, 0)? {
                Key::Written => return Ok(out),
                Key::No(why) => format!("a dataclass with {why} among its compare fields"),
            },
            None => match write(&mut out, element, 0)? {
                Key::Written => return Ok(out),
                Key::No(why) => why,
            },
        },
    };
    Err(errors::encode_error(
        element.py(),
        format!("the element is its own priority key, and {why} is none; say priority= when you put it"),
    ))
}

/// What became of an attempt.
enum Key {
    Written,
    /// Something of this kind is no key; what was written of it is to be dropped.
    No(String),
}

fn sequence<'py>(value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyTuple>> {
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return Some(tuple.clone());
    }
    value.cast::<PyList>().ok().map(|list| list.to_tuple())
}

/// The compare fields of an instance of a dataclass with `order=True`, as a tuple.
fn compare_fields<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = value.py();
    let class = value.get_type();
    let Ok(parameters) = class.getattr("__dataclass_params__") else { return Ok(None) };
    if !parameters.getattr("order")?.is_truthy()? {
        return Ok(None);
    }
    let mut keys = Vec::new();
    for field in py.import("dataclasses")?.call_method1("fields", (&class,))?.try_iter()? {
        let field = field?;
        if field.getattr("compare")?.is_truthy()? {
            keys.push(value.getattr(field.getattr("name")?.cast::<PyString>()?)?);
        }
    }
    Ok(Some(PyTuple::new(py, keys)?.into_any()))
}

fn write(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Key> {
    if depth > DEPTH_MAX {
        return Ok(Key::No(format!("nested deeper than {DEPTH_MAX} levels")));
    }
    if let Ok(number) = value.cast::<PyInt>() {
        integer(out, number)?;
    } else if let Ok(number) = value.cast::<PyFloat>() {
        let number = number.value();
        if number.is_nan() {
            return Ok(Key::No("NaN".to_owned()));
        }
        float(out, number);
    } else if let Ok(text) = value.cast::<PyString>() {
        escaped(out, TEXT, cbor_write::utf8(text)?.as_bytes());
    } else if let Ok(data) = value.cast::<PyBytes>() {
        escaped(out, BYTES, data.as_bytes());
    } else if let Some(elements) = sequence(value) {
        out.push(TUPLE);
        for element in elements.iter_borrowed() {
            if let Key::No(why) = write(out, &element, depth + 1)? {
                return Ok(Key::No(why));
            }
        }
        out.push(END);
    } else if let Some(number) = types::numpy_scalar(value)? {
        return write(out, &number, depth);
    } else {
        return Ok(Key::No(types::type_name(value)));
    }
    Ok(Key::Written)
}

fn escaped(out: &mut Vec<u8>, kind: u8, data: &[u8]) {
    out.push(kind);
    for byte in data {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
    out.push(END);
}

fn integer(out: &mut Vec<u8>, number: &Bound<'_, PyInt>) -> PyResult<()> {
    if let Ok(n) = number.extract::<i64>() {
        finite(out, n < 0, &n.unsigned_abs().to_be_bytes(), 0);
        return Ok(());
    }
    let magnitude = number.call_method0("__abs__")?;
    finite(out, number.lt(0)?, &cbor_write::big_endian(&magnitude)?, 0);
    Ok(())
}

fn float(out: &mut Vec<u8>, number: f64) {
    if number.is_infinite() {
        out.push(if number > 0.0 { INFINITY } else { NEGATIVE_INFINITY });
        return;
    }
    let bits = number.to_bits();
    let (biased, fraction) = ((bits >> 52 & 0x7ff) as i64, bits & ((1 << 52) - 1));
    let (mantissa, scale) = match biased {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, biased - 1075),
    };
    finite(out, number < 0.0, &mantissa.to_be_bytes(), scale);
}

/// ± `mantissa` (big-endian) × 2^`scale`.
fn finite(out: &mut Vec<u8>, negative: bool, mantissa: &[u8], scale: i64) {
    let Some(first) = mantissa.iter().position(|byte| *byte != 0) else {
        out.push(ZERO);
        return;
    };
    let mantissa = &mantissa[first..];
    let leading = mantissa[0].leading_zeros() as usize;
    let fraction_bits = mantissa.len() * 8 - leading - 1;
    let bit = |n: usize| {
        n < fraction_bits && mantissa[(leading + 1 + n) / 8] >> (7 - (leading + 1 + n) % 8) & 1 == 1
    };
    let significant = (0..fraction_bits).rev().find(|n| bit(*n)).map_or(0, |last| last + 1);
    let groups = significant.div_ceil(7).max(1);

    out.push(if negative { NEGATIVE } else { POSITIVE });
    let start = out.len();
    let exponent = (fraction_bits as i64 + scale + EXPONENT_BIAS) as u32;
    out.extend_from_slice(&exponent.to_be_bytes());
    for group in 0..groups {
        let bits = (group * 7..group * 7 + 7).fold(0, |bits, n| bits << 1 | u8::from(bit(n)));
        out.push(bits << 1 | u8::from(group + 1 < groups));
    }
    if negative {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}
