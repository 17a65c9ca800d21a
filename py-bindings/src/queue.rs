//! Queues: values in, values out, nothing accepted before it is decoded.

use bridge_client::queue::{
    Batch as Size, Browsed, Cursor, Discipline, Mode, NewItem, Options, Reentry, Shelf,
};
use bridge_client::{Granted, ItemId, Reason, Timeout, Token};
use bridge_core::ids::Name;
use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::bridge::Bridge;
use crate::delivery::{Batch, Delivery};
use crate::value::{self, Codec, ReleasesLast, Releasing};
use crate::{errors, wait};

/// Why an item is dead that no reader of a kind could decode.
const UNDECODABLE: &str = "UNDECODABLE";

/// A queue.
#[pyclass(frozen, module = "syncbridge._syncbridge")]
pub(crate) struct Queue {
    pub(crate) client: bridge_client::Queue,
    pub(crate) bridge: Bridge,
    codec: Codec,
    priority: bool,
    _releases: ReleasesLast,
}

/// A queue in figures.
#[pyclass(frozen, get_all, module = "syncbridge._syncbridge")]
pub(crate) struct QueueFigures {
    maxsize: u64,
    ready: u64,
    delayed: u64,
    offered: u64,
    leased: u64,
    dead: u64,
    unfinished: u64,
    waiting_to_get: u64,
    waiting_to_put: u64,
    is_shutdown: bool,
}

/// A place in a browse: the key and the arrival of the last item seen.
type Place = (Vec<u8>, i64);

/// An item that was looked at and not taken.
#[pyclass(frozen, generic, get_all, module = "syncbridge._syncbridge")]
pub(crate) struct BrowsedItem {
    value: Py<PyAny>,
    id: u64,
    attempts: u32,
    age: f64,
    headers: Py<PyDict>,
    content_type: String,
    dead_reason: Option<String>,
    last_error: Option<String>,
    consumers: Vec<String>,
}

#[pymethods]
impl Queue {
    #[new]
    #[pyo3(signature = (bridge, name, *, discipline, maxsize = None, max_deliveries = None, dead_letters = None, ephemeral = None, attached = None, codec = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        bridge: &Bridge,
        name: Option<&str>,
        discipline: &str,
        maxsize: Option<u64>,
        max_deliveries: Option<u32>,
        dead_letters: Option<&str>,
        ephemeral: Option<bool>,
        attached: Option<bool>,
        codec: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        bridge.who(py)?;
        let discipline = match discipline {
            "fifo" => Discipline::Fifo,
            "lifo" => Discipline::Lifo,
            "priority" => Discipline::Priority,
            other => return Err(PyValueError::new_err(format!("no such discipline: {other:?}"))),
        };
        let dead_letters = dead_letters.map(|name| Name::parse("dead_letters", name)).transpose();
        let dead_letters = dead_letters.map_err(|error| errors::exception(py, &error))?;
        let options = Options {
            discipline: Some(discipline),
            maxsize,
            max_deliveries,
            dead_letters,
            ephemeral,
            ..Options::default()
        };
        let client = bridge.open(py, name, move |client, name| match (attached, name) {
            (Some(anonymous), Some(name)) => client.attach_queue(name, anonymous, options),
            _ => client.queue(name, options),
        })?;
        Ok(Queue {
            client: client.map_err(|error| errors::exception(py, &error))?,
            bridge: bridge.clone(),
            codec: Codec { local: bridge.local(), custom: codec },
            priority: discipline == Discipline::Priority,
            _releases: ReleasesLast,
        })
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

