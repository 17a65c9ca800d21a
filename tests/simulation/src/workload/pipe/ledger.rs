//! What is known of each pipe: who has which end, what was sent to it, and what came of that.

use std::sync::Arc;

use bridge_client::session::{Declaration, Object};
use bridge_core::Time;
use bridge_core::command::pipe::{End, Options};
use bridge_core::ids::Op;
use bridge_core::payload::{Body, ContentType, Payload};
use bytes::Bytes;

use crate::server::{Incarnation, Server};
use crate::workload::{Moment, handle};

/// Who has an end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) client: usize,
    process: u32,
    pub(super) session: Incarnation,
}

/// How sending a message has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    Asked,
    Sent,
    Never,
    Perhaps,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) sending: Sending,
    received: Option<(Incarnation, Op)>,
}

/// An end, and what is sent to it.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) owner: Option<Owner>,
    /// Somebody uses it, or is about to.
    pub(super) busy: bool,
    /// Somebody may have attached it besides.
    pub(super) doubtful: bool,
    /// Its closing was asked for, and answered.
    pub(super) closing: bool,
    pub(super) closed: bool,
    /// Of no use any more.
    pub(super) over: bool,
    pub(super) messages: Vec<Message>,
    /// A receive of which nobody knows, or several who send: what was sent first need not come first.
    pub(super) muddled: bool,
    last: Option<usize>,
    /// Somebody waits to receive there, or to send from there.
    pub(super) receiving: bool,
    pub(super) sending: bool,
    /// Since when somebody waits there for what can never come.
    pub(super) forgotten: Option<Time>,
    pub(super) swept: bool,
}

/// A pipe.
pub(super) struct Pipe {
    pub(super) name: String,
    pub(super) options: Options,
    pub(super) life: u32,
    pub(super) sides: [Side; 2],
    handles: Vec<Arc<Object>>,
}

/// All pipes of a run.
pub(super) struct Ledger {
    pub(super) pipes: Vec<Pipe>,
    clients: usize,
}

impl Ledger {
    pub(super) fn new(clients: usize) -> Self {
        Ledger { pipes: Vec::new(), clients: clients + 1 }
    }

    pub(super) fn add(&mut self, options: Options, life: u32) -> usize {
        let name = format!("pipe {}", self.pipes.len());
        let handles = (0..self.clients).map(|_| handle_of(&name, &options)).collect();
        self.pipes.push(Pipe { name, options, life, sides: Default::default(), handles });
        self.pipes.len() - 1
    }

    /// A new process has no handles.
    pub(super) fn reset(&mut self, client: usize) {
        for pipe in &mut self.pipes {
            pipe.handles[client] = handle_of(&pipe.name, &pipe.options);
        }
    }
}

impl Pipe {
    pub(super) fn handle(&self, client: usize) -> Arc<Object> {
        self.handles[client].clone()
    }

    pub(super) fn side(&self, end: End) -> &Side {
        &self.sides[end as usize]
    }

    pub(super) fn side_mut(&mut self, end: End) -> &mut Side {
        &mut self.sides[end as usize]
    }

    /// What can be done at that end.
    pub(super) fn receives(&self, end: End) -> bool {
        self.options.duplex != Some(false) || end == End::A
    }

    pub(super) fn sends(&self, end: End) -> bool {
        self.options.duplex != Some(false) || end == End::B
    }

    /// The next message for that end: its number, and what it carries.
    pub(super) fn message(&mut self, to: End) -> (usize, Payload) {
        let messages = &mut self.side_mut(to).messages;
        messages.push(Message { sending: Sending::Asked, received: None });
        let number = messages.len() - 1;
        let bytes = Bytes::copy_from_slice(&((number as u64) << 1 | to as u64).to_be_bytes());
        (number, Payload::new(ContentType::Bytes, bytes))
    }

    /// A message has reached somebody at that end, who has accepted it.
    pub(super) fn receive(&mut self, moment: &Moment<'_>, end: End, payload: &Payload) {
        let (name, number) = (self.name.clone(), self.check(end, payload));
        let side = self.side_mut(end);
        let message = &mut side.messages[number];
        let session = moment.own().incarnation.expect("invariant: who is granted something has a session");
        if let Some((session, op)) = message.received.replace((session, moment.op)) {
            let is_its = moment.server.has_accept(session, op) || moment.server.lives(session);
            assert!(!is_its, "message {number} of {name} is received twice");
        }
        let in_order = side.muddled || side.last.is_none_or(|last| last < number);
        assert!(in_order, "message {number} of {name} comes after {:?}", side.last);
        side.last = Some(number);
    }

    /// Which message it is: one that may have been sent, to that end of this pipe.
    pub(super) fn check(&self, end: End, payload: &Payload) -> usize {
        let Body::Bytes(bytes) = &payload.body else { panic!("a message that crossed the network is bytes") };
        let number = u64::from_be_bytes(bytes[..].try_into().expect("a message has 8 bytes"));
        let (to, number) = (number & 1, (number >> 1) as usize);
        assert_eq!(to, end as u64, "message {number} of {} has gone the wrong way", self.name);
        let message = self.side(end).messages.get(number);
        let message = message.unwrap_or_else(|| panic!("message {number} of {} is invented", self.name));
        assert_ne!(message.sending, Sending::Never, "message {number} of {} was never sent", self.name);
        number
    }

    /// Whoever is told so has received everything that was sent to that end.
    pub(super) fn check_complete(&self, end: End, what: &str) {
        let is_missing = |message: &Message| message.sending == Sending::Sent && message.received.is_none();
        let missing = self.side(end).messages.iter().position(is_missing);
        assert!(missing.is_none(), "{what} of {}, and message {missing:?} is missing", self.name);
    }

    /// Nobody may be told that an end is closed that certainly is not.
    pub(super) fn check_closed(&self, end: End, server: &Server, what: &str) {
        let side = self.side(end);
        assert!(
            side.may_be_closed(server) || self.life != server.life(),
            "{what}: {} {end}: {side:?}",
            self.name
        );
    }
}

impl Message {
    pub(super) fn end(&mut self, number: usize, sending: Sending) {
        let was_sent = sending != Sending::Never || self.received.is_none();
        assert!(was_sent, "message {number} is said not to be sent, and was received");
        self.sending = sending;
    }
}

impl Owner {
    pub(super) fn new(moment: &Moment<'_>, session: Incarnation) -> Self {
        Owner { client: moment.client, process: moment.own().process, session }
    }

    /// It is the caller, and takes itself for that.
    pub(super) fn is(&self, moment: &Moment<'_>) -> bool {
        let own = moment.own();
        self.client == moment.client && self.process == own.process && own.incarnation == Some(self.session)
    }
}

impl Side {
    /// Nobody has ever had it, for certain.
    pub(super) fn is_fresh(&self) -> bool {
        self.owner.is_none() && !self.busy && !self.doubtful && !self.over
    }

    pub(super) fn may_be_closed(&self, server: &Server) -> bool {
        // Whoever is about to have it may have lost it before he knows.
        let left = self.owner.map_or(self.busy, |owner| !server.lives(owner.session));
        self.closing || self.doubtful || left
    }

    pub(super) fn must_be_closed(&self, server: &Server) -> bool {
        let left = self.closed || self.owner.is_some_and(|owner| !server.lives(owner.session));
        !self.doubtful && left
    }
}

fn handle_of(name: &str, options: &Options) -> Arc<Object> {
    handle(name, Declaration::Pipe(*options))
}
