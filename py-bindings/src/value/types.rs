//! The Python types that values are made of, imported once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyMemoryView, PyType};

/// An attribute of a module, imported at its first use.
pub(crate) struct Imported {
    module: &'static str,
    path: &'static [&'static str],
    object: PyOnceLock<Py<PyAny>>,
}

impl Imported {
    pub(crate) const fn new(module: &'static str, path: &'static [&'static str]) -> Self {
        Imported { module, path, object: PyOnceLock::new() }
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyAny>> {
        let object = self.object.get_or_try_init(py, || {
            let module = py.import(self.module)?.into_any();
            let found = self.path.iter().try_fold(module, |object, name| object.getattr(*name))?;
            PyResult::Ok(found.unbind())
        })?;
        Ok(object.bind(py))
    }

    /// Whether `value` is an instance of this class.
    pub(crate) fn has(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        value.is_instance(self.get(value.py())?)
    }
}

pub(super) static JSON_LOADS: Imported = Imported::new("json", &["loads"]);
pub(super) static DECIMAL: Imported = Imported::new("decimal", &["Decimal"]);
pub(super) static UUID: Imported = Imported::new("uuid", &["UUID"]);
pub(super) static DATETIME: Imported = Imported::new("datetime", &["datetime"]);
pub(super) static DATE: Imported = Imported::new("datetime", &["date"]);
pub(super) static TIMEZONE: Imported = Imported::new("datetime", &["timezone"]);
pub(super) static UTC: Imported = Imported::new("datetime", &["timezone", "utc"]);
pub(super) static TIMEDELTA: Imported = Imported::new("datetime", &["timedelta"]);
pub(super) static INT_FROM_BYTES: Imported = Imported::new("builtins", &["int", "from_bytes"]);
pub(super) static NUMPY_EMPTY: Imported = Imported::new("numpy", &["empty"]);
static NUMPY_GENERIC: Imported = Imported::new("numpy", &["generic"]);
static SYS_MODULES: Imported = Imported::new("sys", &["modules"]);

/// `bytearray` or `memoryview`.
pub(super) fn is_buffer(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>())
}

/// Whether numpy has been imported by the program: nothing else can be one of its objects.
pub(super) fn numpy_is_loaded(py: Python<'_>) -> PyResult<bool> {
    static LOADED: PyOnceLock<()> = PyOnceLock::new();
    if LOADED.get(py).is_some() {
        return Ok(true);
    }
    let loaded = SYS_MODULES.get(py)?.contains("numpy")? && py.import("numpy").is_ok();
    if loaded {
        LOADED.get_or_init(py, || ());
    }
    Ok(loaded)
}

/// The Python number that a numpy scalar holds; `None` if `value` is no numpy scalar.
pub(super) fn numpy_scalar<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if !numpy_is_loaded(value.py())? || !NUMPY_GENERIC.has(value)? {
        return Ok(None);
    }
    let kind: char = value.getattr("dtype")?.getattr("kind")?.extract()?;
    if !matches!(kind, 'b' | 'i' | 'u' | 'f') {
        return Ok(None);
    }
    let item = value.call_method0("item")?;
    Ok((!NUMPY_GENERIC.has(&item)?).then_some(item))
}

/// The name of a value's type, for errors.
pub(super) fn type_name(value: &Bound<'_, PyAny>) -> String {
    let ty: Bound<'_, PyType> = value.get_type();
    ty.fully_qualified_name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}
