//! The local socket beside a TCP port: clients on this host take it, may be told not to, and do without it where it is
//! not there or somebody else's.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use bridge_client::Reason;
use bridge_server::{ServeOptions, Server};
use syncbridge_proto::local_name;

use super::served::Served;
use super::*;

const BESIDE_TCP: bool = true;
const TCP_ONLY: bool = false;

fn server(listen: &str, local: bool) -> Server {
    let options = ServeOptions {
        listen: vec![listen.into()],
        no_local: !local,
        insecure: true,
        drain_seconds: 0.1,
        ..ServeOptions::default()
    };
    Server::start(options).unwrap()
}

fn name_of(url: &str) -> String {
    local_name(url.strip_prefix("grpc://").unwrap().parse().unwrap())
}

/// How many connections a local socket has, as the system counts them: each is a line with the name of its listener.
fn connections(url: &str) -> usize {
    const CONNECTED: &str = "03";
    let name = format!("@{}", name_of(url));
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
    let ours = sockets.lines().filter(|line| line.split_whitespace().nth(7) == Some(&*name));
    ours.filter(|line| line.split_whitespace().nth(5) == Some(CONNECTED)).count()
}

fn squat(url: &str) -> UnixListener {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name_of(url)).unwrap()).unwrap()
}

fn use_it(bridge: &Bridge) {
    let queue = unbounded(bridge, "used");
    put(&queue, 7).unwrap();
    assert_eq!(rest(&queue), [7]);
}

#[test]
fn a_server_on_this_host_is_reached_by_its_local_socket() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let server = server(listen, BESIDE_TCP);
        let url = &server.urls()[0];
        assert_eq!((server.urls().len(), connections(url)), (1, 0), "it is no address of its own");
        let bridge = connect(url);
        assert_eq!(connections(url), 1);
        use_it(&bridge);
        drop(bridge);
        eventually("the connection ends with its bridge", || connections(url) == 0);
    }
}

/// A server at every address of the host is found by each of them, and so is one at an address that is not loopback.
#[test]
fn any_address_of_the_host_will_do() {
    let everywhere = server("0.0.0.0:0", BESIDE_TCP);
    let url = &everywhere.urls()[0];
    let port = url.rsplit_once(':').unwrap().1;
    let mut hosts = vec!["127.0.0.1".to_owned(), "127.0.0.2".into(), "localhost".into(), "0.0.0.0".into()];
    // No datagram is sent.
    let outward = UdpSocket::bind("0.0.0.0:0").unwrap();
    if outward.connect("192.0.2.1:9").is_ok() {
        let own = outward.local_addr().unwrap().ip().to_string();
        let there = server(&format!("{own}:0"), BESIDE_TCP);
        let _bridge = connect(&there.urls()[0]);
        assert_eq!(connections(&there.urls()[0]), 1);
        hosts.push(own);
    }
    let bridges: Vec<_> = hosts.iter().map(|host| connect(&format!("grpc://{host}:{port}"))).collect();
    assert_eq!(connections(url), bridges.len(), "{hosts:?}");
    bridges.iter().for_each(use_it);
}

#[test]
fn either_side_turns_it_off() {
    let without = server("127.0.0.1:0", TCP_ONLY);
    use_it(&connect(&without.urls()[0]));
    assert!(
        SocketAddr::from_abstract_name(name_of(&without.urls()[0]))
            .and_then(|name| std::os::unix::net::UnixStream::connect_addr(&name))
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    );

    let with = server("127.0.0.1:0", BESIDE_TCP);
    let options = ConnectOptions { local: false, ..ConnectOptions::default() };
    let bridge = Bridge::connect(&with.urls()[0], options).unwrap();
    use_it(&bridge);
    assert_eq!(connections(&with.urls()[0]), 0);
}

/// Somebody took the name and is no server: the next attempt is by TCP.
#[test]
fn a_squatter_is_left_for_tcp() {
    for says in [&b""[..], b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"] {
        let server = server("127.0.0.1:0", TCP_ONLY);
        let squatter = squat(&server.urls()[0]);
        let squatting = std::thread::spawn(move || {
            let (mut client, _) = squatter.accept().unwrap();
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(says);
        });
        use_it(&connect(&server.urls()[0]));
        squatting.join().unwrap();
    }
}

#[test]
fn a_squatter_that_says_nothing_is_named() {
    let server = server("127.0.0.1:0", TCP_ONLY);
    let url = &server.urls()[0];
    let _squatter = squat(url);
    let options = ConnectOptions { connect_timeout: Duration::from_millis(300), ..ConnectOptions::default() };
    let Err(error) = Bridge::connect(url, options) else { panic!("connected") };
    assert_eq!(error.reason, Reason::Unavailable);
    let said = format!("{url} (its local socket) accepted the connection and has not answered within 300ms");
    assert!(error.message.starts_with(&said), "{error}");
}

/// A name that is taken keeps no server from its port.
#[test]
fn a_server_does_without_a_name_that_is_taken() {
    let url = server("127.0.0.1:0", TCP_ONLY).urls()[0].clone();
    let squatter = squat(&url);
    let server = server(url.strip_prefix("grpc://").unwrap(), BESIDE_TCP);
    assert_eq!(server.urls(), [url.as_str()]);
    drop(squatter);
    use_it(&connect(&url));
}

/// Each new connection looks anew: a server may come back without the local socket, and with it.
#[test]
fn a_reconnect_tries_again() {
    let served = Served::start_with("");
    let url = served.tcp.clone();
    let bridge = connect(&url);
    let queue = unbounded(&bridge, "again");
    assert_eq!(connections(&url), 1);

    let served = served.restart_with("--no-local");
    eventually("it is there by TCP", || put(&queue, 1).is_ok());
    assert_eq!(connections(&url), 0);

    let _served = served.restart_with("");
    eventually("it is there again", || put(&queue, 2).is_ok());
    assert_eq!(connections(&url), 1);
}

/// The limit is one for all listeners, and its last place is anybody's.
#[test]
fn the_last_connection_may_come_by_either_way() {
    let mut options =
        ServeOptions { listen: vec!["127.0.0.1:0".into()], drain_seconds: 0.1, ..ServeOptions::default() };
    options.limits.connections_max = 1;
    let server = Server::start(options).unwrap();
    let url = &server.urls()[0];
    for local in [true, false, true, false] {
        let only = Bridge::connect(url, ConnectOptions { local, ..ConnectOptions::default() }).unwrap();
        use_it(&only);
        for local in [true, false] {
            let connect_timeout = Duration::from_millis(100);
            let second =
                Bridge::connect(url, ConnectOptions { local, connect_timeout, ..ConnectOptions::default() });
            let Err(error) = second else { panic!("a second connection") };
            assert!(error.message.contains("has not answered within 100ms"), "{error}");
        }
        only.close(Duration::from_secs(10)).unwrap();
    }
}
