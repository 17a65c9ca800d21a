//! A server in this process: listeners, serving threads, and the way they stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bridge_node::{Config, Node, SystemClock};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::service::Routes;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;

use crate::layers::{Numbers, Panics, Spans};
use crate::linger::linger;
use crate::listen::{Accepted, Connection, Listener, Socket};
use crate::options::ServeOptions;
use crate::service;

/// After an accept that failed, most often for want of descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Why a server does not start. One line each.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that is none.
    #[error("cannot listen on {text:?}: {why}; give HOST:PORT, such as 127.0.0.1:7420")]
    Address {
        /// As given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// Others could connect, and nothing is encrypted or authenticated.
    #[error(
        "{0} can be reached from other machines, and nothing is encrypted or authenticated: listen on 127.0.0.1, or \
         give --insecure if you accept that"
    )]
    BeyondLoopback(SocketAddr),
    /// The address is not to be had.
    #[error("cannot listen on {at}: {}", why(.error))]
    Listen {
        /// Where.
        at: String,
        /// What the system said.
        error: io::Error,
    },
    /// Neither --listen nor --unix.
    #[error("there is nothing to listen on: give --listen HOST:PORT, --unix PATH, or both")]
    Nowhere,
    /// No thread, no runtime.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the address is in use by another program; stop that one, or give another address (port 0 picks a free one)"
                .into()
        }
        _ => error.to_string(),
    }
}

/// A running server. Dropping it stops it.
pub struct Server {
    urls: Vec<String>,
    node: Arc<Node>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// A forked child has a copy of this and none of the threads.
    process: u32,
}

impl Server {
    /// Starts one on threads of its own, and returns once it accepts connections.
    pub fn start(options: ServeOptions) -> Result<Self, StartError> {
        let config = Config {
            limits: options.limits.engine(),
            namespaces_max: options.limits.namespaces_max,
            ..Config::default()
        };
        let (started, starting) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = spawn("syncbridge-serve", move || {
            let runtime = match runtime() {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(error.into()))),
            };
            runtime.block_on(async move {
                let node = Node::new(config, Arc::new(SystemClock::new()));
                let listeners = async {
                    node.start_ticker()?;
                    listen(&options).await
                };
                match listeners.await {
                    Ok((listeners, urls)) => {
                        let _ = started.send(Ok((urls, node.clone())));
                        run(options, node, listeners, stopped).await;
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            });
            runtime.shutdown_background();
        })?;
        let (urls, node) = starting.recv().unwrap_or_else(|_| {
            Err(io::Error::other("the serving thread ended; the log has the rest").into())
        })?;
        Ok(Server { urls, node, stop: Some(stop), thread: Some(thread), process: std::process::id() })
    }

    /// Where it listens, as clients say it: `grpc://HOST:PORT`, `unix:///PATH`.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The node that it serves.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Stops: new work is refused, streams get their farewell, clients have the drain time to go.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if std::process::id() != self.process {
            return;
        }
        // Dropping the sender says the same as sending.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has been reported where it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A thread that leaves all signals to those of the host program.
fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // SAFETY: the sets are initialised by sigfillset and pthread_sigmask before they are read, and live on this
    // stack frame; the mask of this thread is restored below. A new thread inherits the mask.
    let before = unsafe {
        let mut all = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        before
    };
    let thread = std::thread::Builder::new().name(name.into()).spawn(body);
    // SAFETY: `before` was filled above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
    thread
}

async fn listen(options: &ServeOptions) -> Result<(Vec<Listener>, Vec<String>), StartError> {
    let mut listeners = Vec::new();
    for text in options.listen.iter().filter(|text| *text != "none") {
        listeners.extend(Listener::tcp(text, options).await?);
    }
    if let Some(path) = &options.unix {
        listeners.push(Listener::unix(path)?);
    }
    if listeners.is_empty() {
        return Err(StartError::Nowhere);
    }
    let urls =
        listeners.iter().filter_map(|listener| listener.url().transpose()).collect::<io::Result<_>>()?;
    Ok((listeners, urls))
}

