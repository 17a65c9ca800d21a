//! Python values to CBOR.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple};

use super::{DEPTH_MAX, TAG_LOCAL_DATETIME, TAG_NDARRAY, TAG_TUPLE, ndarray, types};
use crate::errors;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// The encoding of `value`.
pub(super) fn encode(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let mut out = Vec::with_capacity(64);
    write(&mut out, value, 0)?;
    Ok(out)
}

/// The text of `value`, which must have no lone surrogates.
pub(super) fn utf8<'a>(value: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    value.to_str().map_err(|_| {
        let text = "cannot encode str with lone surrogates as UTF-8; send bytes (value.encode(\"utf-8\", \"surrogatepass\")) or give codec=";
        errors::encode_error(value.py(), text.to_owned())
    })
}

fn write(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    if depth > DEPTH_MAX {
        let text = format!(
            "cannot encode a value nested deeper than {DEPTH_MAX} levels (or one that contains itself); flatten it or give codec="
        );
        return Err(errors::encode_error(value.py(), text));
    }
    if value.is_none() {
        out.push(0xf6);
    } else if let Ok(text) = value.cast::<PyString>() {
        self::text(out, utf8(text)?);
    } else if let Ok(flag) = value.cast::<PyBool>() {
        out.push(if flag.is_true() { 0xf5 } else { 0xf4 });
    } else if let Ok(number) = value.cast::<PyInt>() {
        integer(out, number)?;
    } else if let Ok(number) = value.cast::<PyFloat>() {
        out.push(0xfb);
        out.extend_from_slice(&number.value().to_be_bytes());
    } else if let Ok(dict) = value.cast::<PyDict>() {
        map(out, dict, depth)?;
    } else if let Ok(list) = value.cast::<PyList>() {
        array(out, &list.to_tuple(), depth)?;
    } else if let Ok(tuple) = value.cast::<PyTuple>() {
        head(out, TAG, TAG_TUPLE);
        array(out, tuple, depth)?;
    } else if let Ok(data) = value.cast::<PyBytes>() {
        bytes(out, data.as_bytes());
    } else {
        rare(out, value, depth)?;
    }
    Ok(())
}

/// What is not built into the language's syntax.
fn rare(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    if value.is_instance_of::<PySet>() || value.is_instance_of::<PyFrozenSet>() {
        let elements = value.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        head(out, TAG, 258);
        head(out, ARRAY, elements.len() as u64);
        elements.iter().try_for_each(|element| write(out, element, depth + 1))
    } else if let Some(data) = super::bytes_of(value)? {
        bytes(out, &data);
        Ok(())
    } else if let Some(array) = ndarray::cast(value)? {
        self::ndarray(out, &array)
    } else if types::DATETIME.has(value)? {
        datetime(out, value)
    } else if types::DATE.has(value)? {
        head(out, TAG, 1004);
        text(out, value.call_method0("isoformat")?.extract()?);
        Ok(())
    } else if types::DECIMAL.has(value)? {
        decimal(out, value)
    } else if types::UUID.has(value)? {
        head(out, TAG, 37);
        bytes(out, value.getattr("bytes")?.cast::<PyBytes>()?.as_bytes());
        Ok(())
    } else if let Some(number) = types::numpy_scalar(value)? {
        write(out, &number, depth)
    } else {
        let text = format!(
            "cannot encode an object of type {}; send a value of the types in docs/values.md, or make the handle with codec=",
            types::type_name(value)
        );
        Err(errors::encode_error(value.py(), text))
    }
}

