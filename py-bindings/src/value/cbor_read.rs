//! CBOR to Python values. Every length is checked against what is there before anything is made of it.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple};

use super::{DEPTH_MAX, TAG_LOCAL_DATETIME, TAG_NDARRAY, TAG_TUPLE, ndarray, types};

type Value<'py> = Bound<'py, PyAny>;

/// The value that `data` is, all of it.
pub(super) fn decode<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Value<'py>> {
    let mut reader = Reader { py, data, at: 0 };
    let value = reader.value(Place::default())?;
    if reader.at != data.len() {
        return Err(bad(format!("{} bytes follow the CBOR value", data.len() - reader.at)));
    }
    Ok(value)
}

pub(super) fn bad(text: impl Into<String>) -> PyErr {
    PyValueError::new_err(text.into())
}

/// Where a value stands.
#[derive(Clone, Copy, Default)]
struct Place {
    depth: usize,
    /// Inside a map key or a set: only hashable values.
    key: bool,
}

impl Place {
    fn inside(self) -> Self {
        Place { depth: self.depth + 1, ..self }
    }
}

/// The head of an item.
#[derive(Clone, Copy)]
struct Head {
    major: u8,
    info: u8,
    n: u64,
}

impl Head {
    /// No length, but a break at the end.
    fn is_indefinite(self) -> bool {
        self.info == 31
    }
}

struct Reader<'py, 'a> {
    py: Python<'py>,
    data: &'a [u8],
    at: usize,
}

