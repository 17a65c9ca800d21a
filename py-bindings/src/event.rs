//! Events.

use bridge_client::event::Options;
use pyo3::prelude::*;

use crate::bridge::Bridge;
use crate::{errors, wait};

/// An event.
#[pyclass(frozen, module = "syncbridge._syncbridge")]
pub(crate) struct Event {
    client: bridge_client::Event,
    bridge: Bridge,
}

#[pymethods]
impl Event {
    #[new]
    #[pyo3(signature = (bridge, name, *, auto_reset = None, ephemeral = None, attached = None))]
    fn new(
        py: Python<'_>,
        bridge: &Bridge,
        name: Option<&str>,
        auto_reset: Option<bool>,
        ephemeral: Option<bool>,
        attached: Option<bool>,
    ) -> PyResult<Self> {
        bridge.who(py)?;
        let options = Options { auto_reset, ephemeral };
        let client = bridge.open(py, name, move |client, name| match (attached, name) {
            (Some(anonymous), Some(name)) => client.attach_event(name, anonymous, options),
            _ => client.event(name, options),
        })?;
        let client = client.map_err(|error| errors::exception(py, &error))?;
        Ok(Event { client, bridge: bridge.clone() })
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

    #[pyo3(signature = (flush = None))]
    fn set(&self, py: Python<'_>, flush: Option<&str>) -> PyResult<()> {
        let who = self.bridge.who(py)?;
        if wait::is_later(flush)? {
            return wait::later(py, &self.bridge.client, || self.client.set_later(who))?;
        }
        wait::value(py, self.bridge.local(), || self.client.set(who)).map(drop)
    }

    /// Returns the version of the latest set.
    fn clear(&self, py: Python<'_>) -> PyResult<u64> {
        let who = self.bridge.who(py)?;
        wait::value(py, self.bridge.local(), || self.client.clear(who))
    }

    fn wait(&self, py: Python<'_>, timeout: Option<f64>, after: Option<u64>) -> PyResult<bool> {
        let (who, timeout) = (self.bridge.who(py)?, wait::timeout(timeout));
        let waited = wait::value(py, self.bridge.local(), || self.client.wait(who, timeout, after))?;
        Ok(waited.is_set)
    }

    /// Whether it is set, the version of the latest set, and how many wait.
    fn describe(&self, py: Python<'_>) -> PyResult<(bool, u64, u64)> {
        let who = self.bridge.who(py)?;
        let figures = wait::value(py, self.bridge.local(), || self.client.describe(who))?;
        Ok((figures.is_set, figures.version, figures.waiting))
    }
}