    #[pyo3(signature = (value, timeout = None, priority = None, headers = None))]
    fn put(
        &self,
        value: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        priority: Option<&Bound<'_, PyAny>>,
        headers: Option<Vec<(String, String)>>,
    ) -> PyResult<u64> {
        let _releasing = Releasing::around(value.py());
        let py = value.py();
        let mut item = self.item(value, priority)?;
        item.payload.headers = headers.filter(|headers| !headers.is_empty()).map(Into::into);
        let who = self.bridge.who(py)?;
        if let Some(id) = self.client.put_at_once(who, &mut item) {
            return Ok(id.0);
        }
        let timeout = wait::timeout(timeout);
        let id = wait::value(py, self.bridge.local(), || self.client.put(who, item, timeout))?;
        Ok(id.0)
    }

    fn put_many(
        &self,
        py: Python<'_>,
        values: &Bound<'_, PyList>,
        timeout: Option<f64>,
    ) -> PyResult<Vec<u64>> {
        let _releasing = Releasing::around(py);
        let items = self.items(values)?;
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let (who, timeout) = (self.bridge.who(py)?, wait::timeout(timeout));
        let ids = wait::value(py, self.bridge.local(), || self.client.put_many(who, items, timeout))?;
        Ok(ids.into_iter().map(|id| id.0).collect())
    }

    #[pyo3(signature = (timeout = None))]
    fn get<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let _releasing = Releasing::around(py);
        if let Some(taken) = self.client.get_at_once(self.bridge.who(py)?) {
            let value = self.codec.decode_owned(py, taken.payload);
            return value.map_err(|cause| match cause.is_instance_of::<PyException>(py) {
                true => errors::undecodable(py, taken.id.0, cause),
                false => cause,
            });
        }
        let (granted, mut values) = self.take(py, Mode::Get, Size::ONE, wait::timeout(timeout))?;
        let value = values.swap_remove(0);
        wait::accept(py, granted)?;
        Ok(value)
    }

    fn get_many<'py>(
        &self,
        py: Python<'py>,
        max: u32,
        min: u32,
        linger: f64,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        let _releasing = Releasing::around(py);
        let (granted, values) = self.take(py, Mode::Get, size(max, min, linger)?, wait::timeout(timeout))?;
        let values = PyList::new(py, values)?;
        wait::accept(py, granted)?;
        Ok(values)
    }

    fn lease(slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<Py<Delivery>> {
        let _releasing = Releasing::around(slf.py());
        let py = slf.py();
        let (granted, values) = slf.get().take(py, Mode::Lease, Size::ONE, wait::timeout(timeout))?;
        let mut deliveries = Delivery::of(slf, &granted, values)?;
        wait::accept(py, granted)?;
        Ok(deliveries.swap_remove(0))
    }

    fn lease_many(
        slf: &Bound<'_, Self>,
        max: u32,
        min: u32,
        linger: f64,
        timeout: Option<f64>,
    ) -> PyResult<Py<Batch>> {
        let _releasing = Releasing::around(slf.py());
        let py = slf.py();
        let size = size(max, min, linger)?;
        let (granted, values) = slf.get().take(py, Mode::Lease, size, wait::timeout(timeout))?;
        let deliveries = Delivery::of(slf, &granted, values)?;
        let batch = Py::new(py, Batch::new(slf.clone().unbind(), deliveries))?;
        wait::accept(py, granted)?;
        Ok(batch)
    }

    fn task_done(&self, py: Python<'_>, count: u64) -> PyResult<()> {
        let who = self.bridge.who(py)?;
        wait::value(py, self.bridge.local(), || self.client.task_done(who, count))
    }

    fn join(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let (who, timeout) = (self.bridge.who(py)?, wait::timeout(timeout));
        wait::value(py, self.bridge.local(), || self.client.join(who, timeout))
    }

    fn describe(&self, py: Python<'_>) -> PyResult<QueueFigures> {
        let who = self.bridge.who(py)?;
        let figures = wait::value(py, self.bridge.local(), || self.client.describe(who))?;
        Ok(QueueFigures {
            maxsize: figures.options.maxsize.unwrap_or(0),
            ready: figures.ready,
            delayed: figures.delayed,
            offered: figures.offered,
            leased: figures.leased,
            dead: figures.dead,
            unfinished: figures.unfinished,
            waiting_to_get: figures.waiting_to_get,
            waiting_to_put: figures.waiting_to_put,
            is_shutdown: figures.shut_down,
        })
    }

    /// A page of items and where the next one starts. What cannot be decoded appears as its error.
    fn browse(
        &self,
        py: Python<'_>,
        dead: bool,
        page_size: u32,
        after: Option<Place>,
    ) -> PyResult<(Vec<BrowsedItem>, Option<Place>)> {
        let _releasing = Releasing::around(py);
        let shelf = if dead { Shelf::Dead } else { Shelf::Ready };
        let after = after.map(|(key, arrival)| Cursor { key: key.into(), arrival });
        let who = self.bridge.who(py)?;
        let page = wait::value(py, self.bridge.local(), || self.client.browse(who, shelf, page_size, after))?;
        let items = page.items.iter().map(|item| self.browsed(py, item)).collect::<PyResult<_>>()?;
        Ok((items, page.next.map(|cursor| (cursor.key.to_vec(), cursor.arrival))))
    }

    fn remove(&self, py: Python<'_>, ids: Vec<u64>) -> PyResult<Vec<u64>> {
        let _releasing = Releasing::around(py);
        let who = self.bridge.who(py)?;
        let ids = ids.into_iter().map(ItemId).collect();
        let removed = wait::value(py, self.bridge.local(), || self.client.remove(who, ids))?;
        Ok(removed.into_iter().map(|id| id.0).collect())
    }

    fn purge(&self, py: Python<'_>) -> PyResult<u64> {
        let _releasing = Releasing::around(py);
        let who = self.bridge.who(py)?;
        wait::value(py, self.bridge.local(), || self.client.purge(who))
    }

    fn shutdown(&self, py: Python<'_>, immediate: bool) -> PyResult<()> {
        let _releasing = Releasing::around(py);
        let who = self.bridge.who(py)?;
        wait::value(py, self.bridge.local(), || self.client.shutdown(who, immediate))
    }
}

