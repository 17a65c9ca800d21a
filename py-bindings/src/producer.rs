//! Producers: puts in a window.

use bridge_client::producer::Offered;
use bridge_client::queue::NewItem;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::queue::Queue;
use crate::value::Releasing;
use crate::wait::Until;
use crate::{errors, wait};

/// Puts items and learns later how that went.
#[pyclass(frozen, module = "syncbridge._syncbridge")]
pub(crate) struct Producer {
    queue: Py<Queue>,
    client: bridge_client::Producer,
}

#[pymethods]
impl Producer {
    #[new]
    fn new(py: Python<'_>, queue: Py<Queue>, window: u32) -> PyResult<Self> {
        if window < 1 {
            return Err(PyValueError::new_err("'window' must be one or more"));
        }
        let who = queue.get().bridge.who(py)?;
        let client = queue.get().client.producer(who, window);
        Ok(Producer { queue, client })
    }

    /// Returns the item's number.
    #[pyo3(signature = (value, timeout = None, priority = None, headers = None))]
    fn put(
        &self,
        value: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        priority: Option<&Bound<'_, PyAny>>,
        headers: Option<Vec<(String, String)>>,
    ) -> PyResult<u64> {
        let py = value.py();
        let _releasing = Releasing::around(py);
        let mut item = self.queue.get().item(value, priority)?;
        item.payload.headers = headers.filter(|headers| !headers.is_empty()).map(Into::into);
        self.ready(py)?;
        self.take(py, item, timeout)
    }

    fn put_many(&self, py: Python<'_>, values: &Bound<'_, PyList>) -> PyResult<()> {
        let _releasing = Releasing::around(py);
        let items = self.queue.get().items(values)?;
        self.ready(py)?;
        items.into_iter().try_for_each(|item| self.take(py, item, None).map(drop))
    }

    fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let _releasing = Releasing::around(py);
        let mark = self.client.mark().map_err(|error| errors::exception(py, &error))?;
        let until = Until::after(timeout);
        let slice = wait::slice(py);
        while !py.detach(|| self.client.wait_for(mark, until.left(slice))) {
            py.check_signals()?;
            if until.is_over() {
                self.told(py)?;
                return Err(errors::exception(py, &self.client.unacknowledged()));
            }
        }
        self.told(py)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.client.shut();
        self.flush(py, None)
    }

    /// How many items are not acknowledged, or failed and that was not told.
    fn undelivered(&self) -> u64 {
        self.client.undelivered()
    }
}

impl Producer {
    fn take(&self, py: Python<'_>, item: NewItem, timeout: Option<f64>) -> PyResult<u64> {
        let mut offered = self.client.offer(item);
        let mut until = None;
        loop {
            match offered {
                Offered::Gathered(number) => return Ok(number),
                Offered::Leaves(number) => {
                    py.detach(|| self.client.send());
                    return Ok(number);
                }
                Offered::Full(item) => {
                    let until = until.get_or_insert_with(|| Until::after(timeout));
                    if until.is_over() {
                        return Err(errors::exception(py, &self.client.full()));
                    }
                    let slice = until.left(wait::slice(py));
                    py.detach(|| self.client.wait_for_room(slice));
                    py.check_signals()?;
                    offered = self.client.offer(item);
                }
            }
        }
    }

    fn told(&self, py: Python<'_>) -> PyResult<()> {
        self.client.told().map_err(|error| errors::exception(py, &error))
    }

    fn ready(&self, py: Python<'_>) -> PyResult<()> {
        self.client.ready().map_err(|error| errors::exception(py, &error))
    }
}
