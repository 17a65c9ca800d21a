//! The connection's socket as tonic sees it: it is read only by whoever may, and never waits.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::descriptor::Descriptor;
use crate::mutex::lock;

/// Where an HTTP/2 frame says what it is, and what the first one of a server is.
const TYPE_AT: usize = 3;
const SETTINGS: u8 = 4;

/// A connected, non-blocking stream socket and what is known about it.
///
/// Only the leader reads: if anybody else took the leader's reply off the socket, the leader would sleep in
/// `epoll_wait` for ever.
#[derive(Debug)]
pub(super) struct Socket {
    descriptor: Descriptor,
    may_read: AtomicBool,
    /// There may be something to read. Cleared by a short read.
    readable: AtomicBool,
    /// Somebody has read, or tried to, since `start_reading`.
    tried: AtomicBool,
    /// Bytes read so far.
    received: AtomicU64,
    /// Bytes given to the kernel so far.
    sent: AtomicU64,
    /// The peer has ended it, or it is broken.
    cut: AtomicBool,
    /// What came first was no HTTP/2 SETTINGS frame.
    foreign: AtomicBool,
    /// A write found the buffer full.
    want_write: AtomicBool,
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

impl Socket {
    pub(super) fn new(descriptor: Descriptor) -> Arc<Self> {
        Arc::new(Socket {
            descriptor,
            may_read: AtomicBool::new(false),
            readable: AtomicBool::new(false),
            tried: AtomicBool::new(false),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            cut: AtomicBool::new(false),
            foreign: AtomicBool::new(false),
            want_write: AtomicBool::new(false),
            reader: Mutex::new(None),
            writer: Mutex::new(None),
        })
    }

    /// Between this and [`stop_reading`](Self::stop_reading) the connection's tasks may read.
    pub(super) fn start_reading(&self) {
        self.may_read.store(true, Ordering::Relaxed);
        self.readable.store(true, Ordering::Relaxed);
        self.tried.store(false, Ordering::Relaxed);
        wake(&self.reader);
    }

    pub(super) fn stop_reading(&self) {
        self.may_read.store(false, Ordering::Relaxed);
    }

    /// Nobody has tried to read since `start_reading`.
    pub(super) fn is_unread(&self) -> bool {
        self.readable.load(Ordering::Relaxed) && !self.tried.load(Ordering::Relaxed)
    }

    pub(super) fn wants_write(&self) -> bool {
        self.want_write.load(Ordering::SeqCst)
    }

    /// The buffer may have room again.
    pub(super) fn writable(&self) {
        if self.want_write.swap(false, Ordering::SeqCst) {
            wake(&self.writer);
        }
    }

    /// Tells the peer and the connection's tasks that this is over.
    pub(super) fn shut(&self) {
        // Only fails where the peer was faster.
        let _ = rustix::net::shutdown(&self.descriptor, rustix::net::Shutdown::Both);
    }

    /// Whether a peer that speaks HTTP/2, or whatever is in between, has ended it.
    pub(super) fn was_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed) && !self.foreign.load(Ordering::Relaxed)
    }

    /// Bytes given to the kernel that the peer's has not confirmed. A unix socket counts what the peer has not read.
    fn unsent(&self) -> u64 {
        #[cfg(target_os = "linux")]
        {
            let mut bytes: libc::c_int = 0;
            // SAFETY: it writes one int.
            let told = unsafe { libc::ioctl(self.descriptor.as_raw_fd(), libc::TIOCOUTQ, &mut bytes) };
            if told == 0 { bytes.unsigned_abs().into() } else { 0 }
        }
        #[cfg(not(target_os = "linux"))]
        0
    }

    /// `send` until the kernel takes something or says that its buffer is full *after* `want_write` was set: an
    /// edge that comes between the two belongs to nobody otherwise.
    fn write(&self, cx: &mut Context<'_>, send: impl Fn() -> io::Result<usize>) -> Poll<io::Result<usize>> {
        let mut announced = false;
        loop {
            match send() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if announced {
                        return Poll::Pending;
                    }
                    *lock(&self.writer) = Some(cx.waker().clone());
                    self.want_write.store(true, Ordering::SeqCst);
                    announced = true;
                }
                sent => {
                    match &sent {
                        Ok(bytes) => drop(self.sent.fetch_add(*bytes as u64, Ordering::Relaxed)),
                        Err(_) => self.cut.store(true, Ordering::Relaxed),
                    }
                    if announced {
                        self.want_write.store(false, Ordering::SeqCst);
                    }
                    return Poll::Ready(sent);
                }
            }
        }
    }
}

/// What was known of a socket when somebody last looked.
#[derive(Debug, Default)]
pub(super) struct Progress {
    received: u64,
    left: u64,
    stuck: bool,
}

impl Progress {
    /// Whether the other side has shown since that it is there: something has arrived, be it a part of a frame, or
    /// some of what was stuck in our buffer has left it (a large payload on a slow line).
    pub(super) fn advances(&mut self, socket: &Socket) -> bool {
        let unsent = socket.unsent();
        let now = Progress {
            received: socket.received.load(Ordering::Relaxed),
            left: socket.sent.load(Ordering::Relaxed).saturating_sub(unsent),
            stuck: unsent > 0 || socket.wants_write(),
        };
        let before = std::mem::replace(self, now);
        self.received != before.received || (self.left > before.left && (self.stuck || before.stuck))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn wake(waker: &Mutex<Option<Waker>>) {
    let waker = lock(waker).take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// What the connector gives to tonic.
#[derive(Debug)]
pub(super) struct Stream(pub(super) Arc<Socket>);

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = &self.0;
        while socket.may_read.load(Ordering::Relaxed) && socket.readable.load(Ordering::Relaxed) {
            socket.tried.store(true, Ordering::Relaxed);
            // SAFETY: `recv` only initialises bytes, and only as many as it returns are claimed below.
            let space = unsafe { buffer.as_mut() };
            let asked = space.len();
            // SAFETY: `space` is writable memory of that length.
            let got = unsafe {
                libc::recv(
                    socket.descriptor.as_raw_fd(),
                    space.as_mut_ptr().cast(),
                    asked,
                    libc::MSG_DONTWAIT,
                )
            };
            let Ok(got) = usize::try_from(got) else {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => {
                        socket.readable.store(false, Ordering::Relaxed);
                        break;
                    }
                    _ => {
                        socket.cut.store(true, Ordering::Relaxed);
                        return Poll::Ready(Err(error));
                    }
                }
            };
            let before = socket.received.fetch_add(got as u64, Ordering::Relaxed);
            if before == 0 && got > TYPE_AT {
                // SAFETY: the kernel wrote `got` bytes.
                let kind = unsafe { space[TYPE_AT].assume_init() };
                socket.foreign.store(kind != SETTINGS, Ordering::Relaxed);
            }
            if got == 0 && asked > 0 {
                socket.cut.store(true, Ordering::Relaxed);
            }
            // SAFETY: the kernel wrote that many bytes.
            unsafe { buffer.advance(got) };
            if got > 0 && got < asked {
                socket.readable.store(false, Ordering::Relaxed);
            }
            return Poll::Ready(Ok(()));
        }
        *lock(&socket.reader) = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        self.0.write(cx, || {
            let mut none = SendAncillaryBuffer::default();
            Ok(sendmsg(&self.0.descriptor, buffers, &mut none, flags)?)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(rustix::net::shutdown(&self.0.descriptor, rustix::net::Shutdown::Write).or_else(
            |error| {
                // The peer was faster.
                if error == rustix::io::Errno::NOTCONN { Ok(()) } else { Err(error.into()) }
            },
        ))
    }
}