fn head(out: &mut Vec<u8>, major: u8, n: u64) {
    let major = major << 5;
    match n {
        0..=23 => out.push(major | n as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, n as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&(n as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&n.to_be_bytes());
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn bytes(out: &mut Vec<u8>, data: &[u8]) {
    head(out, BYTES, data.len() as u64);
    out.extend_from_slice(data);
}

fn array(out: &mut Vec<u8>, elements: &Bound<'_, PyTuple>, depth: usize) -> PyResult<()> {
    head(out, ARRAY, elements.len() as u64);
    elements.iter_borrowed().try_for_each(|element| write(out, &element, depth + 1))
}

fn map(out: &mut Vec<u8>, dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<()> {
    // A snapshot: encoding an entry may run Python code that changes the dict.
    let entries = dict.items();
    head(out, MAP, entries.len() as u64);
    for entry in entries.iter() {
        let entry = entry.cast_into::<PyTuple>()?;
        write(out, &entry.get_item(0)?, depth + 1)?;
        write(out, &entry.get_item(1)?, depth + 1)?;
    }
    Ok(())
}

fn integer(out: &mut Vec<u8>, number: &Bound<'_, PyInt>) -> PyResult<()> {
    if let Ok(n) = number.extract::<i64>() {
        match u64::try_from(n) {
            Ok(n) => head(out, UNSIGNED, n),
            Err(_) => head(out, NEGATIVE, !n as u64),
        }
        return Ok(());
    }
    // CBOR stores a negative number as -1 - n, which is Python's ~n.
    let negative = number.lt(0)?;
    let magnitude = if negative { number.call_method0("__invert__")? } else { number.as_any().clone() };
    if let Ok(n) = magnitude.extract::<u64>() {
        head(out, if negative { NEGATIVE } else { UNSIGNED }, n);
        return Ok(());
    }
    head(out, TAG, if negative { 3 } else { 2 });
    bytes(out, &big_endian(&magnitude)?);
    Ok(())
}

/// The bytes of a number that is not negative, without leading zeros.
pub(super) fn big_endian(number: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let bits: usize = number.call_method0("bit_length")?.extract()?;
    let data = number.call_method1("to_bytes", (bits.div_ceil(8), "big"))?;
    Ok(data.cast::<PyBytes>()?.as_bytes().to_vec())
}

fn datetime(out: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let offset = value.call_method0("utcoffset")?;
    if offset.is_none() {
        let naive: String = value.call_method0("isoformat")?.extract()?;
        head(out, TAG, TAG_LOCAL_DATETIME);
        text(out, &naive);
        return Ok(());
    }
    let seconds: f64 = offset.call_method0("total_seconds")?.extract()?;
    let in_minutes = seconds % 60.0 == 0.0;
    let value = match in_minutes {
        true => value.clone(),
        false => value.call_method1("astimezone", (types::UTC.get(value.py())?,))?,
    };
    let mut aware: String = value.call_method0("isoformat")?.extract()?;
    if aware.ends_with("+00:00") {
        aware.replace_range(aware.len() - 6.., "Z");
    }
    head(out, TAG, 0);
    text(out, &aware);
    Ok(())
}

fn decimal(out: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if !value.call_method0("is_finite")?.is_truthy()? {
        let text = format!(
            "cannot encode Decimal {value}: only finite ones have a form; send a float or text, or give codec="
        );
        return Err(errors::encode_error(value.py(), text));
    }
    let (negative, digits, exponent): (u8, Vec<u8>, Bound<'_, PyInt>) =
        value.call_method0("as_tuple")?.extract()?;
    let sign = if negative == 1 { "-" } else { "" };
    let digits: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
    let mantissa = value.py().get_type::<PyInt>().call1((format!("{sign}{digits}"),))?;
    head(out, TAG, 4);
    head(out, ARRAY, 2);
    integer(out, &exponent)?;
    integer(out, mantissa.cast::<PyInt>()?)
}

fn ndarray(out: &mut Vec<u8>, array: &ndarray::Array<'_>) -> PyResult<()> {
    let layout = ndarray::Layout::of(array)?;
    let Some(tag) = layout.dtype.typed_array_tag() else {
        head(out, TAG, TAG_NDARRAY);
        bytes(out, &ndarray::encode(array)?);
        return Ok(());
    };
    head(out, TAG, if layout.fortran { 1040 } else { 40 });
    head(out, ARRAY, 2);
    shape(out, &layout.shape);
    head(out, TAG, tag);
    head(out, BYTES, layout.data_bytes as u64);
    ndarray::append_data(out, array, &layout)
}

/// An array of sizes.
pub(super) fn shape(out: &mut Vec<u8>, shape: &[usize]) {
    head(out, ARRAY, shape.len() as u64);
    shape.iter().for_each(|n| head(out, UNSIGNED, *n as u64));
}
