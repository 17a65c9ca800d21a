//! Waiting with the interpreter released.
//!
//! A call is waited for in slices. Between slices the main thread looks for signals, so that Ctrl-C ends a wait; the
//! call is dropped then, which withdraws it. What was granted is accepted by the caller, as its last step.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use bridge_client::{Call, Error, Granted, Timeout, fork};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::errors;
use crate::value::Imported;

/// How long the main thread waits before it looks for signals, where none ended the slice early.
const SLICE_OF_MAIN_THREAD: Duration = Duration::from_millis(100);
/// Other threads have nothing to look for.
const SLICE: Duration = Duration::from_secs(600);

/// The program is ending and has closed its bridges.
static ENDING: AtomicBool = AtomicBool::new(false);

/// From now on the waits of other threads do not end with an error: only daemon threads are left, which the program's
/// end stops silently wherever they wait.
#[pyfunction]
pub(crate) fn program_ends() {
    ENDING.store(true, Ordering::Relaxed);
}

/// Runs something that blocks for long and cannot be cut into slices. Ctrl-C leaves it behind: it ends by itself, and
/// what it made is dropped.
pub(crate) fn blocking<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    if !on_main_thread(py) {
        return Ok(py.detach(work));
    }
    let (sender, mut receiver) = mpsc::sync_channel(1);
    std::thread::Builder::new().name("syncbridge-open".to_owned()).spawn(move || {
        // Nobody receives it if the caller was interrupted.
        let _ = sender.send(work());
    })?;
    loop {
        let ended;
        (receiver, ended) = py.detach(move || {
            let ended = receiver.recv_timeout(SLICE_OF_MAIN_THREAD);
            (receiver, ended)
        });
        match ended {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("connecting hit a defect; standard error has the rest"));
            }
        }
    }
}

fn stay() -> ! {
    loop {
        std::thread::park();
    }
}

/// A timeout in seconds: `None` is for ever, and so is what no clock can count. What is below zero does not wait;
/// callers that must refuse it have done so.
pub(crate) fn timeout(seconds: Option<f64>) -> Timeout {
    match seconds {
        None => Timeout::Never,
        Some(seconds) if seconds <= 0.0 => Timeout::NOW,
        Some(seconds) => Duration::try_from_secs_f64(seconds).map_or(Timeout::Never, Timeout::After),
    }
}

/// How long the calling thread may wait before it looks for signals.
pub(crate) fn slice(py: Python<'_>) -> Duration {
    if on_main_thread(py) { SLICE_OF_MAIN_THREAD } else { SLICE }
}

/// When a wait of several slices is over.
pub(crate) struct Until(Option<Instant>);

impl Until {
    /// A timeout in seconds, as [`timeout`] reads it.
    pub(crate) fn after(seconds: Option<f64>) -> Self {
        match timeout(seconds) {
            Timeout::Never => Until(None),
            Timeout::After(timeout) => Until(Instant::now().checked_add(timeout)),
        }
    }

    /// What is left, at most `slice`.
    pub(crate) fn left(&self, slice: Duration) -> Duration {
        self.0.map_or(slice, |end| slice.min(end.saturating_duration_since(Instant::now())))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_some_and(|end| end <= Instant::now())
    }
}

/// Makes a call that is not awaited, unless Ctrl-C comes first. Waits only while too many are under way. What earlier ones
/// did wrong is the inner result: the call has been made.
pub(crate) fn later(
    py: Python<'_>,
    bridge: &bridge_client::Bridge,
    start: impl FnOnce() -> Result<(), Error>,
) -> PyResult<PyResult<()>> {
    while !bridge.wait_for_later(Duration::ZERO) {
        let slice = slice(py);
        py.detach(|| bridge.wait_for_later(slice));
        py.check_signals()?;
    }
    Ok(start().map_err(|error| errors::exception(py, &error)))
}

/// Whether a call is not to be awaited: what `flush=` says.
pub(crate) fn is_later(flush: Option<&str>) -> PyResult<bool> {
    match flush {
        None => Ok(false),
        Some("later") => Ok(true),
        Some(other) => Err(PyValueError::new_err(format!("flush= is 'later' or None, not {other:?}"))),
    }
}

/// Starts a call and waits for its end. `local`: it may be answered at once, so that releasing the interpreter is not
/// worth it.
pub(crate) fn outcome<T: Send>(
    py: Python<'_>,
    local: bool,
    start: impl FnOnce() -> Call<T> + Send,
) -> PyResult<Result<Granted<T>, Error>> {
    let slice = slice(py);
    let (mut call, mut ended) = if local {
        let mut call = start();
        let ended = call.poll_take();
        (call, ended)
    } else {
        py.detach(|| {
            let mut call = start();
            let ended = call.wait(slice);
            (call, ended)
        })
    };
    loop {
        match ended {
            Some(result) => return Ok(lived(py, result)),
            None => py.check_signals()?,
        }
        ended = py.detach(|| call.wait(slice));
    }
}

/// How a wait ended, which is nothing to a daemon thread that the program's end stops.
pub(crate) fn lived<T>(py: Python<'_>, ended: Result<T, Error>) -> Result<T, Error> {
    if ended.is_err() && ENDING.load(Ordering::Relaxed) && !on_main_thread(py) {
        py.detach(stay);
    }
    ended
}

/// Like [`outcome`], and an error is an exception.
pub(crate) fn granted<T: Send>(
    py: Python<'_>,
    local: bool,
    start: impl FnOnce() -> Call<T> + Send,
) -> PyResult<Granted<T>> {
    outcome(py, local, start)?.map_err(|error| errors::exception(py, &error))
}

/// Accepts what the caller has in hand. A Ctrl-C that arrived before this refuses it.
pub(crate) fn accept<T>(py: Python<'_>, granted: Granted<T>) -> PyResult<T> {
    py.check_signals()?;
    granted.accept().map_err(|error| errors::exception(py, &error))
}

/// Starts a call that grants nothing and waits for its value.
pub(crate) fn value<T: Send>(
    py: Python<'_>,
    local: bool,
    start: impl FnOnce() -> Call<T> + Send,
) -> PyResult<T> {
    granted(py, local, start)?.accept().map_err(|error| errors::exception(py, &error))
}

/// Whether signals are handled on this thread. Remembered per thread, anew after a fork.
fn on_main_thread(py: Python<'_>) -> bool {
    static IS_MAIN: Imported = Imported::new("syncbridge._threads", &["on_main_thread"]);
    thread_local! { static KNOWN: Cell<Option<(u64, bool)>> = const { Cell::new(None) } }
    let generation = fork::generation();
    if let Some((of, known)) = KNOWN.get()
        && of == generation
    {
        return known;
    }
    let main =
        IS_MAIN.get(py).and_then(|is_main| is_main.call0()).and_then(|main| main.extract()).unwrap_or(true);
    KNOWN.set(Some((generation, main)));
    main
}
