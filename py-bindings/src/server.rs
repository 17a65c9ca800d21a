//! A server embedded in the program, and the command line.

use std::path::PathBuf;
use std::sync::Mutex;

use bridge_server::ServeOptions;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;

/// How long a server that ends with its program waits for its clients to go, in seconds.
const DRAIN_SECONDS: f64 = 1.0;

/// A running server, on threads of its own that never touch the interpreter.
#[pyclass(frozen, module = "syncbridge._syncbridge")]
pub(crate) struct Server {
    urls: Vec<String>,
    running: Mutex<Option<bridge_server::Server>>,
}

#[pymethods]
impl Server {
    #[new]
    fn new(py: Python<'_>, listen: Option<String>, unix: Option<PathBuf>, insecure: bool) -> PyResult<Self> {
        let options = ServeOptions {
            listen: listen.into_iter().collect(),
            unix,
            insecure,
            drain_seconds: DRAIN_SECONDS,
            ..ServeOptions::default()
        };
        let server = py.detach(|| bridge_server::Server::start(options));
        let server = server.map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Server { urls: server.urls().to_vec(), running: Mutex::new(Some(server)) })
    }

    #[getter]
    fn urls(&self) -> Vec<String> {
        self.urls.clone()
    }

    /// Stops it and waits for its threads. Doing so twice is fine.
    fn shutdown(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| {
            let mut running =
                self.running.lock().map_err(|_| PyRuntimeError::new_err("the server's end failed before"))?;
            if let Some(server) = running.take() {
                server.shutdown();
            }
            Ok(())
        })
    }
}

/// Runs the command line; answers with the exit code.
#[pyfunction]
pub(crate) fn cli(py: Python<'_>, arguments: Vec<String>) -> u8 {
    py.detach(|| bridge_server::cli::main(arguments))
}
