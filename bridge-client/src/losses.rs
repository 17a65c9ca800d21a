//! What was taken from a session while it lived: a lock whose lease was over, an item that was leased for too long.

use std::collections::BTreeSet;

use bridge_core::ids::Token;

/// How many of the latest are remembered. Tokens only grow, so the lowest are the oldest grants.
const REMEMBERED_MAX: usize = 4_096;

/// The tokens of grants that are lost.
#[derive(Debug, Default)]
pub(crate) struct Losses(BTreeSet<Token>);

impl Losses {
    pub(crate) fn note(&mut self, tokens: &[Token]) {
        for token in tokens {
            if self.0.len() == REMEMBERED_MAX {
                self.0.pop_first();
            }
            self.0.insert(*token);
        }
    }

    pub(crate) fn contains(&self, token: Token) -> bool {
        self.0.contains(&token)
    }
}
