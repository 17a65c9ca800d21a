//! The bridge, and what every handle needs of it: who calls, and whether the process is still the same.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bridge_client::{ConnectOptions, ParticipantId, fork};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::value::{Imported, Releasing};
use crate::wait::Until;
use crate::{errors, wait};

/// A session with a namespace.
#[pyclass(frozen, module = "syncbridge._syncbridge")]
#[derive(Clone)]
pub(crate) struct Bridge {
    pub(crate) client: bridge_client::Bridge,
    retired: Retired,
    generation: u64,
}

#[pymethods]
impl Bridge {
    #[new]
    fn new(py: Python<'_>, url: &str, name: Option<String>, session_ttl: f64) -> PyResult<Self> {
        let session_ttl = Duration::try_from_secs_f64(session_ttl)
            .map_err(|_| PyValueError::new_err(format!("session_ttl cannot be {session_ttl} seconds")))?;
        let options =
            ConnectOptions { label: name, session_ttl, language: "python", ..ConnectOptions::default() };
        let url = url.to_owned();
        let client = wait::blocking(py, move || bridge_client::Bridge::connect(&url, options))?;
        let client = client.map_err(|error| errors::exception(py, &error))?;
        Ok(Bridge { client, retired: Retired::default(), generation: fork::generation() })
    }

    /// The URL that it was connected with.
    #[getter]
    fn url(&self) -> &str {
        self.client.url()
    }

    /// The same with nothing left out.
    #[getter]
    fn place(&self) -> &str {
        self.client.place()
    }

    /// Whether the engine is in this process, so that values are passed by reference.
    #[getter]
    fn is_local(&self) -> bool {
        self.client.is_local()
    }

    /// Waits until everything posted so far has reached the engine, and tells of what was not awaited and failed.
    fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        self.who(py)?;
        let (until, slice) = (Until::after(timeout), wait::slice(py));
        loop {
            let reached = py.detach(|| self.client.reach(until.left(slice)));
            py.check_signals()?;
            if reached.is_ok() || until.is_over() {
                return self.client.told().and(reached).map_err(|error| errors::exception(py, &error));
            }
        }
    }

    /// Makes sure that a child finds the anonymous objects: the process is about to fork.
    fn share_all(&self, py: Python<'_>, at_most: f64) -> PyResult<()> {
        let at_most = Duration::try_from_secs_f64(at_most).unwrap_or(Duration::MAX);
        py.detach(|| self.client.share_all(at_most)).map_err(|error| errors::exception(py, &error))
    }

    /// Ends the session: everything held goes back, every wait ends.
    fn close(&self, py: Python<'_>, at_most: f64) -> PyResult<()> {
        let _releasing = Releasing::around(py);
        let at_most = Duration::try_from_secs_f64(at_most).unwrap_or(Duration::MAX);
        py.detach(|| self.client.close(at_most)).map_err(|error| errors::exception(py, &error))
    }
}

impl Bridge {
    pub(crate) fn local(&self) -> bool {
        self.client.is_local()
    }

    /// Declares an object. In this process that takes no time, and one without a name waits for no answer; a server may
    /// not answer.
    pub(crate) fn open<T: Send + 'static>(
        &self,
        py: Python<'_>,
        name: Option<&str>,
        declare: impl FnOnce(&bridge_client::Bridge, Option<&str>) -> T + Send + 'static,
    ) -> PyResult<T> {
        if self.local() || name.is_none() {
            return Ok(declare(&self.client, name));
        }
        let (client, name) = (self.client.clone(), name.map(str::to_owned));
        wait::blocking(py, move || declare(&client, name.as_deref()))
    }

    /// The participant that stands for the calling thread. In a forked child a `mem:` bridge has none.
    pub(crate) fn who(&self, py: Python<'_>) -> PyResult<ParticipantId> {
        static THREAD_NAME: Imported = Imported::new("syncbridge._threads", &["thread_name"]);
        thread_local! { static KNOWN: RefCell<Vec<Participant>> = const { RefCell::new(Vec::new()) } }
        if self.local() && self.generation != fork::generation() {
            return Err(errors::forked(py, self.client.url()));
        }
        let here = |known: &&Participant| std::ptr::eq(known.home.as_ptr(), Arc::as_ptr(&self.retired));
        if let Some(who) = KNOWN.with_borrow(|all| all.iter().rev().find(here).map(|known| known.who)) {
            return Ok(who);
        }
        let label: String = THREAD_NAME.get(py)?.call0()?.extract()?;
        let retired = self.retired.lock().ok().and_then(|mut retired| retired.pop());
        let who = match retired {
            Some(who) => {
                self.client.relabel(who, &label);
                who
            }
            None => self.client.participant(&label),
        };
        KNOWN.with_borrow_mut(|all| {
            all.retain(|known| known.home.strong_count() > 0);
            all.push(Participant { who, home: Arc::downgrade(&self.retired) });
        });
        Ok(who)
    }
}

/// The participants of a bridge whose threads have ended. Other threads take them over, so that a program which keeps
/// making threads has as many participants as it has threads at once.
type Retired = Arc<Mutex<Vec<ParticipantId>>>;

/// Who a thread is to a bridge.
struct Participant {
    who: ParticipantId,
    home: Weak<Mutex<Vec<ParticipantId>>>,
}

impl Drop for Participant {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade()
            && let Ok(mut retired) = home.lock()
        {
            retired.push(self.who);
        }
    }
}
