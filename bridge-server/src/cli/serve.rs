//! `syncbridge serve`.

use std::io::{IsTerminal, Write};

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::options::ServeOptions;
use crate::server::Server;

/// Serves until a signal says stop; a second one does not wait for anybody.
pub(super) fn run(options: ServeOptions) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log).with_context(|| {
        format!("--log {:?} is no filter; give info, or bridge_server=debug", options.log)
    })?;
    // Fails where the host program logs already, which is as good.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
    };
    more_descriptors();
    let server = Server::start(options)?;
    let mut stdout = std::io::stdout().lock();
    for url in server.urls() {
        // Whoever started us may not listen; we serve all the same.
        let _ = writeln!(stdout, "listening {url}");
    }
    let _ = stdout.flush();
    drop(stdout);
    tracing::info!(version = crate::VERSION, "serving; everything is in memory, nothing is written to disk");

    runtime.block_on(signals.next());
    let stopping = runtime.spawn_blocking(move || server.shutdown());
    runtime.block_on(async {
        tokio::select! {
            _ = stopping => Ok(()),
            () = signals.next() => anyhow::bail!("stopped at once by a second signal"),
        }
    })?;
    Ok(())
}

/// Each connection needs one, and the usual soft limit is kept low for programs that use select.
fn more_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files stays at {:?}", limit.current);
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
