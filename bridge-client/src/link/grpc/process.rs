//! Which process this is, told to the server so that one on the same host can watch it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use syncbridge_proto::v1::ProcessIdentity;

use crate::link::Identity;

/// This process. Where `/proc` does not say, the server cannot watch it, and the session lives by its TTL.
pub(super) fn identity(of: Identity) -> ProcessIdentity {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    ProcessIdentity {
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        pid_namespace: fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino()),
        pid: of.pid,
        start_time_ticks: start_time(&read("/proc/self/stat")).unwrap_or(0),
        host: of.host,
        language: of.language,
    }
}

/// Field 22 of `/proc/PID/stat`. The second field, the command in parentheses, may contain anything.
fn start_time(stat: &str) -> Option<u64> {
    let (_, after_command) = stat.rsplit_once(')')?;
    after_command.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConnectOptions;

    #[test]
    fn names_this_process() {
        let identity = || super::identity(Identity::new(&ConnectOptions::default()));
        let this = identity();
        assert_eq!(this.pid, std::process::id());
        assert_eq!(this.boot_id.len(), 36);
        assert!(this.pid_namespace > 0 && this.start_time_ticks > 0 && !this.host.is_empty());
        assert_eq!(this, identity());
    }

    #[test]
    fn commands_may_contain_parentheses() {
        let stat = format!("7 (a) b (c)) S {} 4242 0", ["1"; 18].join(" "));
        assert_eq!(start_time(&stat), Some(4242));
        assert_eq!(start_time("nonsense"), None);
    }
}
