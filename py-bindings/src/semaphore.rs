//! Semaphores and permits.

use std::sync::atomic::{AtomicBool, Ordering};

use bridge_client::semaphore::{Acquire, Options, Ownership};
use bridge_client::{Granted, Reason, Token};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::bridge::Bridge;
use crate::{errors, wait};

/// A semaphore.
#[pyclass(frozen, module = "syncbridge._syncbridge")]
pub(crate) struct Semaphore {
    client: bridge_client::Semaphore,
    bridge: Bridge,
}

/// A semaphore in figures: available = limit + signals − held.
#[pyclass(frozen, get_all, module = "syncbridge._syncbridge")]
pub(crate) struct SemaphoreFigures {
    available: i64,
    limit: i64,
    signals: i64,
    held: i64,
    waiting: u64,
    bounded: bool,
}

/// What one acquire was granted and has not given back.
#[pyclass(frozen, get_all, module = "syncbridge._syncbridge")]
pub(crate) struct PermitHolder {
    token: u64,
    permits: u64,
    by_token: bool,
    held_for: f64,
    participant: String,
    session: String,
}

#[pymethods]
impl Semaphore {
    #[new]
    #[pyo3(signature = (bridge, name, *, limit = None, bounded = None, ownership = None, ephemeral = None, attached = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        bridge: &Bridge,
        name: Option<&str>,
        limit: Option<i64>,
        bounded: Option<bool>,
        ownership: Option<&str>,
        ephemeral: Option<bool>,
        attached: Option<bool>,
    ) -> PyResult<Self> {
        bridge.who(py)?;
        let ownership = match ownership {
            None => None,
            Some("session") => Some(Ownership::Session),
            Some("none") => Some(Ownership::None),
            Some(other) => {
                return Err(PyValueError::new_err(format!(
                    "ownership= is 'session' or 'none', not {other:?}"
                )));
            }
        };
        let options = Options { limit, bounded, ownership, ephemeral, ..Default::default() };
        let client = bridge.open(py, name, move |client, name| match (attached, name) {
            (Some(anonymous), Some(name)) => client.attach_semaphore(name, anonymous, options),
            _ => client.semaphore(name, options),
        })?;
        let client = client.map_err(|error| errors::exception(py, &error))?;
        Ok(Semaphore { client, bridge: bridge.clone() })
    }

    #[getter]
    fn name(&self) -> &str {
        self.client.name()
    }

    /// Makes sure that it exists, and that whoever is told of it finds it.
    fn share(&self, py: Python<'_>) -> PyResult<()> {
        let who = self.bridge.who(py)?;
        wait::value(py, self.bridge.local(), || self.client.share(who))
    }

    /// False where the time was over first.
    fn acquire(&self, py: Python<'_>, permits: u32, timeout: Option<f64>) -> PyResult<bool> {
        match self.take(py, permits, timeout, false)? {
            Some(granted) => wait::accept(py, granted).map(|_| true),
            None => Ok(false),
        }
    }

    /// `None` where the time was over first.
    fn acquire_permit(
        slf: &Bound<'_, Self>,
        permits: u32,
        timeout: Option<f64>,
    ) -> PyResult<Option<Py<Permit>>> {
        let py = slf.py();
        let Some(granted) = slf.get().take(py, permits, timeout, true)? else { return Ok(None) };
        let permit = Permit {
            semaphore: slf.clone().unbind(),
            token: granted.0,
            permits,
            returned: AtomicBool::new(false),
        };
        let permit = Py::new(py, permit)?;
        wait::accept(py, granted)?;
        Ok(Some(permit))
    }

    #[pyo3(signature = (permits, flush = None))]
    fn release(&self, py: Python<'_>, permits: u32, flush: Option<&str>) -> PyResult<()> {
        self.give_back(py, permits, None, flush)?
    }

    /// Takes all that is available and says how much; negative where that much was missing.
    fn drain(&self, py: Python<'_>) -> PyResult<i64> {
        let who = self.bridge.who(py)?;
        let granted = wait::granted(py, self.bridge.local(), || self.client.drain(who))?;
        Ok(wait::accept(py, granted)?.drained)
    }

    fn set_limit(&self, py: Python<'_>, limit: i64) -> PyResult<()> {
        let who = self.bridge.who(py)?;
        wait::value(py, self.bridge.local(), || self.client.set_limit(who, limit))
    }

    fn describe(&self, py: Python<'_>) -> PyResult<SemaphoreFigures> {
        let who = self.bridge.who(py)?;
        let figures = wait::value(py, self.bridge.local(), || self.client.describe(who))?;
        Ok(SemaphoreFigures {
            available: figures.available,
            limit: figures.limit,
            signals: figures.signals,
            held: figures.held,
            waiting: figures.waiting,
            bounded: figures.options.bounded.unwrap_or(false),
        })
    }

    /// The oldest grants first, at most a page.
    fn holders(&self, py: Python<'_>) -> PyResult<Vec<PermitHolder>> {
        let who = self.bridge.who(py)?;
        let holders = wait::value(py, self.bridge.local(), || self.client.holders(who))?;
        let holders = holders.into_iter().map(|holder| PermitHolder {
            token: holder.token.0,
            permits: holder.permits,
            by_token: holder.by_token,
            held_for: holder.held_for.as_secs_f64(),
            participant: holder.participant,
            session: holder.session,
        });
        Ok(holders.collect())
    }
}

impl Semaphore {
    fn take(
        &self,
        py: Python<'_>,
        permits: u32,
        timeout: Option<f64>,
        by_token: bool,
    ) -> PyResult<Option<Granted<Token>>> {
        let who = self.bridge.who(py)?;
        let acquire = Acquire { permits, by_token, barge: false, timeout: wait::timeout(timeout) };
        match wait::outcome(py, self.bridge.local(), || self.client.acquire(who, acquire))? {
            Ok(granted) => Ok(Some(granted)),
            Err(error) if error.reason == Reason::TimedOut => Ok(None),
            Err(error) => Err(errors::exception(py, &error)),
        }
    }

    /// Whether earlier ones that were not awaited went well is the inner result.
    fn give_back(
        &self,
        py: Python<'_>,
        permits: u32,
        token: Option<Token>,
        flush: Option<&str>,
    ) -> PyResult<PyResult<()>> {
        let who = self.bridge.who(py)?;
        if wait::is_later(flush)? {
            return wait::later(py, &self.bridge.client, || self.client.release_later(who, permits, token));
        }
        Ok(Ok(wait::value(py, self.bridge.local(), || self.client.release(who, permits, token))?))
    }
}

/// Permits that only this handle returns.
#[pyclass(frozen, module = "syncbridge._syncbridge")]
pub(crate) struct Permit {
    semaphore: Py<Semaphore>,
    /// The fencing token.
    #[pyo3(get)]
    token: u64,
    /// How many.
    #[pyo3(get)]
    permits: u32,
    returned: AtomicBool,
}

#[pymethods]
impl Permit {
    /// Returns them; doing so twice is fine.
    #[pyo3(signature = (*, flush = None))]
    fn release(&self, py: Python<'_>, flush: Option<&str>) -> PyResult<()> {
        if self.returned.load(Ordering::Relaxed) {
            return Ok(());
        }
        let told = self.semaphore.get().give_back(py, self.permits, Some(Token(self.token)), flush)?;
        self.returned.store(true, Ordering::Relaxed);
        told
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _exc_type: &Bound<'_, PyAny>,
        _exc: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.release(py, None)
    }

    fn __repr__(&self) -> String {
        format!("<syncbridge.Permit token={} permits={}>", self.token, self.permits)
    }
}
