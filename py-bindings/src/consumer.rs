//! Consumers: items that are brought ahead of need.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use bridge_client::consumer::Next;
use bridge_client::queue::{Deliveries, Mode};
use bridge_client::{Error, Granted, consumer};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::delivery::Delivery;
use crate::queue::Queue;
use crate::value::{ReleasesLast, Releasing};
use crate::wait::Until;
use crate::{errors, wait};

/// Takes the items of a queue one after the other, the next ones at hand.
#[pyclass(frozen, module = "syncbridge._syncbridge")]
pub(crate) struct Consumer {
    queue: Py<Queue>,
    leases: bool,
    /// `None`: it is closed.
    client: Mutex<Option<consumer::Consumer>>,
    _releases: ReleasesLast,
}

#[pymethods]
impl Consumer {
    #[new]
    fn new(
        py: Python<'_>,
        queue: Py<Queue>,
        prefetch: usize,
        lease: bool,
        max_hold: Option<f64>,
    ) -> PyResult<Self> {
        if prefetch < 1 {
            return Err(PyValueError::new_err("'prefetch' must be one or more"));
        }
        let who = queue.get().bridge.who(py)?;
        let mode = if lease { Mode::Lease } else { Mode::Get };
        let mut client = queue.get().client.consumer(who, mode).prefetch(prefetch);
        if let Some(max_hold) = max_hold {
            let max_hold = Duration::try_from_secs_f64(max_hold)
                .map_err(|_| PyValueError::new_err("'max_hold' must be a non-negative number"))?;
            client = client.max_hold(max_hold);
        }
        Ok(Consumer { queue, leases: lease, client: Mutex::new(Some(client)), _releases: ReleasesLast })
    }

    fn get<'py>(slf: &Bound<'py, Self>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let _releasing = Releasing::around(py);
        let this = slf.get();
        let mut client = this.client()?;
        let Some(client) = &mut *client else {
            let closed = Error::invalid("consumer", "the consumer is closed; make another one");
            return Err(errors::exception(py, &closed));
        };
        let granted = next(py, client, timeout)?;
        let queue = this.queue.bind(py);
        let mut values = queue.get().decoded(py, &granted)?;
        if this.leases {
            let mut deliveries = Delivery::of(queue, &granted, values)?;
            wait::accept(py, granted)?;
            return Ok(deliveries.swap_remove(0).into_bound(py).into_any());
        }
        let value = values.swap_remove(0);
        wait::accept(py, granted)?;
        Ok(value)
    }

    /// Gives back what has not been taken. Doing so twice is fine.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let _releasing = Releasing::around(py);
        let client = self.client()?.take();
        py.detach(|| drop(client));
        Ok(())
    }
}

impl Consumer {
    /// Never waits: who has it may be waiting for an item.
    fn client(&self) -> PyResult<MutexGuard<'_, Option<consumer::Consumer>>> {
        match self.client.try_lock() {
            Ok(client) => Ok(client),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(PyRuntimeError::new_err(
                "another thread uses this consumer now; make one for each thread",
            )),
        }
    }
}

/// The next item, which is not accepted yet. The interpreter is released only where it has to be waited for.
fn next(
    py: Python<'_>,
    client: &mut consumer::Consumer,
    timeout: Option<f64>,
) -> PyResult<Granted<Deliveries>> {
    let ended = |next: Next| wait::lived(py, next).map_err(|error| errors::exception(py, &error));
    if let Some(next) = client.poll_next() {
        return ended(next);
    }
    let (until, slice) = (Until::after(timeout), wait::slice(py));
    while !until.is_over() {
        if let Some(next) = py.detach(|| client.wait_next(until.left(slice))) {
            return ended(next);
        }
        py.check_signals().inspect_err(|_| client.give_up())?;
    }
    client.give_up();
    Err(errors::exception(py, &client.nothing()))
}
