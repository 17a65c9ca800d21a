//! Leased items: settled by hand or by leaving a `with` block.

use std::sync::atomic::{AtomicBool, Ordering};

use bridge_client::Token;
use bridge_client::queue::Reentry;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::queue::{Queue, headers};
use crate::{errors, wait};

/// A leased item. It comes back unless it is acknowledged.
#[pyclass(frozen, generic, module = "syncbridge._syncbridge")]
pub(crate) struct Delivery {
    queue: Py<Queue>,
    /// What was put.
    #[pyo3(get)]
    value: Py<PyAny>,
    /// Which item.
    #[pyo3(get)]
    id: u64,
    /// The fencing token of this delivery.
    #[pyo3(get)]
    token: u64,
    /// 1 for the first; grows whenever an accepted delivery ends without an ack.
    #[pyo3(get)]
    attempt: u32,
    /// Seconds that it had been in the queue.
    #[pyo3(get)]
    age: f64,
    /// As they were put.
    #[pyo3(get)]
    headers: Py<PyDict>,
    settled: AtomicBool,
}

impl Delivery {
    /// What was granted, with its values, in the same order.
    pub(crate) fn of(
        queue: &Bound<'_, Queue>,
        granted: &[bridge_client::queue::Delivery],
        values: Vec<Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Py<Delivery>>> {
        let py = queue.py();
        let make = |(delivery, value): (&bridge_client::queue::Delivery, Bound<'_, PyAny>)| {
            let delivery = Delivery {
                queue: queue.clone().unbind(),
                value: value.unbind(),
                id: delivery.id.0,
                token: delivery.token.0,
                attempt: delivery.attempt,
                age: delivery.age.as_secs_f64(),
                headers: headers(py, &delivery.payload)?,
                settled: AtomicBool::new(false),
            };
            Py::new(py, delivery)
        };
        granted.iter().zip(values).map(make).collect()
    }

    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    fn tokens(&self) -> Vec<Token> {
        vec![Token(self.token)]
    }
}

#[pymethods]
impl Delivery {
    #[pyo3(signature = (*, flush = None))]
    fn ack(&self, py: Python<'_>, flush: Option<&str>) -> PyResult<()> {
        let queue = self.queue.get();
        let told = if wait::is_later(flush)? {
            queue.ack_later(py, self.tokens())?
        } else {
            Ok(queue.ack(py, self.tokens())?)
        };
        self.settle();
        told
    }

    #[pyo3(signature = (*, to = "place", error = ""))]
    fn nack(&self, py: Python<'_>, to: &str, error: &str) -> PyResult<()> {
        self.queue.get().nack(py, self.tokens(), reentry(to)?, error.to_owned())?;
        self.settle();
        Ok(())
    }

    #[pyo3(signature = (reason = ""))]
    fn reject(&self, py: Python<'_>, reason: &str) -> PyResult<()> {
        self.queue.get().reject(py, self.tokens(), reason.to_owned())?;
        self.settle();
        Ok(())
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: &Bound<'_, PyAny>,
        exc: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if self.is_settled() {
            return Ok(());
        }
        if exc_type.is_none() {
            return self.ack(py, None);
        }
        ignore_settled(py, self.nack(py, "place", &describe(exc)))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let value = this.value.bind(slf.py()).repr()?;
        Ok(format!("<syncbridge.Delivery id={} attempt={} value={value}>", this.id, this.attempt))
    }
}

/// Leased items that were taken in one step. Leaving its `with` block settles those that are not settled yet.
#[pyclass(frozen, generic, sequence, module = "syncbridge._syncbridge")]
pub(crate) struct Batch {
    queue: Py<Queue>,
    deliveries: Vec<Py<Delivery>>,
}

impl Batch {
    pub(crate) fn new(queue: Py<Queue>, deliveries: Vec<Py<Delivery>>) -> Self {
        Batch { queue, deliveries }
    }

    fn open(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter().map(|delivery| delivery.get()).filter(|delivery| !delivery.is_settled())
    }

    /// Settles what is not settled yet, in one step.
    fn settle(&self, settle: impl FnOnce(&Queue, Vec<Token>) -> PyResult<()>) -> PyResult<()> {
        let open: Vec<&Delivery> = self.open().collect();
        if !open.is_empty() {
            settle(self.queue.get(), open.iter().map(|delivery| Token(delivery.token)).collect())?;
            open.iter().for_each(|delivery| delivery.settle());
        }
        Ok(())
    }
}

#[pymethods]
impl Batch {
    /// The values, in order.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.deliveries.iter().map(|delivery| delivery.get().value.bind(py)))
    }

    #[pyo3(signature = (*, flush = None))]
    fn ack(&self, py: Python<'_>, flush: Option<&str>) -> PyResult<()> {
        if !wait::is_later(flush)? {
            return self.settle(|queue, tokens| queue.ack(py, tokens));
        }
        let mut told = Ok(());
        self.settle(|queue, tokens| queue.ack_later(py, tokens).map(|result| told = result))?;
        told
    }

    #[pyo3(signature = (*, to = "place", error = ""))]
    fn nack(&self, py: Python<'_>, to: &str, error: &str) -> PyResult<()> {
        let to = reentry(to)?;
        self.settle(|queue, tokens| queue.nack(py, tokens, to, error.to_owned()))
    }

    #[pyo3(signature = (reason = ""))]
    fn reject(&self, py: Python<'_>, reason: &str) -> PyResult<()> {
        self.settle(|queue, tokens| queue.reject(py, tokens, reason.to_owned()))
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: &Bound<'_, PyAny>,
        exc: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if exc_type.is_none() {
            return self.ack(py, None);
        }
        ignore_settled(py, self.nack(py, "place", &describe(exc)))
    }

    fn __len__(&self) -> usize {
        self.deliveries.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        PyList::new(py, &self.deliveries)?.call_method0("__iter__")
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        PyList::new(py, &self.deliveries)?.as_any().get_item(index)
    }
}

fn reentry(to: &str) -> PyResult<Reentry> {
    match to {
        "place" => Ok(Reentry::Place),
        "front" => Ok(Reentry::Front),
        "back" => Ok(Reentry::Back),
        _ => Err(PyValueError::new_err(format!("to= is 'place', 'front' or 'back', not {to:?}"))),
    }
}

/// An exception as the dead letters keep it.
fn describe(exc: &Bound<'_, PyAny>) -> String {
    exc.repr().map_or_else(|_| "an exception".to_owned(), |text| text.to_string())
}

/// On the way out of a block that failed its own exception counts: what cannot be given back has gone back already, with
/// the session, or does so now.
fn ignore_settled(py: Python<'_>, result: PyResult<()>) -> PyResult<()> {
    result.or_else(|error| if errors::is_ours(py, &error) { Ok(()) } else { Err(error) })
}
