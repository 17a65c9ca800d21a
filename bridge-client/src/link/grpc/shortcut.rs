//! The shortcut to a server on this host: it listens on a local socket beside each of its TCP ports
//! ([`syncbridge_proto::local_name`]), which costs less than TCP and is tried first.
//!
//! Whether there is one is found out by trying, and whatever is wrong with it the TCP port decides. Anybody may take a
//! name that no server has, so it is used only where the process behind it could have this one's secrets anyway.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use bridge_core::error::Error;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use rustix::process::{Uid, geteuid};
use syncbridge_proto::local_name;

use super::descriptor::Descriptor;
use super::dial;

/// Turns it off for the programs that find `off` in it.
const VARIABLE: &str = "SYNCBRIDGE_LOCAL_TRANSPORT";

/// Who a user of another user namespace seems to be.
const NOBODY: u32 = 65_534;

/// Whether a connection may take the shortcut.
#[derive(Debug, Default)]
pub(super) struct Shortcut {
    allowed: bool,
    /// Taken by the present connection, which no server has welcomed yet.
    unwelcome: AtomicBool,
}

impl Shortcut {
    pub(super) fn new(allowed: bool) -> Self {
        Shortcut { allowed, unwelcome: AtomicBool::new(false) }
    }

    /// To be asked once for each connection that is made. Not where the last one led to somebody who is no server.
    pub(super) fn is_due(&self) -> bool {
        !self.unwelcome.swap(false, Ordering::Relaxed) && self.allowed
    }

    /// A connection to the server that listens at `address`, if it is on this host and has a local socket.
    pub(super) fn dial(&self, address: &SocketAddr) -> Option<Descriptor> {
        if !is_here(address) {
            return None;
        }
        let socket = names(address).iter().find_map(connect)?;
        self.unwelcome.store(true, Ordering::Relaxed);
        tracing::debug!(%address, "connected by the local socket");
        Some(socket)
    }

    /// The server has answered.
    pub(super) fn welcomed(&self) {
        self.unwelcome.store(false, Ordering::Relaxed);
    }

    /// Taken, and whoever is there has not shown to be a server.
    pub(super) fn is_unwelcome(&self) -> bool {
        self.unwelcome.load(Ordering::Relaxed)
    }
}

/// What the environment says. `INVALID_ARGUMENT` unless that is `on` or `off`.
pub(super) fn allowed_by_environment() -> Result<bool, Error> {
    allowed_by(std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned()).as_deref())
}

fn allowed_by(value: Option<&str>) -> Result<bool, Error> {
    match value {
        None | Some("" | "on") => Ok(true),
        Some("off") => Ok(false),
        Some(other) => Err(Error::invalid(
            VARIABLE,
            format!(
                "{VARIABLE} is {other:?}; set it to on (the default), or to off to reach servers on this host by TCP"
            ),
        )),
    }
}

/// A server listens at the address itself, or at every address of the host.
fn names(address: &SocketAddr) -> [String; 2] {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    [local_name(*address), local_name((any, address.port()).into())]
}

/// Whether the address is one of this host: what would be sent there would come from there.
fn is_here(address: &SocketAddr) -> bool {
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        return true;
    }
    let family = dial::family(address);
    let Ok(probe) = Descriptor::open(|| {
        std::io::Result::Ok(rustix::net::socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
    }) else {
        return false;
    };
    // No datagram is sent: the system only chooses the route.
    let from = rustix::net::connect(&probe, address).and_then(|()| rustix::net::getsockname(&probe));
    from.ok().and_then(|from| SocketAddr::try_from(from).ok()).is_some_and(|from| from.ip() == address.ip())
}

/// `None` where nobody listens, nobody accepts just now, or it is not to be trusted.
fn connect(name: &String) -> Option<Descriptor> {
    let socket = dial::open(AddressFamily::UNIX).ok()?;
    rustix::net::connect(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes()).ok()?).ok()?;
    let trusted = is_trusted(listener_of(&socket)?, geteuid());
    if !trusted {
        tracing::debug!(name, "the local socket is another user's; TCP is used");
    }
    trusted.then_some(socket)
}

/// The user that the process ran as when it began to listen.
fn listener_of(socket: impl AsFd) -> Option<Uid> {
    sockopt::socket_peercred(socket).ok().map(|peer| peer.uid)
}

/// The user of this process, or root, who may look into it anyway.
fn is_trusted(listener: Uid, own: Uid) -> bool {
    listener.is_root() || (listener == own && own.as_raw() != NOBODY)
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};

    use bridge_core::Reason;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_ones_own_processes_and_roots_are_trusted() {
        let user = Uid::from_raw;
        for (listener, own, trusted) in [
            (user(1000), user(1000), true),
            (Uid::ROOT, user(1000), true),
            (Uid::ROOT, Uid::ROOT, true),
            (user(1001), user(1000), false),
            (user(1000), Uid::ROOT, false),
            (user(NOBODY), Uid::ROOT, false),
            (user(NOBODY), user(NOBODY), false),
            (Uid::ROOT, user(NOBODY), true),
        ] {
            assert_eq!(is_trusted(listener, own), trusted, "{listener:?} for {own:?}");
        }
    }

    #[test]
    fn the_listener_is_asked_and_not_the_name() {
        let name = format!("syncbridge-test/{}", std::process::id());
        let squatter = UnixListener::bind_addr(&UnixAddr::from_abstract_name(&name).unwrap()).unwrap();
        let socket = connect(&name).expect("our own");
        assert_eq!(listener_of(&socket), Some(geteuid()));
        drop(squatter);
        assert!(connect(&name).is_none(), "nobody listens there any more");
    }

    #[test]
    fn names_say_where_the_server_listens() {
        assert_eq!(names(&at("127.0.0.1:7420")), ["syncbridge/127.0.0.1:7420", "syncbridge/0.0.0.0:7420"]);
        assert_eq!(names(&at("[::1]:99")), ["syncbridge/[::1]:99", "syncbridge/[::]:99"]);
    }

    #[test]
    fn addresses_of_other_hosts_are_not_here() {
        for here in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "0.0.0.0:1"] {
            assert!(is_here(&at(here)), "{here}");
        }
        // Addresses for documentation.
        for elsewhere in ["192.0.2.1:1", "[2001:db8::1]:1"] {
            assert!(!is_here(&at(elsewhere)), "{elsewhere}");
        }
    }

    #[test]
    fn it_is_not_taken_twice_to_somebody_who_is_no_server() {
        let off = Shortcut::new(false);
        assert!(!off.is_due());
        let shortcut = Shortcut::new(true);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let squatted = UnixAddr::from_abstract_name(local_name(address)).unwrap();
        let _squatter = UnixListener::bind_addr(&squatted).unwrap();
        assert!(shortcut.is_due() && shortcut.dial(&address).is_some() && shortcut.is_unwelcome());
        assert!(!shortcut.is_due(), "TCP next");
        assert!(shortcut.is_due() && shortcut.dial(&address).is_some());
        shortcut.welcomed();
        assert!(shortcut.is_due());
    }

    #[test]
    fn the_environment_turns_it_off() {
        assert!(
            allowed_by(None).unwrap() && allowed_by(Some("on")).unwrap() && allowed_by(Some("")).unwrap()
        );
        assert!(!allowed_by(Some("off")).unwrap());
        let error = allowed_by(Some("no")).unwrap_err();
        assert_eq!(error.reason, Reason::InvalidArgument);
        assert!(error.message.contains("SYNCBRIDGE_LOCAL_TRANSPORT is \"no\""), "{error}");
    }
}
