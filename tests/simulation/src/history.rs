//! What happened, as a digest and, where somebody wants to read it, as text.

use std::fmt;

use bridge_core::Time;

/// The history of a run. Runs of one seed have the same digest, whatever else the machine does.
#[derive(Debug)]
pub struct History {
    digest: u64,
    started: Time,
    trace: bool,
}

impl History {
    /// An empty one; `trace` prints every line as it comes.
    pub fn new(started: Time, trace: bool) -> Self {
        History { digest: 0xcbf2_9ce4_8422_2325, started, trace }
    }

    /// Whether lines are printed.
    pub fn traces(&self) -> bool {
        self.trace
    }

    /// Takes note of bytes that crossed the network.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let chunks = bytes.chunks_exact(8);
        for byte in chunks.remainder() {
            self.number(u64::from(*byte));
        }
        for chunk in chunks {
            self.number(u64::from_le_bytes(chunk.try_into().expect("invariant: chunks have 8 bytes")));
        }
    }

    /// Takes note of a number.
    pub fn number(&mut self, number: u64) {
        self.digest = (self.digest ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }

    /// Prints a line, if somebody reads.
    pub fn line(&self, now: Time, line: fmt::Arguments<'_>) {
        if self.trace {
            eprintln!("{:>12.6} {line}", now.since(self.started).as_secs_f64());
        }
    }

    /// The digest of everything so far.
    pub fn digest(&self) -> u64 {
        self.digest
    }
}
