//! The native part of the `syncbridge` wheel: module `syncbridge._syncbridge`.
//!
//! It holds what must be native and nothing else: values to bytes and back, waiting without the GIL, and the handles
//! of `bridge-client`. What users see is written in Python beside it, in `python/syncbridge`. One primitive is one
//! file here as everywhere.

mod bridge;
mod consumer;
mod delivery;
mod errors;
mod event;
mod producer;
mod queue;
mod semaphore;
mod server;
mod value;
mod wait;

use pyo3::prelude::pymodule;

#[pymodule]
mod _syncbridge {
    use pyo3::prelude::*;
    use pyo3::types::{PyAny, PyBytes};

    #[pymodule_export]
    use crate::bridge::Bridge;
    #[pymodule_export]
    use crate::consumer::Consumer;
    #[pymodule_export]
    use crate::delivery::{Batch, Delivery};
    #[pymodule_export]
    use crate::event::Event;
    #[pymodule_export]
    use crate::producer::Producer;
    #[pymodule_export]
    use crate::queue::{BrowsedItem, Queue, QueueFigures};
    #[pymodule_export]
    use crate::semaphore::{Permit, PermitHolder, Semaphore, SemaphoreFigures};
    #[pymodule_export]
    use crate::server::{Server, cli};
    use crate::value;
    #[pymodule_export]
    use crate::wait::program_ends;

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "a Python name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// How `value` travels: its content type and bytes.
    #[pyfunction]
    fn encode<'py>(value: &Bound<'py, PyAny>) -> PyResult<(String, Bound<'py, PyBytes>)> {
        let payload = value::encode(value)?;
        let content_type = payload.content_type.as_str().to_owned();
        match payload.body {
            bridge_core::payload::Body::Bytes(data) => Ok((content_type, PyBytes::new(value.py(), &data))),
            bridge_core::payload::Body::Local(_) => unreachable!("invariant: encode makes bytes"),
        }
    }

    /// What bytes of a content type stand for.
    #[pyfunction]
    fn decode<'py>(py: Python<'py>, content_type: &str, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        value::decode(py, &bridge_core::payload::ContentType::parse(content_type), data)
    }

    /// The order-preserving bytes of a priority key; `element`: of an element that was put without one.
    #[pyfunction]
    #[pyo3(signature = (value, *, element = false))]
    fn priority_key<'py>(value: &Bound<'py, PyAny>, element: bool) -> PyResult<Bound<'py, PyBytes>> {
        let key = if element { value::element_key(value)? } else { value::explicit_key(value)? };
        Ok(PyBytes::new(value.py(), &key))
    }
}
