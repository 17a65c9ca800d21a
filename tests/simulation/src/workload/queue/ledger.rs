//! What is known of each queue and of each item: who put it, who had it, and what became of it.

use std::sync::Arc;

use bridge_client::session::{Declaration, Object, Origin};
use bridge_core::Payload;
use bridge_core::command::queue::{Delivery, Discipline, Figures, Mode, Options};
use bridge_core::ids::{ItemId, Name, Op, Token};
use bridge_core::payload::{Body, ContentType};
use bytes::Bytes;

use crate::server::{Incarnation, Server};
use crate::workload::Moment;

/// How the put of an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It has not.
    Asked,
    /// The server has it.
    Admitted(ItemId),
    /// It has not, and never will.
    Never,
    /// Nobody knows.
    Perhaps,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Leased, and not given back.
    Held,
    /// Gotten: it is its consumer's.
    Gotten,
    /// Its ack is under way, or nobody knows how it ended.
    AckAsked,
    /// Its ack was answered.
    Acked,
    /// Nacked or rejected, or about to be.
    GivenBack,
    /// It went back without a word of its consumer.
    Lost,
}

/// An item in the hands of a consumer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub(super) client: usize,
    process: u32,
    pub(super) session: Incarnation,
    op: Op,
    pub(super) token: Token,
    pub(super) fate: Fate,
}

/// An item from its put to its end.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) queue: usize,
    life: u32,
    pub(super) put: Put,
    pub(super) holds: Vec<Hold>,
    /// Nobody knows whether it was removed, or acked.
    pub(super) perhaps_gone: bool,
    /// It left by a remove.
    pub(super) gone: bool,
    dead: bool,
}

/// A queue.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) options: Options,
    /// Items are counted until they are done.
    pub(super) joined: bool,
    pub(super) shut: bool,
    /// May be shut down and purged.
    pub(super) closing: bool,
    pub(super) takers: u64,
    pub(super) putters: u64,
    pub(super) joiners: u64,
    handles: Vec<Arc<Object>>,
    pub(super) swept: bool,
    pub(super) browsed: bool,
    pub(super) figures: Option<Figures>,
    /// It was purged, or shut down at once: what is READY goes.
    pub(super) drops: bool,
    /// Since it was shut down or lost its state nobody counts exactly.
    pub(super) doubtful: bool,
    /// Taken at the end, and not done.
    pub(super) left_over: u64,
}

/// All queues of a run, and all their items.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) queues: Vec<Shared>,
    pub(super) items: Vec<Item>,
    clients: usize,
}

impl Ledger {
    pub(super) fn new(clients: usize) -> Self {
        Ledger { clients: clients + 1, ..Ledger::default() }
    }

    pub(super) fn add(&mut self, name: String, options: Options, joined: bool, closing: bool) -> usize {
        let handles = (0..self.clients).map(|_| handle(&name, &options)).collect();
        self.queues.push(Shared {
            name,
            options,
            joined,
            shut: false,
            closing,
            takers: 0,
            putters: 0,
            joiners: 0,
            handles,
            swept: false,
            browsed: false,
            figures: None,
            drops: false,
            doubtful: false,
            left_over: 0,
        });
        self.queues.len() - 1
    }

    pub(super) fn handle(&self, queue: usize, client: usize) -> Arc<Object> {
        self.queues[queue].handles[client].clone()
    }

    /// A new process has no handles.
    pub(super) fn reset(&mut self, client: usize) {
        for queue in &mut self.queues {
            queue.handles[client] = handle(&queue.name, &queue.options);
        }
    }

    /// A new item.
    pub(super) fn item(&mut self, queue: usize, life: u32) -> (usize, Payload) {
        let put = Put::Asked;
        self.items.push(Item {
            queue,
            life,
            put,
            holds: Vec::new(),
            perhaps_gone: false,
            gone: false,
            dead: false,
        });
        let number = self.items.len() - 1;
        let bytes = Bytes::copy_from_slice(&(number as u64).to_be_bytes());
        (number, Payload::new(ContentType::Bytes, bytes))
    }

    /// An item has reached a consumer, who has accepted it. Answers with which one.
    pub(super) fn accept(
        &mut self,
        moment: &mut Moment<'_>,
        queue: usize,
        mode: Mode,
        delivery: &Delivery,
    ) -> usize {
        let number = number(&delivery.payload);
        let (name, token) = (self.queues[queue].name.clone(), delivery.token);
        let what = format!("item {number} from {name} under {token:?}");
        self.check_place(queue, number, &what);
        let item = &mut self.items[number];
        assert_ne!(item.put, Put::Never, "{what} was never put");
        assert!(!item.gone, "{what} was removed");
        assert!(delivery.attempt >= 1, "{what}: attempt 0");
        for hold in &mut item.holds {
            assert!(token > hold.token, "{what} comes after {hold:?}");
            let lives = moment.server.lives(hold.session);
            match hold.fate {
                Fate::Acked => panic!("{what} comes again after its ack: {hold:?}"),
                Fate::Gotten => {
                    let accepted = moment.server.has_accept(hold.session, hold.op);
                    assert!(!accepted && !lives, "{what} is gotten twice: {hold:?}, accepted: {accepted}");
                    moment.reach.note("queue: an item comes again, as its acceptance was lost");
                    hold.fate = Fate::Lost;
                }
                Fate::Held | Fate::AckAsked => {
                    let believes = moment.believes(hold.client, hold.session, hold.process);
                    assert!(
                        !lives && !believes,
                        "{what} is leased twice: {hold:?}, lives: {lives}, believes: {believes}"
                    );
                    moment.reach.note("queue: an item comes again after its consumer was lost");
                    hold.fate = Fate::Lost;
                }
                Fate::GivenBack => moment.reach.note("queue: an item comes again after it was given back"),
                Fate::Lost => {}
            }
        }
        let me = moment.own();
        item.holds.push(Hold {
            client: moment.client,
            process: me.process,
            session: me.incarnation.expect("invariant: who is granted something has a session"),
            op: moment.op,
            token,
            fate: if mode == Mode::Get { Fate::Gotten } else { Fate::Held },
        });
        number
    }

