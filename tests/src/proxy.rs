//! A proxy that knows HTTP/2 frames and cuts the connection at a chosen one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const PREFACE_BYTES: usize = 24;
const HEADER_BYTES: usize = 9;

/// Where to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The frame of that number is lost.
    Before(usize),
    /// It is the last to arrive.
    After(usize),
    /// Every so many frames, again and again.
    Every(usize),
}

/// A proxy; it forwards as long as the process lives.
pub struct Proxy {
    /// Where it listens.
    pub url: String,
    counted: Arc<Counted>,
}

struct Counted {
    cut: Cut,
    frames: AtomicUsize,
    cuts: AtomicUsize,
}

impl Proxy {
    /// Forwards to `target` (a `grpc://` URL).
    pub fn start(target: &str, cut: Cut) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("grpc://{}", listener.local_addr().unwrap());
        let counted = Arc::new(Counted { cut, frames: AtomicUsize::new(0), cuts: AtomicUsize::new(0) });
        let (target, counting) = (target.trim_start_matches("grpc://").to_owned(), counted.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&target)) else { continue };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                counting.clone().pump(
                    client.try_clone().unwrap(),
                    server.try_clone().unwrap(),
                    PREFACE_BYTES,
                );
                counting.clone().pump(server, client, 0);
            }
        });
        Proxy { url, counted }
    }

    /// How often it has cut.
    pub fn cuts(&self) -> usize {
        self.counted.cuts.load(Ordering::SeqCst)
    }
}

impl Counted {
    fn pump(self: Arc<Self>, mut from: TcpStream, mut to: TcpStream, preface: usize) {
        thread::spawn(move || {
            let _ = self.forward(&mut from, &mut to, preface);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }

    /// Ends when either side does, or at the cut.
    fn forward(&self, from: &mut TcpStream, to: &mut TcpStream, preface: usize) -> io::Result<()> {
        let mut frame = vec![0; preface];
        from.read_exact(&mut frame)?;
        to.write_all(&frame)?;
        loop {
            frame.resize(HEADER_BYTES, 0);
            from.read_exact(&mut frame)?;
            let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize;
            frame.resize(HEADER_BYTES + length, 0);
            from.read_exact(&mut frame[HEADER_BYTES..])?;
            let number = self.frames.fetch_add(1, Ordering::SeqCst) + 1;
            let (cut, lost) = match self.cut {
                Cut::Before(at) => (number == at, true),
                Cut::After(at) => (number == at, false),
                Cut::Every(frames) => (number.is_multiple_of(frames), number.is_multiple_of(2 * frames)),
            };
            if !(cut && lost) {
                to.write_all(&frame)?;
            }
            if cut {
                self.cuts.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
        }
    }
}
