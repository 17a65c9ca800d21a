//! The bridge, and what every handle needs of it: who calls, and whether the process is still the same.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bridge_client::{ConnectOptions, ParticipantId, fork};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors;
use crate::value::Imported;

/// A session with a namespace.
#[pyclass(frozen, module = "syncbridge._syncbridge")]
#[derive(Clone)]
pub(crate) struct Bridge {
    pub(crate) client: bridge_client::Bridge,
    /// Numbers the bridges of this process, for the participants of each thread.
    number: u64,
    generation: u64,
}

#[pymethods]
impl Bridge {
    #[new]
    fn new(py: Python<'_>, url: &str, name: Option<String>, session_ttl: f64) -> PyResult<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let session_ttl = Duration::try_from_secs_f64(session_ttl)
            .map_err(|_| PyValueError::new_err(format!("session_ttl cannot be {session_ttl} seconds")))?;
        let options =
            ConnectOptions { label: name, session_ttl, language: "python", ..ConnectOptions::default() };
        let client = py
            .detach(|| bridge_client::Bridge::connect(url, options))
            .map_err(|error| errors::exception(py, &error))?;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Ok(Bridge { client, number, generation: fork::generation() })
    }

    /// The URL that it was connected with.
    #[getter]
    fn url(&self) -> &str {
        self.client.url()
    }

    /// Whether the engine is in this process, so that values are passed by reference.
    #[getter]
    fn is_local(&self) -> bool {
        self.client.is_local()
    }

    /// Waits until everything posted so far has reached the engine.
    fn flush(&self, py: Python<'_>, at_most: f64) -> PyResult<()> {
        let at_most = Duration::try_from_secs_f64(at_most).unwrap_or(Duration::MAX);
        py.detach(|| self.client.flush(at_most)).map_err(|error| errors::exception(py, &error))
    }

    /// Ends the session: everything held goes back, every wait ends.
    fn close(&self, py: Python<'_>, at_most: f64) -> PyResult<()> {
        let at_most = Duration::try_from_secs_f64(at_most).unwrap_or(Duration::MAX);
        py.detach(|| self.client.close(at_most)).map_err(|error| errors::exception(py, &error))
    }
}

impl Bridge {
    pub(crate) fn local(&self) -> bool {
        self.client.is_local()
    }

    /// The participant that stands for the calling thread. In a forked child a `mem:` bridge has none.
    pub(crate) fn who(&self, py: Python<'_>) -> PyResult<ParticipantId> {
        static THREAD_NAME: Imported = Imported::new("syncbridge._threads", &["thread_name"]);
        thread_local! { static PARTICIPANTS: RefCell<Vec<(u64, ParticipantId)>> = const { RefCell::new(Vec::new()) } }
        if self.local() && self.generation != fork::generation() {
            return Err(errors::forked(py, self.client.url()));
        }
        let known =
            PARTICIPANTS.with_borrow(|all| all.iter().rev().find(|(of, _)| *of == self.number).copied());
        if let Some((_, who)) = known {
            return Ok(who);
        }
        let label: String = THREAD_NAME.get(py)?.call0()?.extract()?;
        let who = self.client.participant(&label);
        PARTICIPANTS.with_borrow_mut(|all| all.push((self.number, who)));
        Ok(who)
    }
}
