//! A 64-bit digest of state that does not depend on the platform's hasher: FNV-1a.
//!
//! It tells whether two engines that executed the same inputs agree. It is no protection against forgery.

use std::hash::Hasher;

/// FNV-1a over whatever is written.
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Digest(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
