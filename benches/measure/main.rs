//! Measurements that need thousands of something, or a client that costs little. `make bench` runs them, each against a
//! server of its own.
//!
//! `measure WHAT URL PID COUNT` prints one line of JSON. PID is the server's; COUNT says how much work it is to do. WHAT:
//! `memory KIND`, `releases`, `beside`, `curve KIND`, `waiters`, `stream BATCH`, `frames`. KIND: `waits`, `objects`, `sessions`, `connections`.

mod beside;
mod curve;
mod frames;
mod idle;
mod memory;
mod process;
mod stream;
mod waiters;

use anyhow::{Result, bail};
use bridge_client::{ContentType, ParticipantId, Payload};

/// Who does everything in here.
const ME: ParticipantId = ParticipantId(0);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what @ .., url, pid, count] = arguments.as_slice() else {
        bail!("usage: measure WHAT URL PID COUNT")
    };
    let count = count.parse()?;
    let what: Vec<&str> = what.iter().map(String::as_str).collect();
    let figures = match what.as_slice() {
        ["memory", kind] => memory::of(kind, url, pid, count)?,
        ["releases"] => memory::releases(url, count)?,
        ["curve", kind] => curve::among_idle(kind, url, pid, count)?,
        ["waiters"] => waiters::last(url, count)?,
        ["beside"] => beside::large_items(url, count)?,
        ["frames"] => frames::leased_and_acked(url, pid, count)?,
        ["windowed"] => stream::windowed(url, pid, count)?,
        ["stream", batch] => stream::leased_and_acked(url, pid, count, batch.parse()?)?,
        _ => bail!("nothing is called {what:?}"),
    };
    println!("{figures}");
    Ok(())
}

/// An item of the usual size.
fn payload() -> Payload {
    Payload::new(ContentType::Bytes, &[7; 100][..])
}