/// What was granted, with its values.
type Taken<'py> = (Granted<bridge_client::queue::Deliveries>, Vec<Bound<'py, PyAny>>);

impl Queue {
    pub(crate) fn items(&self, values: &Bound<'_, PyList>) -> PyResult<Vec<NewItem>> {
        if self.priority {
            return values.iter().map(|value| self.item(&value, None)).collect();
        }
        Ok(self.codec.encode_many(values)?.into_iter().map(NewItem::new).collect())
    }

    pub(crate) fn item(
        &self,
        value: &Bound<'_, PyAny>,
        priority: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<NewItem> {
        let key = match (self.priority, priority) {
            (true, Some(priority)) => value::explicit_key(priority)?,
            (true, None) => value::element_key(value)?,
            (false, None) => Vec::new(),
            (false, Some(_)) => {
                return Err(PyTypeError::new_err("priority= is for priority queues; this queue is none"));
            }
        };
        Ok(NewItem { key: key.into(), ..NewItem::new(self.codec.encode(value)?) })
    }

    /// Takes and decodes. What comes out is not accepted yet.
    ///
    /// An item that cannot be decoded is made a dead letter, and the error says which; the others of its batch go back
    /// to their places.
    fn take<'py>(&self, py: Python<'py>, mode: Mode, size: Size, timeout: Timeout) -> PyResult<Taken<'py>> {
        let who = self.bridge.who(py)?;
        let granted = wait::outcome(py, self.bridge.local(), || self.client.take(who, mode, size, timeout))?
            .map_err(|error| errors::exception(py, &error))?;
        let values = self.decoded(py, &granted)?;
        Ok((granted, values))
    }

    /// The values of what is on offer, in order. What cannot be decoded is made a dead letter.
    pub(crate) fn decoded<'py>(
        &self,
        py: Python<'py>,
        granted: &[bridge_client::queue::Delivery],
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut values = Vec::with_capacity(granted.len());
        for delivery in granted {
            match self.codec.decode(py, &delivery.payload) {
                Ok(value) => values.push(value),
                Err(cause) if cause.is_instance_of::<PyException>(py) => {
                    self.bury(py, delivery.token, &cause)?;
                    return Err(errors::undecodable(py, delivery.id.0, cause));
                }
                Err(interrupt) => return Err(interrupt),
            }
        }
        Ok(values)
    }

    /// Makes an item that is still on offer a dead letter. What a `mem:` call was granted at once is its caller's
    /// already, and there is nothing left to reject.
    fn bury(&self, py: Python<'_>, token: Token, cause: &PyErr) -> PyResult<()> {
        let who = self.bridge.who(py)?;
        let reason = format!("{UNDECODABLE}: {cause}");
        match wait::outcome(py, self.bridge.local(), || self.client.reject(who, vec![token], reason))? {
            Err(error) if error.reason != Reason::Stale => Err(errors::exception(py, &error)),
            _ => Ok(()),
        }
    }

    fn browsed(&self, py: Python<'_>, item: &Browsed) -> PyResult<BrowsedItem> {
        let value = match self.codec.decode(py, &item.payload) {
            Ok(value) => value.unbind(),
            Err(cause) => errors::undecodable(py, item.id.0, cause).into_value(py).into_any(),
        };
        Ok(BrowsedItem {
            value,
            id: item.id.0,
            attempts: item.attempts,
            age: item.age.as_secs_f64(),
            headers: headers(py, &item.payload)?,
            content_type: item.payload.content_type.as_str().to_owned(),
            dead_reason: item.dead_reason.clone(),
            last_error: item.last_error.clone(),
            consumers: item.consumers.clone(),
        })
    }

    /// Whether earlier ones that were not awaited went well is the inner result.
    pub(crate) fn ack_later(&self, py: Python<'_>, tokens: Vec<Token>) -> PyResult<PyResult<()>> {
        let who = self.bridge.who(py)?;
        wait::later(py, &self.bridge.client, || self.client.ack_later(who, tokens))
    }

    pub(crate) fn ack(&self, py: Python<'_>, tokens: Vec<Token>) -> PyResult<()> {
        let who = self.bridge.who(py)?;
        wait::value(py, self.bridge.local(), || self.client.ack(who, tokens))
    }

    pub(crate) fn nack(
        &self,
        py: Python<'_>,
        tokens: Vec<Token>,
        to: Reentry,
        error: String,
    ) -> PyResult<()> {
        let who = self.bridge.who(py)?;
        wait::value(py, self.bridge.local(), || self.client.nack(who, tokens, to, error))
    }

    pub(crate) fn reject(&self, py: Python<'_>, tokens: Vec<Token>, reason: String) -> PyResult<()> {
        let who = self.bridge.who(py)?;
        wait::value(py, self.bridge.local(), || self.client.reject(who, tokens, reason))
    }
}

/// The headers of a payload as a dict.
pub(crate) fn headers(py: Python<'_>, payload: &bridge_client::Payload) -> PyResult<Py<PyDict>> {
    let headers = PyDict::new(py);
    for (name, value) in payload.headers.iter().flat_map(|headers| headers.iter()) {
        headers.set_item(name, value)?;
    }
    Ok(headers.unbind())
}

fn size(max: u32, min: u32, linger: f64) -> PyResult<Size> {
    if min < 1 || max < min {
        return Err(PyValueError::new_err(format!("need 1 <= min <= max, not min={min}, max={max}")));
    }
    let linger = std::time::Duration::try_from_secs_f64(linger)
        .map_err(|_| PyValueError::new_err("'linger' must be a non-negative number"))?;
    Ok(Size { max, min, linger })
}
