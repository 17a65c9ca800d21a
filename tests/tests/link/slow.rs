//! Slow lines, and servers that do not read.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;

use bridge_client::Reason;
use bridge_client::semaphore::{self, Acquire};

use super::served::Served;
use super::*;

const KIB: usize = 1 << 10;

fn large(bytes: usize) -> NewItem {
    NewItem::new(Payload::new(ContentType::Bytes, vec![7; bytes]))
}

/// Forwards to the server, so many bytes every 30 ms on the way there, and keeps next to none meanwhile: a slow line.
fn slow_line(target: &str, bytes: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let small: libc::c_int = 16 << 10;
    // SAFETY: it reads one int. Connections that are accepted inherit it.
    let set = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw const small).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    assert_eq!(set, 0);
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    let target = target.trim_start_matches("grpc://").to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(mut client), Ok(mut server)) = (client, TcpStream::connect(&target)) else { continue };
            let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut answers, &mut back));
            thread::spawn(move || {
                let mut buffer = vec![0; bytes];
                while let Ok(got @ 1..) = client.read(&mut buffer) {
                    if server.write_all(&buffer[..got]).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(30));
                }
            });
        }
    });
    url
}

/// It takes several times its time to live to send one value: the session lives, on one connection, and keeps what it
/// holds.
#[test]
fn a_large_value_on_a_slow_line_arrives_and_keeps_the_session() {
    let served = Served::start();
    let options = ConnectOptions { session_ttl: Duration::from_secs(1), ..ConnectOptions::default() };
    let bridge = Bridge::connect(&slow_line(&served.tcp, 32 * KIB), options).unwrap();
    let one = semaphore::Options::default();
    let acquire = Acquire { permits: 1, by_token: true, barge: false, timeout: seconds(10) };
    let held = bridge.semaphore(Some("held"), one).unwrap();
    let token = held.acquire(ME, acquire).finish().unwrap();
    let queue = unbounded(&bridge, "slow");
    let start = Instant::now();
    queue.put(ME, large(4 << 20), Timeout::Never).finish().unwrap();
    assert!(start.elapsed() > Duration::from_secs(3), "{:?}: that was not slow", start.elapsed());

    let other = connect(&served.unix);
    let wanted = other.semaphore(Some("held"), one).unwrap();
    let now = Acquire { timeout: Timeout::NOW, ..acquire };
    assert_eq!(wanted.acquire(ME, now).finish().unwrap_err().reason, Reason::TimedOut, "it is still held");
    held.release(ME, 1, Some(token)).finish().unwrap();
    assert_eq!(unbounded(&other, "slow").describe(ME).finish().unwrap().ready, 1, "it was put once");
}

/// A server that reads nothing: what is under way is bounded, who finds no room is told in time, and a release passes.
#[test]
fn what_is_under_way_is_bounded() {
    let served = Served::start();
    let options = ConnectOptions { outbox_bytes_max: 256 * KIB, ..ConnectOptions::default() };
    let bridge = Bridge::connect(&served.unix, options).unwrap();
    let held = bridge.semaphore(Some("held"), semaphore::Options::default()).unwrap();
    let acquire = Acquire { permits: 1, by_token: true, barge: false, timeout: seconds(10) };
    let token = held.acquire(ME, acquire).finish().unwrap();
    let queue = unbounded(&bridge, "bounded");
    served.stop();
    let admitted: Vec<_> = (0..3).map(|_| queue.put(ME, large(64 * KIB), Timeout::Never)).collect();
    let start = Instant::now();
    let half = Timeout::After(Duration::from_millis(500));
    let full = queue.put(ME, large(64 * KIB), half).finish().unwrap_err();
    assert_eq!(full.reason, Reason::Full, "{full}");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(500) && took < Duration::from_millis(1_400), "{took:?}");
    assert_eq!(queue.put(ME, large(64 * KIB), Timeout::NOW).finish().unwrap_err().reason, Reason::Full);
    let released = held.release(ME, 1, Some(token));
    let waiting = queue.put(ME, large(64 * KIB), Timeout::Never);
    served.go_on();
    admitted.into_iter().chain([waiting]).for_each(|put| assert!(put.finish().is_ok()));
    released.finish().unwrap();
    assert_eq!(unbounded(&connect(&served.unix), "bounded").describe(ME).finish().unwrap().ready, 4);
}
