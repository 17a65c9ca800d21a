//! The locks that this process holds, and those that it lost with a session: releasing one of those is told, and
//! releases nothing that is somebody else's by now.

use bridge_core::ids::{ParticipantId, Token};

/// Holds of one lock.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    held: Vec<Hold>,
    lost: Vec<Hold>,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    token: Token,
    who: ParticipantId,
    levels: u32,
}

/// What is known of the hold that a release means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// This session has it.
    Held,
    /// It was lost with an earlier session.
    Lost,
    /// It is not this process's; the engine knows better.
    Unknown,
}

impl Holds {
    /// One more level was granted and accepted.
    pub(crate) fn gain(&mut self, who: ParticipantId, token: Token) {
        match self.held.iter_mut().find(|hold| hold.token == token) {
            Some(hold) => hold.levels += 1,
            None => self.held.push(Hold { token, who, levels: 1 }),
        }
    }

    /// The wait of a condition ended: the hold goes on under another token.
    pub(crate) fn renew(&mut self, who: ParticipantId, token: Token) {
        let own = self.held.iter().position(|hold| hold.who == who).or((!self.held.is_empty()).then_some(0));
        let levels = own.map_or(1, |own| self.held.swap_remove(own).levels);
        self.held.push(Hold { token, who, levels });
    }

    /// One level was released.
    pub(crate) fn drop_level(&mut self, who: ParticipantId, token: Option<Token>) {
        drop_level(&mut self.held, who, token);
    }

    /// The engine has taken them from the session.
    pub(crate) fn take_away(&mut self, tokens: &[Token]) {
        self.held.retain(|hold| !tokens.contains(&hold.token));
    }

    /// The session that held them is gone.
    pub(crate) fn lose(&mut self) {
        self.lost.append(&mut self.held);
    }

    /// How the hold stands that is meant by a token, or by none: then the participant's own, or any.
    pub(crate) fn standing(&self, who: ParticipantId, token: Option<Token>) -> Standing {
        let own = |holds: &[Hold]| {
            holds.iter().any(|hold| token.map_or(hold.who == who, |token| hold.token == token))
        };
        let any = |holds: &[Hold]| token.is_none() && !holds.is_empty();
        if own(&self.held) {
            Standing::Held
        } else if own(&self.lost) {
            Standing::Lost
        } else if any(&self.held) {
            Standing::Held
        } else if any(&self.lost) {
            Standing::Lost
        } else {
            Standing::Unknown
        }
    }

    /// A release was told that its hold is lost.
    pub(crate) fn note_told(&mut self, who: ParticipantId, token: Option<Token>) {
        drop_level(&mut self.lost, who, token);
    }
}

fn drop_level(holds: &mut Vec<Hold>, who: ParticipantId, token: Option<Token>) {
    let meant = |hold: &Hold| token.map_or(hold.who == who, |token| hold.token == token);
    let any = (token.is_none() && !holds.is_empty()).then_some(0);
    let Some(at) = holds.iter().position(meant).or(any) else { return };
    holds[at].levels -= 1;
    if holds[at].levels == 0 {
        holds.swap_remove(at);
    }
}
