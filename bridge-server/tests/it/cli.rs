//! The binary.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn syncbridge(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncbridge"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SYNCBRIDGE_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end, which must come soon.
pub(crate) fn run(args: &[&str]) -> (Output, String, String) {
    let started = Instant::now();
    let output = syncbridge(args).output().unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{args:?} took {:?}", started.elapsed());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

struct Running {
    child: Child,
    urls: Vec<String>,
    out: BufReader<std::process::ChildStdout>,
}

fn serve(args: &[&str], urls: usize) -> Running {
    let mut child = syncbridge(&[&["serve"], args].concat()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let urls = (0..urls)
        .map(|_| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line.trim_end().strip_prefix("listening ").unwrap_or_else(|| panic!("{line:?}")).to_owned()
        })
        .collect();
    Running { child, urls, out }
}

impl Running {
    fn signal(&self, signal: libc::c_int) {
        // SAFETY: a plain system call on a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// The exit code, what came on stdout after the first lines, and what was logged.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }
}

#[test]
fn serves_until_told_to_stop() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let server = serve(&["--listen", "127.0.0.1:0"], 1);
        assert!(server.urls[0].starts_with("grpc://127.0.0.1:"), "{:?}", server.urls);
        let (output, out, _) = run(&["status", "--url", &server.urls[0]]);
        assert!(output.status.success() && out.contains("serving"), "{out}");
        let (output, out, _) = run(&["status", "--json", "--url", &server.urls[0]]);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert!(output.status.success());
        assert_eq!((&json["serving"], &json["version"]), (&true.into(), &env!("CARGO_PKG_VERSION").into()));
        server.signal(signal);
        let (code, out, log) = server.end();
        assert_eq!((code, out.as_str()), (Some(0), ""), "{log}");
        assert!(log.contains("nothing is written to disk"), "{log}");
    }
}

#[test]
fn serves_a_unix_socket_and_replaces_one_that_was_left_behind() {
    let dir = std::env::temp_dir().join(format!("syncbridge-cli-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("socket");
    let text = path.to_str().unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = serve(&["--listen", "127.0.0.1:0", "--unix", text], 2);
    assert_eq!(server.urls[1], format!("unix://{text}"));
    assert!(run(&["status", "--url", &server.urls[1]]).0.status.success());
    let (second, _, err) = run(&["serve", "--listen", "none", "--unix", text]);
    assert_eq!((second.status.code(), err.lines().count()), (Some(1), 1), "{err}");
    server.signal(libc::SIGTERM);
    assert_eq!(server.end().0, Some(0));
    std::fs::write(&path, "not a socket").unwrap();
    let (refused, _, err) = run(&["serve", "--listen", "none", "--unix", text]);
    assert_eq!((refused.status.code(), err.lines().count()), (Some(1), 1), "{err}");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_cannot_be_listened_on_is_said_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (args, said) in [
        (vec!["--listen", taken.as_str()], "in use"),
        (vec!["--listen", "nonsense"], "HOST:PORT"),
        (vec!["--listen", "127.0.0.1:99999"], "HOST:PORT"),
        (vec!["--listen", "0.0.0.0:0"], "--insecure"),
        (vec!["--listen", "[::]:0"], "--insecure"),
        (vec!["--listen", "192.0.2.1:0", "--insecure"], "cannot listen"),
        (vec!["--listen", "none"], "--unix"),
        (vec!["--log", "=,="], "--log"),
        (vec!["--unix", "/no/such/directory/socket", "--listen", "none"], "cannot listen"),
    ] {
        let (output, out, err) = run(&[&["serve"], args.as_slice()].concat());
        assert_eq!((output.status.code(), out.as_str()), (Some(1), ""), "{args:?}: {err}");
        assert!(err.contains(said) && err.lines().count() == 1, "{args:?}: {err}");
    }
}

#[test]
fn insecure_listens_beyond_loopback() {
    let server = serve(&["--listen", "0.0.0.0:0", "--insecure"], 1);
    assert!(server.urls[0].starts_with("grpc://0.0.0.0:"));
    server.signal(libc::SIGTERM);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_server_that_is_not_there_is_said_in_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, said) in [
        (format!("grpc://{free}"), "cannot connect"),
        ("unix:///no/such/socket".into(), "cannot connect"),
        ("mem:".into(), "no URL of a server"),
        ("grpc://".into(), "no URL of a server"),
    ] {
        let (output, _, err) = run(&["status", "--url", &url]);
        assert_eq!(output.status.code(), Some(1), "{url}");
        assert!(err.contains(said) && err.lines().count() == 1, "{url}: {err}");
    }
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let (output, _, err) = run(&["status", "--url", &format!("grpc://{}", deaf.local_addr().unwrap())]);
    assert_eq!((output.status.code(), err.lines().count()), (Some(1), 1), "{err}");
}

#[test]
fn options_come_from_the_environment_too() {
    let mut command = syncbridge(&["serve"]);
    command.env("SYNCBRIDGE_LISTEN", "127.0.0.1:0").env("SYNCBRIDGE_LOG", "error");
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("listening grpc://127.0.0.1:"), "{line}");
    let running = Running { child, urls: Vec::new(), out };
    running.signal(libc::SIGTERM);
    let (code, _, log) = running.end();
    assert_eq!((code, log.as_str()), (Some(0), ""));
}

#[test]
fn help_helps() {
    let (output, out, _) = run(&["serve", "--help"]);
    assert!(output.status.success());
    for option in ["--listen", "--unix", "--insecure", "--payload-bytes-max", "SYNCBRIDGE_LISTEN", "7420"] {
        assert!(out.contains(option), "{option} is missing in\n{out}");
    }
    let (output, _, err) = run(&["serve", "--no-such-option"]);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(run(&["--version"]).1.contains(env!("CARGO_PKG_VERSION")));
}
