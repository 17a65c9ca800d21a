//! Errors as exceptions of `syncbridge.exceptions`: the reason decides which.

use bridge_core::Error;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::value::Imported;

static FROM_REASON: Imported = Imported::new("syncbridge.exceptions", &["from_reason"]);
static ENCODE_ERROR: Imported = Imported::new("syncbridge.exceptions", &["EncodeError"]);
static DECODE_ERROR: Imported = Imported::new("syncbridge.exceptions", &["DecodeError"]);
static BASE: Imported = Imported::new("syncbridge.exceptions", &["SyncBridgeError"]);
static FORKED: Imported = Imported::new("syncbridge.exceptions", &["ForkedHandleError"]);

/// The exception that stands for `error`.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let make = || {
        let metadata = PyDict::new(py);
        error.metadata.iter().try_for_each(|(name, value)| metadata.set_item(name, value))?;
        FROM_REASON.get(py)?.call1((error.reason.as_str(), &error.message, metadata))
    };
    make().map_or_else(|failure| failure, PyErr::from_value)
}

/// A value has no encoding.
pub(crate) fn encode_error(py: Python<'_>, text: String) -> PyErr {
    ENCODE_ERROR
        .get(py)
        .and_then(|class| class.call1((text,)))
        .map_or_else(|failure| failure, PyErr::from_value)
}

/// Item `id` could not be decoded. What is no `Exception` (Ctrl-C) passes as it is.
pub(crate) fn undecodable(py: Python<'_>, id: u64, cause: PyErr) -> PyErr {
    if !cause.is_instance_of::<PyException>(py) {
        return cause;
    }
    let text = format!("item {id} cannot be decoded: {}", cause.value(py));
    match DECODE_ERROR.get(py).and_then(|class| class.call1((text, id))) {
        Ok(error) => {
            let error = PyErr::from_value(error);
            error.set_cause(py, Some(cause));
            error
        }
        Err(failure) => failure,
    }
}

/// Whether an exception is one of `syncbridge.exceptions`.
pub(crate) fn is_ours(py: Python<'_>, error: &PyErr) -> bool {
    BASE.get(py).is_ok_and(|base| error.matches(py, base).unwrap_or(false))
}

/// A handle of `mem:` was used in a forked child.
pub(crate) fn forked(py: Python<'_>, url: &str) -> PyErr {
    let text = format!(
        "{url} lives in the process that was forked and cannot be used in its child; connect both to a server \
         (syncbridge.Server() embeds one; grpc:// or unix://), or connect anew in the child"
    );
    FORKED.get(py).and_then(|class| class.call1((text,))).map_or_else(|failure| failure, PyErr::from_value)
}
