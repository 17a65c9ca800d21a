//! numpy arrays: `application/vnd.syncbridge.ndarray` and the element types of RFC 8746.

use std::fmt;

use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::cbor_read::{self, bad};
use super::types;
use crate::errors;

/// Any array.
pub(super) type Array<'py> = Bound<'py, PyUntypedArray>;

/// Where the data begins is a multiple of this.
const ALIGNMENT: usize = 64;

/// An element type that may travel: numpy's byte order, kind and size.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Dtype {
    order: char,
    kind: char,
    size: usize,
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.order, self.kind, self.size)
    }
}

impl Dtype {
    /// Checks numpy's notation of an element type.
    fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let (order, kind) = (chars.next()?, chars.next()?);
        let size: usize = chars.as_str().parse().ok()?;
        let known = match kind {
            'b' => size == 1,
            'i' | 'u' => matches!(size, 1 | 2 | 4 | 8),
            'f' => matches!(size, 2 | 4 | 8),
            'c' => matches!(size, 8 | 16),
            _ => false,
        };
        let ordered = if size == 1 { order == '|' } else { order == '<' || order == '>' };
        (known && ordered).then_some(Dtype { order, kind, size })
    }

    /// Bytes per element.
    pub(super) fn size(self) -> usize {
        self.size
    }

    /// Its tag in RFC 8746, which has none for booleans and complex numbers.
    pub(super) fn typed_array_tag(self) -> Option<u64> {
        let little = if self.order == '<' { 4 } else { 0 };
        let log2 = u64::from(self.size.trailing_zeros());
        match self.kind {
            'u' => Some(64 + little + log2),
            'i' => Some(72 + little + log2),
            'f' => Some(80 + little + log2 - 1),
            _ => None,
        }
    }

    /// The element type of a tag in 64–87.
    pub(super) fn of_typed_array_tag(tag: u64) -> PyResult<Self> {
        let bits = tag - 64;
        let (kind, log2) = match bits >> 3 {
            0 => ('u', bits & 3),
            1 => ('i', bits & 3),
            _ => ('f', (bits & 3) + 1),
        };
        let little = bits & 4 != 0;
        // 68 is bytes with clamped arithmetic; 76 is reserved.
        if log2 > 3 || tag == 76 {
            return Err(bad(format!("CBOR tag {tag}: numpy has no such portable element type")));
        }
        let size = 1 << log2;
        let order = if size == 1 {
            '|'
        } else if little {
            '<'
        } else {
            '>'
        };
        Ok(Dtype { order, kind, size })
    }
}

/// `value` as an array, if it is one.
pub(super) fn cast<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Array<'py>>> {
    if !types::numpy_is_loaded(value.py())? {
        return Ok(None);
    }
    Ok(value.cast::<PyUntypedArray>().ok().cloned())
}

/// How an array is written.
pub(super) struct Layout {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) fortran: bool,
    pub(super) data_bytes: usize,
}

impl Layout {
    /// Refuses by name the element types that have no portable form.
    pub(super) fn of(array: &Array<'_>) -> PyResult<Self> {
        let described: String = array.dtype().getattr("str")?.extract()?;
        let dtype = Dtype::parse(&described).filter(|_| !array.dtype().has_fields()).ok_or_else(|| {
            let text = format!(
                "cannot encode a numpy array of dtype {}: only booleans, integers, floats up to 64 bits and complex \
                 numbers travel; convert it with astype(), send its fields one by one, or give codec=",
                array.dtype()
            );
            errors::encode_error(array.py(), text)
        })?;
        let fortran = array.is_fortran_contiguous() && !array.is_c_contiguous();
        Ok(Layout { dtype, shape: array.shape().to_vec(), fortran, data_bytes: array.len() * dtype.size })
    }
}

/// The elements, without gaps, in the order that `layout` says.
pub(super) fn append_data(out: &mut Vec<u8>, array: &Array<'_>, layout: &Layout) -> PyResult<()> {
    if !array.is_contiguous() {
        let copy = array.py().import("numpy")?.call_method1("ascontiguousarray", (array,))?;
        return append_data(out, copy.cast::<PyUntypedArray>()?, layout);
    }
    if layout.data_bytes > 0 {
        // SAFETY: the array is alive, contiguous, and holds `len` elements of `size` bytes from `data` on; its
        // memory is initialised; we are attached and call no Python while the slice lives.
        let data = unsafe {
            std::slice::from_raw_parts((*array.as_array_ptr()).fields.data.cast::<u8>(), layout.data_bytes)
        };
        out.extend_from_slice(data);
    }
    Ok(())
}

/// The array format: header length, header, padding, data.
pub(super) fn encode(array: &Array<'_>) -> PyResult<Vec<u8>> {
    let layout = Layout::of(array)?;
    let mut out = vec![0; 4];
    out.extend_from_slice(b"\xa3\x61d");
    let dtype = layout.dtype.to_string();
    out.push(0x60 | dtype.len() as u8);
    out.extend_from_slice(dtype.as_bytes());
    out.extend_from_slice(b"\x61s");
    super::cbor_write::shape(&mut out, &layout.shape);
    out.extend_from_slice(b"\x61f");
    out.push(if layout.fortran { 0xf5 } else { 0xf4 });
    let header_bytes = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&header_bytes.to_le_bytes());
    out.reserve(ALIGNMENT + layout.data_bytes);
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    append_data(&mut out, array, &layout)?;
    Ok(out)
}

/// Reads the array format.
pub(super) fn decode<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let truncated = || bad("the array's header is truncated");
    let (length, rest) = data.split_first_chunk::<4>().ok_or_else(truncated)?;
    let header_bytes = u32::from_le_bytes(*length) as usize;
    let header = cbor_read::decode(py, rest.get(..header_bytes).ok_or_else(truncated)?)?;
    let name: String = header.get_item("d")?.extract()?;
    let dtype = Dtype::parse(&name)
        .ok_or_else(|| bad(format!("dtype {name:?} is not among those that may travel")))?;
    let shape: Vec<usize> = header.get_item("s")?.extract()?;
    let fortran: bool = header.get_item("f")?.extract()?;
    let start = (4 + header_bytes).next_multiple_of(ALIGNMENT);
    make(py, dtype, &shape, fortran, data.get(start..).ok_or_else(truncated)?)
}

/// A new, writable array that holds `data`.
pub(super) fn make<'py>(
    py: Python<'py>,
    dtype: Dtype,
    shape: &[usize],
    fortran: bool,
    data: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    let expected = shape.iter().try_fold(dtype.size, |bytes, n| bytes.checked_mul(*n));
    if expected != Some(data.len()) {
        return Err(bad(format!(
            "an array of shape {shape:?} and dtype {dtype} cannot have {} bytes",
            data.len()
        )));
    }
    let order = if fortran { "F" } else { "C" };
    let empty = types::NUMPY_EMPTY.get(py).map_err(|cause| {
        let error = bad("the item is an array, and numpy is not installed; install numpy or give codec=");
        error.set_cause(py, Some(cause));
        error
    })?;
    let array = empty.call1((PyTuple::new(py, shape)?, dtype.to_string(), order))?;
    let untyped = array.cast::<PyUntypedArray>()?;
    if !data.is_empty() {
        // SAFETY: numpy has just made this array, contiguous and of `data.len()` bytes; nobody else knows it yet.
        unsafe {
            let target = (*untyped.as_array_ptr()).fields.data.cast::<u8>();
            std::ptr::copy_nonoverlapping(data.as_ptr(), target, data.len());
        }
    }
    Ok(array)
}
