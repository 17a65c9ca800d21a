//! Addresses, and connecting to them within a time.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bridge_core::error::{Error, Reason};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt};

use super::descriptor::Descriptor;
use super::helper::spawn;
use super::shortcut::Shortcut;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host, as a name or a number, and a port.
    Tcp(String, u16),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "grpc://[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "grpc://{host}:{port}"),
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Connects within `at_most`; by the shortcut to a server on this host if there is one.
pub(super) fn dial(address: &Address, shortcut: &Shortcut, at_most: Duration) -> Result<Descriptor, Error> {
    let until = Instant::now() + at_most;
    let connected = match address {
        Address::Unix(path) => dial_unix(path, until),
        Address::Tcp(host, port) => dial_tcp(host, *port, shortcut, until),
    };
    connected.map_err(|error| explain(address, &error, at_most))
}

fn explain(address: &Address, error: &io::Error, at_most: Duration) -> Error {
    let found = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        io::ErrorKind::NotFound => "there is no such socket".to_owned(),
        io::ErrorKind::TimedOut => format!("no answer within {at_most:?}"),
        _ => error.to_string(),
    };
    let port = match address {
        Address::Tcp(_, port) => format!("--listen HOST:{port}"),
        Address::Unix(path) => format!("--unix {}", path.display()),
    };
    Error::new(
        Reason::Unavailable,
        format!(
            "cannot connect to {address}: {found}; check the address, or start a server with \
             `syncbridge serve {port}`"
        ),
    )
}

fn dial_unix(path: &std::path::Path, until: Instant) -> io::Result<Descriptor> {
    let address = SocketAddrUnix::new(path)?;
    loop {
        let socket = open(AddressFamily::UNIX)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(socket),
            // The server's backlog is full: a unix socket says so instead of waiting.
            Err(rustix::io::Errno::AGAIN) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn dial_tcp(host: &str, port: u16, shortcut: &Shortcut, until: Instant) -> io::Result<Descriptor> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
    let is_due = shortcut.is_due();
    for address in resolve(host, port, until)? {
        if is_due && let Some(socket) = shortcut.dial(&address) {
            return Ok(socket);
        }
        match dial_one(&address, until) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a host. The system's resolver cannot be told how long it may take, so a name is looked up by a
/// thread that is left to itself when it takes longer.
fn resolve(host: &str, port: u16, until: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let (tell, told) = mpsc::channel();
    let name = host.to_owned();
    spawn("syncbridge-name", move || {
        // Nobody may be waiting any more.
        let _ = tell.send((name.as_str(), port).to_socket_addrs().map(Iterator::collect));
    })?;
    told.recv_timeout(until.saturating_duration_since(Instant::now()))
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn dial_one(address: &SocketAddr, until: Instant) -> io::Result<Descriptor> {
    use rustix::io::Errno;
    let socket = open(family(address))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    match rustix::net::connect(&socket, address) {
        Ok(()) => return Ok(socket),
        Err(Errno::INPROGRESS | Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        match rustix::event::poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&left)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    sockopt::socket_error(&socket)??;
    Ok(socket)
}

pub(super) fn family(address: &SocketAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 }
}

/// A stream socket that is not connected and does not wait.
pub(super) fn open(family: AddressFamily) -> io::Result<Descriptor> {
    let protocol = (family != AddressFamily::UNIX).then_some(ipproto::TCP);
    Descriptor::open(|| {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket: OwnedFd = rustix::net::socket_with(family, SocketType::STREAM, flags, protocol)?;
        io::Result::Ok(socket)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_says_what_to_do() {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let error =
            dial(&Address::Tcp("127.0.0.1".into(), port), &Shortcut::default(), Duration::from_secs(5))
                .unwrap_err();
        assert_eq!(error.reason, Reason::Unavailable);
        assert_eq!(
            error.message,
            format!(
                "cannot connect to grpc://127.0.0.1:{port}: nothing listens there; check the address, or start \
                 a server with `syncbridge serve --listen HOST:{port}`"
            )
        );
    }

    #[test]
    fn a_missing_socket_says_what_to_do() {
        let error =
            dial(&Address::Unix("/nonexistent/socket".into()), &Shortcut::default(), Duration::from_secs(5))
                .unwrap_err();
        assert!(error.message.contains("there is no such socket"), "{error}");
    }

    #[test]
    fn a_name_that_does_not_exist_is_one_line() {
        let address = Address::Tcp("no-such-host.invalid".into(), 7420);
        let error = dial(&address, &Shortcut::default(), Duration::from_secs(5)).unwrap_err();
        assert!(error.message.starts_with("cannot connect to grpc://no-such-host.invalid:7420: "), "{error}");
        assert!(!error.message.contains('\n'));
    }
}
