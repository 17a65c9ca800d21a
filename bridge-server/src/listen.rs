//! Where connections come from: TCP ports and the local sockets beside them, unix sockets, and what is counted per
//! connection.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bridge_core::error::Error;
use syncbridge_proto::local_name;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tonic::transport::server::Connected;

use crate::linger;
use crate::options::ServeOptions;
use crate::server::StartError;

/// How long a name may take to resolve.
const RESOLVE_WITHIN: Duration = Duration::from_secs(4);

/// Connections to a TCP port that have not been accepted yet.
const BACKLOG: u32 = 1024;

/// How long a new connection may take to send the preface of HTTP/2, and that preface's length.
const PREFACE_WITHIN: Duration = Duration::from_secs(10);
const PREFACE_BYTES: usize = 24;

/// A socket that accepts.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
    /// Beside a TCP port, for the clients on this host.
    Local(UnixListener),
}

impl Listener {
    /// Listens at every address that `text` (HOST:PORT) stands for, and on the local sockets beside them.
    pub(crate) async fn tcp(text: &str, options: &ServeOptions) -> Result<Vec<Self>, StartError> {
        let bad = |why: String| StartError::Address { text: text.to_owned(), why };
        let addresses: Vec<SocketAddr> = tokio::time::timeout(RESOLVE_WITHIN, tokio::net::lookup_host(text))
            .await
            .map_err(|_| bad(format!("the name was not resolved within {RESOLVE_WITHIN:?}")))?
            .map_err(|error| bad(error.to_string()))?
            .collect();
        if let Some(beyond) = addresses.iter().find(|address| !address.ip().is_loopback())
            && !options.insecure
        {
            return Err(StartError::BeyondLoopback(*beyond));
        }
        let mut listeners: Vec<Self> = Vec::new();
        for mut address in addresses {
            // A name with several addresses and port 0: the same port on all of them.
            if address.port() == 0
                && let Some(Listener::Tcp(first)) = listeners.first()
            {
                address.set_port(first.local_addr().map_or(0, |first| first.port()));
            }
            let fail = |error| StartError::Listen { at: address.to_string(), error };
            let socket = bind(address).map_err(fail)?;
            // Whoever finds the port finds the local socket.
            let local = if options.no_local { None } else { Self::beside(&socket) };
            listeners.push(Listener::Tcp(socket.listen(BACKLOG).map_err(fail)?));
            listeners.extend(local);
        }
        if listeners.is_empty() {
            return Err(bad("the name has no address".into()));
        }
        Ok(listeners)
    }

    /// The local socket beside a TCP port. `None` where the name is not to be had.
    fn beside(port: &TcpSocket) -> Option<Self> {
        let name = local_name(port.local_addr().ok()?);
        match Self::local(&name) {
            Ok(local) => {
                tracing::info!("clients on this host may connect to the local socket @{name} as well");
                Some(local)
            }
            Err(error) => {
                tracing::warn!(%error, "cannot listen on the local socket @{name}; clients on this host use TCP");
                None
            }
        }
    }

    fn local(name: &str) -> io::Result<Self> {
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        let listener = std::os::unix::net::UnixListener::bind_addr(&address)?;
        listener.set_nonblocking(true)?;
        Ok(Listener::Local(UnixListener::from_std(listener)?))
    }