    /// It comes from the queue it was put to, or from that one's dead letters.
    fn check_place(&self, queue: usize, number: usize, what: &str) {
        let item = self.items.get(number).unwrap_or_else(|| panic!("{what} is invented"));
        let home = &self.queues[item.queue];
        let named = home.options.dead_letters.as_ref().map(|name| name.to_string());
        let letter = named.as_deref() == Some(self.queues[queue].name.as_str());
        assert!(item.queue == queue || letter, "{what} was put to {}", home.name);
    }

    /// How the delivery of that token goes on.
    pub(super) fn fate(&mut self, number: usize, token: Token, fate: Fate) {
        let hold = self.items[number].holds.iter_mut().find(|hold| hold.token == token);
        hold.expect("invariant: it was delivered").fate = fate;
    }

    /// The session under which a delivery was made.
    pub(super) fn session(&self, number: usize, token: Token) -> Incarnation {
        let hold = self.items[number].holds.iter().find(|hold| hold.token == token);
        hold.expect("invariant: it was delivered").session
    }

    /// An item is found among the dead.
    pub(super) fn found_dead(&mut self, queue: usize, payload: &Payload) {
        let number = number(payload);
        let what = format!("item {number}, dead in {}", self.queues[queue].name);
        self.check_place(queue, number, &what);
        let item = &mut self.items[number];
        assert_ne!(item.put, Put::Never, "{what} was never put");
        assert!(!item.holds.iter().any(|hold| hold.fate == Fate::Acked), "{what} was acked: {item:?}");
        item.dead = true;
    }

    /// Some item that the client knows to be in that queue.
    pub(super) fn some_admitted(&self, queue: usize, moment: &mut Moment<'_>) -> Option<(usize, ItemId)> {
        let ids = self.items.iter().enumerate().rev().take(30);
        let mut ids: Vec<_> = ids
            .filter_map(|(number, item)| match item.put {
                Put::Admitted(id) if item.queue == queue => Some((number, id)),
                _ => None,
            })
            .collect();
        (!ids.is_empty()).then(|| ids.swap_remove(moment.random.index(ids.len())))
    }

    /// A lease of somebody else on something in that queue.
    pub(super) fn lease_of_another(&self, queue: usize, client: usize) -> Option<(Token, Incarnation)> {
        let items = self.items.iter().rev().take(60).filter(|item| item.queue == queue);
        let mut holds = items.filter_map(|item| item.holds.last());
        let hold = holds.find(|hold| hold.fate == Fate::Held && hold.client != client)?;
        Some((hold.token, hold.session))
    }

    pub(super) fn life_over(&mut self) {
        self.queues.iter_mut().for_each(|queue| {
            queue.doubtful = true;
            // Declared anew by whoever uses it next.
            queue.shut = false;
        });
    }

    /// Every admitted item is consumed, or was found at the end; and nothing else was.
    pub(super) fn balance(&self, server: &Server) {
        for (number, item) in self.items.iter().enumerate() {
            assert!(item.put != Put::Asked, "the put of item {number} hangs");
            if item.life != server.life() || !matches!(item.put, Put::Admitted(_)) {
                continue;
            }
            let consumed = |hold: &Hold| match hold.fate {
                Fate::Gotten => server.has_accept(hold.session, hold.op),
                Fate::Acked => true,
                _ => false,
            };
            let consumed = item.holds.iter().any(consumed);
            let kept = |hold: &Hold| hold.fate == Fate::Held && server.lives(hold.session);
            let in_doubt = |hold: &Hold| matches!(hold.fate, Fate::AckAsked | Fate::GivenBack) || kept(hold);
            let perhaps =
                item.perhaps_gone || self.queues[item.queue].drops || item.holds.last().is_some_and(in_doubt);
            assert!(
                consumed || item.dead || item.gone || perhaps,
                "item {number} of {} is lost: {item:?}",
                self.queues[item.queue].name
            );
            assert!(!(consumed && item.dead), "item {number} was consumed and is dead: {item:?}");
        }
        for queue in self.queues.iter().filter(|queue| queue.joined && !queue.doubtful) {
            let figures = queue.figures.as_ref().expect("invariant: it was looked at");
            assert_eq!(figures.unfinished, queue.left_over, "{}: {figures:?}", queue.name);
        }
    }
}

fn handle(name: &str, options: &Options) -> Arc<Object> {
    let name = Name::parse("name", name).expect("invariant: a valid name");
    Arc::new(Object::new(name, Declaration::Queue(options.clone()), Origin::Named))
}

/// Which item it is.
pub(crate) fn number(payload: &Payload) -> usize {
    match &payload.body {
        Body::Bytes(bytes) => u64::from_be_bytes(bytes[..].try_into().expect("an item has 8 bytes")) as usize,
        Body::Local(_) => panic!("an item that crossed the network is bytes"),
    }
}

/// The deliveries of one take are in the queue's order, as far as their keys tell.
pub(super) fn check_batch(discipline: Discipline, deliveries: &[Delivery]) {
    if discipline == Discipline::Priority {
        let sorted = deliveries.is_sorted_by(|a, b| a.key <= b.key);
        assert!(sorted, "a batch is not in the order of its keys");
    }
    assert!(deliveries.is_sorted_by(|a, b| a.token < b.token), "tokens of a batch do not grow");
}