/// Serves until `stopped`, then drains.
async fn run(
    options: ServeOptions,
    node: Arc<Node>,
    listeners: Vec<Listener>,
    stopped: oneshot::Receiver<()>,
) {
    let (reporter, health) = tonic_health::server::health_reporter();
    for name in service::NAMES {
        reporter.set_service_status(name, tonic_health::ServingStatus::Serving).await;
    }
    let routes = service::routes(node.clone(), &options.limits).add_service(health);
    let routes = with_reflection(routes);
    let (draining, drained) = watch::channel(false);
    let numbers = Numbers::default();

    let mut threads = Vec::new();
    let mut senders = Vec::new();
    let mut own = None;
    for index in 0..options.threads() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let worker = Worker {
            options: options.clone(),
            routes: routes.clone(),
            numbers: numbers.clone(),
            receiver,
            draining: drained.clone(),
        };
        if index == 0 {
            own = Some(tokio::spawn(worker.run()));
        } else {
            match spawn("syncbridge-serve", move || worker.run_here()) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    tracing::warn!(%error, "serving with fewer threads");
                    break;
                }
            }
        }
        senders.push(sender);
    }

    let permits = Arc::new(Semaphore::new(options.limits.connections_max));
    let accepting = tokio::spawn(accept(listeners, permits, options.limits.waiting_calls_max(), senders));

    // An error means that the server was dropped, which says the same.
    let _ = stopped.await;
    tracing::info!("stopping");
    accepting.abort();
    reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    for name in service::NAMES {
        reporter.set_service_status(name, tonic_health::ServingStatus::NotServing).await;
    }
    node.drain();
    let _ = draining.send(true);
    if let Some(own) = own {
        let _ = own.await;
    }
    let waited = tokio::task::spawn_blocking(move || {
        for thread in threads {
            let _ = thread.join();
        }
    });
    let _ = waited.await;
    tracing::info!("stopped");
}

/// Says which services there are. A server without it still serves.
fn with_reflection(routes: Routes) -> Routes {
    let files = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(syncbridge_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    match (files().build_v1(), files().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes.add_service(v1).add_service(v1alpha),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "no reflection");
            routes
        }
    }
}

type Handover = (Accepted, Connection);

/// Gives each new connection to the next serving thread. One task for all listeners: where there is room for one more
/// connection, it is anybody's.
async fn accept(
    mut listeners: Vec<Listener>,
    permits: Arc<Semaphore>,
    waiting_max: u32,
    senders: Vec<mpsc::UnboundedSender<Handover>>,
) {
    for sender in senders.iter().cycle() {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let accepted = loop {
            match Listener::accept(&mut listeners).await {
                Ok(accepted) => break accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        };
        if sender.send((accepted, Connection::new(waiting_max, permit))).is_err() {
            return;
        }
    }
}

/// One serving thread: each of its connections is read, executed and answered on it.
struct Worker {
    options: ServeOptions,
    routes: Routes,
    numbers: Numbers,
    receiver: mpsc::UnboundedReceiver<Handover>,
    draining: watch::Receiver<bool>,
}

impl Worker {
    fn run_here(self) {
        match runtime() {
            Ok(runtime) => {
                runtime.block_on(self.run());
                runtime.shutdown_background();
            }
            Err(error) => tracing::error!(%error, "a serving thread cannot start"),
        }
    }

    async fn run(self) {
        tokio::spawn(linger());
        let limits = &self.options.limits;
        let trace =
            TraceLayer::new_for_grpc().make_span_with(Spans).on_body_chunk(()).on_eos(()).on_failure(());
        let server = tonic::transport::Server::builder()
            .max_concurrent_streams(limits.streams_per_connection_max)
            .http2_max_header_list_size(limits.header_bytes_max)
            .initial_stream_window_size(limits.stream_window_bytes)
            .initial_connection_window_size(limits.connection_window_bytes)
            .max_frame_size(limits.frame_bytes_max)
            .http2_keepalive_interval(limits.keepalive())
            .http2_keepalive_timeout(Some(limits.keepalive_within()))
            .layer(SetRequestIdLayer::x_request_id(self.numbers))
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(trace)
            .layer(CatchPanicLayer::custom(Panics));
        let incoming = UnboundedReceiverStream::new(self.receiver)
            .map(|(accepted, connection)| -> io::Result<Socket> { accepted.serve(connection) });
        let mut draining = self.draining.clone();
        let signal = async move { drop(draining.wait_for(|draining| *draining).await) };
        let serving = server.serve_with_incoming_shutdown(self.routes, incoming, signal);
        let mut late = self.draining;
        let patience = self.options.drain();
        let deadline = async move {
            let _ = late.wait_for(|draining| *draining).await;
            tokio::time::sleep(patience).await;
        };
        tokio::select! {
            result = serving => {
                if let Err(error) = result {
                    tracing::error!(%error, "serving ended");
                }
            }
            () = deadline => tracing::warn!("some clients did not go in time"),
        }
    }
}