impl<'py, 'a> Reader<'py, 'a> {
    fn take(&mut self, n: u64) -> PyResult<&'a [u8]> {
        let rest = &self.data[self.at..];
        let n = usize::try_from(n).ok().filter(|n| *n <= rest.len());
        let n = n.ok_or_else(|| bad("the CBOR value is truncated"))?;
        self.at += n;
        Ok(&rest[..n])
    }

    fn head(&mut self) -> PyResult<Head> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 31);
        let n = match info {
            0..=23 => u64::from(info),
            24..=27 => self.take(1 << (info - 24))?.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)),
            31 if matches!(major, 2..=5 | 7) => 0,
            _ => return Err(bad(format!("byte {first:#04x} begins no CBOR value"))),
        };
        Ok(Head { major, info, n })
    }

    /// Whether a break comes next; consumes it.
    fn ends_here(&mut self) -> PyResult<bool> {
        match self.data.get(self.at) {
            Some(0xff) => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => Ok(false),
            None => Err(bad("the CBOR value is truncated")),
        }
    }

    fn value(&mut self, place: Place) -> PyResult<Value<'py>> {
        if place.depth > DEPTH_MAX {
            return Err(bad(format!("the CBOR value is nested deeper than {DEPTH_MAX} levels")));
        }
        let head = self.head()?;
        match head.major {
            0 => Ok(head.n.into_pyobject(self.py)?.into_any()),
            1 => Ok((-1 - i128::from(head.n)).into_pyobject(self.py)?.into_any()),
            2 => Ok(PyBytes::new(self.py, &self.string(head)?).into_any()),
            3 => Ok(PyString::from_bytes(self.py, &self.string(head)?)?.into_any()),
            4 => {
                let elements = self.elements(head, place)?;
                match place.key {
                    true => Ok(PyTuple::new(self.py, elements)?.into_any()),
                    false => Ok(PyList::new(self.py, elements)?.into_any()),
                }
            }
            5 => self.map(head, place),
            6 => self.tagged(head.n, place),
            _ => self.simple(head),
        }
    }

    /// The content of a byte or text string.
    fn string(&mut self, head: Head) -> PyResult<std::borrow::Cow<'a, [u8]>> {
        if !head.is_indefinite() {
            return Ok(self.take(head.n)?.into());
        }
        let mut whole = Vec::new();
        while !self.ends_here()? {
            let part = self.head()?;
            if part.major != head.major || part.is_indefinite() {
                return Err(bad("a CBOR string has a part of another kind"));
            }
            whole.extend_from_slice(self.take(part.n)?);
        }
        Ok(whole.into())
    }

    fn elements(&mut self, head: Head, place: Place) -> PyResult<Vec<Value<'py>>> {
        let mut elements = Vec::new();
        if head.is_indefinite() {
            while !self.ends_here()? {
                elements.push(self.value(place.inside())?);
            }
        } else {
            elements.reserve(usize::try_from(head.n).unwrap_or(usize::MAX).min(self.data.len() - self.at));
            for _ in 0..head.n {
                elements.push(self.value(place.inside())?);
            }
        }
        Ok(elements)
    }

    fn map(&mut self, head: Head, place: Place) -> PyResult<Value<'py>> {
        if place.key {
            return Err(bad("a map inside a map key or a set cannot be read in Python: it is not hashable"));
        }
        let dict = PyDict::new(self.py);
        let mut left = head.n;
        while if head.is_indefinite() { !self.ends_here()? } else { left > 0 } {
            let key = self.value(Place { key: true, ..place.inside() })?;
            dict.set_item(key, self.value(place.inside())?)?;
            left = left.saturating_sub(1);
        }
        Ok(dict.into_any())
    }

    fn simple(&mut self, head: Head) -> PyResult<Value<'py>> {
        let number = match (head.info, head.n) {
            (20 | 21, _) => return Ok(PyBool::new(self.py, head.info == 21).to_owned().into_any()),
            (22 | 23, _) => return Ok(self.py.None().into_bound(self.py)),
            (25, bits) => half(bits as u16),
            (26, bits) => f64::from(f32::from_bits(bits as u32)),
            (27, bits) => f64::from_bits(bits),
            (31, _) => return Err(bad("a CBOR break stands where a value should be")),
            (_, n) => return Err(bad(format!("the CBOR simple value {n} means nothing"))),
        };
        Ok(PyFloat::new(self.py, number).into_any())
    }

    fn tagged(&mut self, tag: u64, place: Place) -> PyResult<Value<'py>> {
        let inside = place.inside();
        match tag {
            0 => self.timestamp_text(true),
            1 => {
                let seconds = self.value(inside)?;
                let utc = types::UTC.get(self.py)?;
                types::DATETIME.get(self.py)?.call_method1("fromtimestamp", (seconds, utc))
            }
            2 | 3 => {
                let magnitude = types::INT_FROM_BYTES.get(self.py)?.call1((self.bytes()?, "big"))?;
                if tag == 2 { Ok(magnitude) } else { magnitude.call_method0("__invert__") }
            }
            4 => self.decimal(inside),
            37 => {
                let bytes = self.bytes()?;
                types::UUID.get(self.py)?.call1((self.py.None(), bytes))
            }
            40 | 1040 => self.array(tag == 1040, inside),
            64..=87 => {
                let data = self.bytes()?;
                let dtype = ndarray::Dtype::of_typed_array_tag(tag)?;
                let shape = [data.len() / dtype.size()];
                ndarray::make(self.py, dtype, &shape, false, data)
            }
            258 => self.set(place),
            1004 => self.date(),
            TAG_TUPLE => {
                let head = self.head_of(4, "an array")?;
                Ok(PyTuple::new(self.py, self.elements(head, place)?)?.into_any())
            }
            TAG_LOCAL_DATETIME => self.timestamp_text(false),
            TAG_NDARRAY => ndarray::decode(self.py, self.bytes()?),
            21..=23 | 32..=36 | 55799 => self.value(inside),
            _ => Err(bad(format!("CBOR tag {tag} is not known here; a codec= could read it"))),
        }
    }

    /// The head of an item that must be of kind `major`.
    fn head_of(&mut self, major: u8, what: &str) -> PyResult<Head> {
        let head = self.head()?;
        if head.major == major {
            Ok(head)
        } else {
            Err(bad(format!("a CBOR tag encloses something other than {what}")))
        }
    }

    /// A byte string in one piece.
    fn bytes(&mut self) -> PyResult<&'a [u8]> {
        let head = self.head_of(2, "a byte string")?;
        if head.is_indefinite() {
            return Err(bad("a tagged CBOR byte string must have a definite length"));
        }
        self.take(head.n)
    }

    fn text(&mut self) -> PyResult<&'a str> {
        let head = self.head_of(3, "a text string")?;
        std::str::from_utf8(self.take(head.n)?).map_err(|_| bad("a CBOR text string is not UTF-8"))
    }

    fn set(&mut self, place: Place) -> PyResult<Value<'py>> {
        let head = self.head_of(4, "an array")?;
        let elements = self.elements(head, Place { key: true, ..place })?;
        match place.key {
            true => Ok(PyFrozenSet::new(self.py, elements)?.into_any()),
            false => Ok(PySet::new(self.py, elements)?.into_any()),
        }
    }

    fn decimal(&mut self, place: Place) -> PyResult<Value<'py>> {
        let head = self.head_of(4, "an array")?;
        let parts = self.elements(head, place)?;
        match parts.as_slice() {
            [exponent, mantissa]
                if exponent.is_instance_of::<PyInt>() && mantissa.is_instance_of::<PyInt>() =>
            {
                types::DECIMAL.get(self.py)?.call1((format!("{mantissa}E{exponent}"),))
            }
            _ => Err(bad("a CBOR decimal must be [exponent, mantissa]")),
        }
    }

    /// Tag 40 or 1040: `[shape, data]`, the data a typed array or an array of numbers.
    fn array(&mut self, fortran: bool, place: Place) -> PyResult<Value<'py>> {
        let head = self.head_of(4, "an array")?;
        if head.is_indefinite() || head.n != 2 {
            return Err(bad("a CBOR multi-dimensional array must be [shape, data]"));
        }
        let shape = self.value(place)?.extract::<Vec<usize>>()?;
        let start = self.at;
        let data = self.head()?;
        if data.major == 6 && (64..=87).contains(&data.n) {
            let dtype = ndarray::Dtype::of_typed_array_tag(data.n)?;
            let data = self.bytes()?;
            return ndarray::make(self.py, dtype, &shape, fortran, data);
        }
        self.at = start;
        let elements = self.value(place)?;
        let flat = self.py.import("numpy")?.call_method1("asarray", (elements,))?;
        let order = PyDict::new(self.py);
        order.set_item("order", if fortran { "F" } else { "C" })?;
        flat.call_method("reshape", (shape,), Some(&order))
    }

    fn timestamp_text(&mut self, aware: bool) -> PyResult<Value<'py>> {
        let text = self.text()?;
        let time = Timestamp::parse(text, aware)
            .ok_or_else(|| bad(format!("{text:?} is not a date and time as RFC 3339 writes it")))?;
        let zone = match time.offset_minutes {
            None => self.py.None().into_bound(self.py),
            Some(0) => types::UTC.get(self.py)?.clone(),
            Some(minutes) => {
                let offset = types::TIMEDELTA.get(self.py)?.call1((0, minutes * 60))?;
                types::TIMEZONE.get(self.py)?.call1((offset,))?
            }
        };
        let [year, month, day, hour, minute, second] = time.fields;
        types::DATETIME.get(self.py)?.call1((year, month, day, hour, minute, second, time.micros, zone))
    }

    fn date(&mut self) -> PyResult<Value<'py>> {
        let text = self.text()?;
        types::DATE.get(self.py)?.call_method1("fromisoformat", (text,))
    }
}

fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// A date and time as RFC 3339 writes it.
struct Timestamp {
    /// Year, month, day, hour, minute, second.
    fields: [u32; 6],
    micros: u32,
    offset_minutes: Option<i32>,
}

impl Timestamp {
    /// Reads `text`, which has an offset exactly if `aware`. Finer than microseconds is cut.
    fn parse(text: &str, aware: bool) -> Option<Self> {
        const SEPARATORS: [&[char]; 5] = [&['-'], &['-'], &['T', 't', ' '], &[':'], &[':']];
        const WIDTHS: [usize; 6] = [4, 2, 2, 2, 2, 2];
        let mut rest = text;
        let mut fields = [0; 6];
        for (n, width) in WIDTHS.into_iter().enumerate() {
            if n > 0 {
                rest = rest.strip_prefix(SEPARATORS[n - 1])?;
            }
            fields[n] = digits(rest.get(..width)?)?;
            rest = &rest[width..];
        }
        let mut micros = 0;
        if let Some(fraction) = rest.strip_prefix('.') {
            let length = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            let kept = fraction.get(..length.min(6))?;
            micros = digits(kept)? * 10u32.pow(6 - kept.len() as u32);
            rest = &fraction[length..];
        }
        let offset_minutes = match (aware, rest) {
            (false, "") => None,
            (true, "Z" | "z") => Some(0),
            (true, _) => Some(offset(rest)?),
            _ => return None,
        };
        Some(Timestamp { fields, micros, offset_minutes })
    }
}

/// The minutes of `+HH:MM`.
fn offset(text: &str) -> Option<i32> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) as i32)
}

fn digits(text: &str) -> Option<u32> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}