    /// Listens at `path`. A socket that a server left behind is replaced, one that somebody serves is not.
    pub(crate) fn unix(path: &Path) -> Result<Self, StartError> {
        let at = || format!("unix://{}", path.display());
        let fail = |error| StartError::Listen { at: at(), error };
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(fail(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "there is a file that is no socket",
                )));
            }
            Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path).map_err(fail)?;
                }
                Ok(_) => return Err(fail(io::ErrorKind::AddrInUse.into())),
                Err(error) => return Err(fail(error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fail(error)),
        }
        let listener = UnixListener::bind(path).map_err(fail)?;
        Ok(Listener::Unix(listener, SocketFile::new(path)))
    }

    /// What clients connect to. `None` for a local socket, which they find by its TCP port.
    pub(crate) fn url(&self) -> io::Result<Option<String>> {
        match self {
            Listener::Tcp(listener) => Ok(Some(format!("grpc://{}", listener.local_addr()?))),
            Listener::Unix(_, file) => Ok(Some(format!("unix://{}", file.path.display()))),
            Listener::Local(_) => Ok(None),
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                stream.set_nodelay(true)?;
                Poll::Ready(Ok(Accepted::Tcp(stream.into_std()?)))
            }
            Listener::Unix(listener, _) | Listener::Local(listener) => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                Poll::Ready(Ok(Accepted::Unix(stream.into_std()?)))
            }
        }
    }

    /// The next connection of any of them. The one that it came from is the last to be looked at next time.
    pub(crate) async fn accept(listeners: &mut [Self]) -> io::Result<Accepted> {
        poll_fn(|cx| {
            for index in 0..listeners.len() {
                if let Poll::Ready(accepted) = listeners[index].poll_accept(cx) {
                    listeners[index..].rotate_left(1);
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that comes back does not wait for the remains of old connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// The file of a unix socket; removed at the end, unless another server has put its own there.
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: Option<u64>,
}

impl SocketFile {
    fn new(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let inode = std::fs::symlink_metadata(&path).ok().map(|file| file.ino());
        SocketFile { path, inode }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let now = std::fs::symlink_metadata(&self.path).ok().map(|file| file.ino());
        if now.is_some() && now == self.inode {
            // What cannot be removed is replaced by the next server.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A connection on its way to the thread that serves it.
pub(crate) enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Accepted {
    /// On the thread that serves it.
    pub(crate) fn serve(self, connection: Connection) -> io::Result<Socket> {
        let stream = match self {
            Accepted::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Accepted::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        };
        let preface =
            Some(Preface { missing: PREFACE_BYTES, deadline: Box::pin(tokio::time::sleep(PREFACE_WITHIN)) });
        Ok(Socket { stream, preface, connection: Arc::new(connection) })
    }
}

/// What is counted for one connection.
pub(crate) struct Connection {
    began: Instant,
    /// When anything last arrived, in microseconds since it began.
    heard_micros: AtomicU64,
    waiting: AtomicU32,
    waiting_max: u32,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    pub(crate) fn new(waiting_max: u32, permit: OwnedSemaphorePermit) -> Self {
        Connection {
            began: Instant::now(),
            heard_micros: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            waiting_max,
            _permit: permit,
        }
    }

    /// For how long nothing at all has arrived, be it a part of a message: who sends a large one slowly is alive.
    pub(crate) fn silent_for(&self) -> Duration {
        let heard = Duration::from_micros(self.heard_micros.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(heard)
    }

    fn has_received(&self) {
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.heard_micros.store(micros, Ordering::Relaxed);
    }

    /// A place for a call that may wait. LIMIT_EXCEEDED where they are all taken: streams of this connection are kept
    /// free for calls that release something.
    pub(crate) fn wait(self: &Arc<Self>) -> Result<Waiting, Error> {
        let waiting = Waiting(self.clone());
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.waiting_max {
            let max = u64::from(self.waiting_max);
            return Err(Error::limit("waiting_calls_per_connection_max", max).with_message(format!(
                "{max} calls of this connection wait already, and the rest of its streams is kept for calls that \
                 release something; use a session stream, or another connection"
            )));
        }
        Ok(waiting)
    }
}

/// The place of a waiting call, until it is dropped.
pub(crate) struct Waiting(Arc<Connection>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

struct Preface {
    missing: usize,
    deadline: Pin<Box<Sleep>>,
}

/// A connection being served. One that does not begin to speak HTTP/2 in time is closed.
pub(crate) struct Socket {
    stream: Stream,
    preface: Option<Preface>,
    connection: Arc<Connection>,
}

impl Connected for Socket {
    type ConnectInfo = Arc<Connection>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.connection.clone()
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = match &mut this.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if buf.filled().len() > before {
            this.connection.has_received();
            linger::has_read();
        }
        let Some(preface) = &mut this.preface else { return result };
        match result {
            Poll::Ready(_) => {
                preface.missing = preface.missing.saturating_sub(buf.filled().len() - before);
                if preface.missing == 0 {
                    this.preface = None;
                }
                result
            }
            Poll::Pending if preface.deadline.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
