//! A server in a process of its own, which can be stopped and killed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const ARGUMENTS: &str = "SYNCBRIDGE_TEST_SERVE";

/// Killed when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) tcp: String,
    pub(crate) unix: String,
    path: PathBuf,
}

impl Served {
    /// One that is reached by TCP where its TCP address is given.
    pub(crate) fn start() -> Served {
        Self::start_with("--no-local")
    }

    pub(crate) fn start_with(options: &str) -> Served {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("syncbridge-{}-{number}.sock", std::process::id()));
        Self::start_at("127.0.0.1:0", path, options)
    }

    fn start_at(listen: &str, path: PathBuf, options: &str) -> Served {
        let _ = std::fs::remove_file(&path);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "served::serve", "--ignored", "--nocapture"])
            .env(
                ARGUMENTS,
                format!("serve --listen {listen} --unix {} --log error {options}", path.display()),
            )
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let tcp = lines.find_map(|line| {
            let line = line.unwrap();
            line.split_once("listening grpc://").map(|(_, at)| format!("grpc://{}", at.trim()))
        });
        let unix = format!("unix://{}", path.display());
        // What else it says is of no interest, and must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Served { child, tcp: tcp.expect("the server says where it listens"), unix, path }
    }

    /// `SIGKILL`, and another one with an empty memory at the same addresses.
    pub(crate) fn restart(self) -> Served {
        self.restart_with("--no-local")
    }

    pub(crate) fn restart_with(self, options: &str) -> Served {
        let listen = self.tcp.trim_start_matches("grpc://").to_owned();
        let path = self.path.clone();
        drop(self);
        Self::start_at(&listen, path, options)
    }

    /// `SIGSTOP`, and none of its threads runs any more.
    pub(crate) fn stop(&self) {
        self.signal(libc::SIGSTOP);
        let tasks = format!("/proc/{}/task", self.child.id());
        let stopped = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('T')
        };
        while !std::fs::read_dir(&tasks).unwrap().all(|task| stopped(task.unwrap())) {
            std::thread::yield_now();
        }
    }

    pub(crate) fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: our own child, which has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as libc::pid_t, signal) }, 0);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
        self.child.wait().unwrap();
    }
}

#[test]
#[ignore = "the server process of the other tests"]
fn serve() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    // SAFETY: only asks for a signal when the parent dies.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let arguments = std::iter::once("syncbridge").chain(arguments.split_whitespace());
    std::process::exit(bridge_server::cli::main(arguments).into());
}
