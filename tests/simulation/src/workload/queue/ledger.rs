//! What is known of each queue and of each item: who put it, who had it, and what became of it.

use std::sync::Arc;
use std::time::Duration;

use bridge_client::session::{Declaration, Object, Origin};
use bridge_core::command::queue::{Delivery, Discipline, Figures, Mode, Options};
use bridge_core::ids::{ItemId, Name, Op, Target, Token};
use bridge_core::payload::{Body, ContentType};
use bridge_core::{Payload, Time};
use bytes::Bytes;

use super::topics;
use super::transaction::InDoubt;
use crate::plan::Plan;
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
    /// Nacked or rejected, or about to be: it is somewhere still.
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
    pub(super) mode: Mode,
    pub(super) fate: Fate,
}

impl Hold {
    /// Its session is there, or its client takes it to be.
    fn may_live(&self, moment: &Moment<'_>) -> bool {
        moment.server.lives(self.session) || moment.believes(self.client, self.session, self.process)
    }

    /// The server has its acceptance.
    pub(super) fn has_arrived(&self, server: &Server) -> bool {
        server.has_accept(self.session, self.op)
    }
}

/// An item from its put to its end.
#[derive(Debug)]
pub(super) struct Item {
    /// Where it was put.
    pub(super) queue: usize,
    pub(super) life: u32,
    pub(super) put: Put,
    /// Once it was answered, or seen.
    pub(super) id: Option<ItemId>,
    /// Somebody was offered it, and did not take it.
    offered: bool,
    pub(super) group: Option<u64>,
    /// So many items from here on, each of a queue of its own, carry this one's number.
    pub(super) copies: usize,
    /// It may be somewhere else than at the place of its put.
    pub(super) displaced: bool,
    /// It was given back with a delay, the last time.
    pub(super) delayed: bool,
    pub(super) holds: Vec<Hold>,
    /// Nobody knows whether it was removed, or acked.
    pub(super) perhaps_gone: bool,
    /// It left by a remove.
    pub(super) gone: bool,
    pub(super) dead: bool,
}

/// A queue.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) options: Options,
    /// How many groups its items are of; 0: none.
    pub(super) groups: u64,
    /// Items are counted until they are done.
    pub(super) joined: bool,
    pub(super) shut: bool,
    /// May be shut down and purged.
    pub(super) closing: bool,
    /// All of them, and those who wait for whatever comes.
    pub(super) takers: u64,
    pub(super) content: u64,
    /// Since when somebody waits for what is there.
    pub(super) starving: Option<Time>,
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

impl Item {
    /// Somebody had it, or it was found at the end: it was put.
    pub(super) fn is_found(&self) -> bool {
        !self.holds.is_empty() || self.dead || self.gone
    }

    /// It came again after that delivery: it was not consumed by it.
    pub(super) fn came_after(&self, token: Token) -> bool {
        self.dead || self.holds.iter().any(|hold| hold.token > token)
    }
}

/// All queues of a run, and all their items.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) queues: Vec<Shared>,
    pub(super) items: Vec<Item>,
    /// Items go from one queue to another; where each is, the journal says.
    pub(super) roams: bool,
    /// What is published goes to its queues: the clients' handles, if there is one.
    pub(super) topic: Vec<Arc<Object>>,
    /// The sessions' time to live.
    pub(super) ttl: Duration,
    /// Transactions whose outcomes are unknown.
    pub(super) in_doubt: Vec<InDoubt>,
    pub(super) clients: usize,
}

impl Ledger {
    pub(super) fn new(plan: &Plan) -> Self {
        Ledger { clients: plan.clients + 1, ttl: plan.ttl, ..Ledger::default() }
    }

    /// A queue of that name; answers with its number.
    pub(super) fn add(&mut self, name: &str, options: Options) -> usize {
        let handles = (0..self.clients).map(|_| handle(name, &options)).collect();
        self.queues.push(Shared {
            name: name.into(),
            options,
            groups: 0,
            joined: false,
            shut: false,
            closing: false,
            takers: 0,
            content: 0,
            starving: None,
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

    /// How a command that is about another queue names this one.
    pub(super) fn target(&self, queue: usize) -> Target {
        Target::Name(Name::parse("name", &self.queues[queue].name).expect("invariant: a valid name"))
    }

    pub(super) fn handle(&self, queue: usize, client: usize) -> Arc<Object> {
        self.queues[queue].handles[client].clone()
    }

    /// A new process has no handles.
    pub(super) fn reset(&mut self, client: usize) {
        for queue in &mut self.queues {
            queue.handles[client] = handle(&queue.name, &queue.options);
        }
        if let Some(topic) = self.topic.get_mut(client) {
            *topic = topics::handle();
        }
    }

    /// A new item.
    pub(super) fn item(&mut self, queue: usize, life: u32) -> (usize, Payload) {
        self.items.push(Item {
            queue,
            life,
            put: Put::Asked,
            id: None,
            offered: false,
            group: None,
            copies: 1,
            displaced: false,
            delayed: false,
            holds: Vec::new(),
            perhaps_gone: false,
            gone: false,
            dead: false,
        });
        let number = self.items.len() - 1;
        (number, payload(number))
    }

    /// Its put has ended.
    pub(super) fn put_ended(&mut self, number: usize, put: Put) {
        let item = &mut self.items[number];
        let was_seen = item.offered || !item.holds.is_empty();
        assert!(
            put != Put::Never || !was_seen,
            "item {number} is said not to be put, and was seen: {item:?}"
        );
        item.put = put;
        if let Put::Admitted(id) = put {
            item.learn(number, id);
        }
    }

    /// Which item a queue has handed out.
    pub(super) fn which(&self, queue: usize, payload: &Payload) -> usize {
        let number = number(payload);
        let copies = self.items.get(number).map_or(0, |item| item.copies);
        (number..number + copies).find(|copy| self.items[*copy].queue == queue).unwrap_or(number)
    }

    /// An item was offered, and its consumer did not take it.
    pub(super) fn refuse(&mut self, queue: usize, delivery: &Delivery) {
        let number = self.which(queue, &delivery.payload);
        let item = self.items.get_mut(number).unwrap_or_else(|| panic!("item {number} is invented"));
        assert_ne!(item.put, Put::Never, "item {number} was never put");
        item.learn(number, delivery.id);
        item.offered = true;
    }

    /// An item has reached a consumer, who has accepted it. Answers with which one.
    pub(super) fn accept(
        &mut self,
        moment: &mut Moment<'_>,
        queue: usize,
        mode: Mode,
        delivery: &Delivery,
    ) -> usize {
        let number = self.which(queue, &delivery.payload);
        let (name, token) = (self.queues[queue].name.clone(), delivery.token);
        let what = format!("item {number} from {name} under {token:?}");
        self.check_place(queue, number, &what);
        let me = moment.own();
        let session = me.incarnation.expect("invariant: who is granted something has a session");
        self.items[number].learn(number, delivery.id);
        // Its put may have been asked for in the life before, and have left in this one.
        self.items[number].life = session.life;
        if self.items[number].queue != queue && !self.roams {
            moment.reach.note("queue: a dead letter is taken");
        }
        self.check_group(moment, queue, number, &what);
        self.check_attempt(moment.server, queue, number, delivery.attempt);
        let item = &mut self.items[number];
        assert_ne!(item.put, Put::Never, "{what} was never put");
        assert!(!item.gone, "{what} was removed");
        for hold in &mut item.holds {
            assert!(token > hold.token, "{what} comes after {hold:?}");
            let lives = moment.server.lives(hold.session);
            match hold.fate {
                Fate::Acked => panic!("{what} comes again after its ack: {hold:?}"),
                Fate::Gotten => {
                    let accepted = hold.has_arrived(moment.server);
                    assert!(!accepted && !lives, "{what} is gotten twice: {hold:?}, accepted: {accepted}");
                    moment.reach.note("queue: an item comes again, as its acceptance was lost");
                    hold.fate = Fate::Lost;
                }
                Fate::Held | Fate::AckAsked => {
                    assert!(!hold.may_live(moment), "{what} is leased twice: {hold:?}, lives: {lives}");
                    moment.reach.note("queue: an item comes again after its consumer was lost");
                    hold.fate = Fate::Lost;
                }
                Fate::GivenBack => moment.reach.note("queue: an item comes again after it was given back"),
                Fate::Lost => {}
            }
        }
        item.holds.push(Hold {
            client: moment.client,
            process: me.process,
            session,
            op: moment.op,
            token,
            mode,
            fate: if mode == Mode::Get { Fate::Gotten } else { Fate::Held },
        });
        number
    }

    /// It comes from the queue it was put to, or from that one's dead letters.
    pub(super) fn check_place(&self, queue: usize, number: usize, what: &str) {
        let item = self.items.get(number).unwrap_or_else(|| panic!("{what} is invented"));
        let home = &self.queues[item.queue];
        let named = home.options.dead_letters.as_ref().map(|name| name.to_string());
        let letter = named.as_deref() == Some(self.queues[queue].name.as_str());
        assert!(item.queue == queue || letter || self.roams, "{what} was put to {}", home.name);
    }

    /// An attempt is an accepted delivery that has ended without an ack: no offer that went back counts.
    fn check_attempt(&self, server: &Server, queue: usize, number: usize, attempt: u32) {
        let (item, max) = (&self.items[number], self.queues[queue].options.max_deliveries.unwrap_or(0));
        assert!(
            attempt >= 1 && (max == 0 || attempt <= max),
            "item {number} is tried {attempt} of {max} times"
        );
        if item.queue != queue || self.roams {
            return;
        }
        let leases = item.holds.iter().filter(|hold| hold.mode == Mode::Lease);
        let (most, least) =
            (leases.clone().count() as u32, leases.filter(|hold| hold.has_arrived(server)).count());
        let possible = least as u32 + 1..=most + 1;
        assert!(possible.contains(&attempt), "item {number} is tried {attempt} times: {item:?}");
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

    /// Nobody who wants whatever comes waits for long for what is there.
    pub(super) fn check_starving(&mut self, server: &Server, now: Time, at_most: Duration) {
        for (index, queue) in self.queues.iter_mut().enumerate() {
            let waits = queue.content > 0 && !queue.shut && !queue.drops && !self.roams;
            let is_there = |item: &Item| item.queue == index && item.is_untouched(server.life());
            let found = if waits { self.items.iter().rposition(is_there) } else { None };
            queue.starving = found.map(|_| queue.starving.unwrap_or(now));
            let since = queue.starving.unwrap_or(now);
            assert!(
                now.since(since) < at_most,
                "{}: somebody waits, and item {found:?} is there",
                queue.name
            );
        }
    }

    /// Every admitted item is consumed, or was found at the end; and nothing else was.
    pub(super) fn balance(&self, server: &Server) {
        for (number, item) in self.items.iter().enumerate() {
            assert!(item.put != Put::Asked, "the put of item {number} hangs");
            if item.life != server.life() || !matches!(item.put, Put::Admitted(_)) {
                continue;
            }
            let consumed = |hold: &Hold| match hold.fate {
                Fate::Gotten => hold.has_arrived(server),
                Fate::Acked => true,
                _ => false,
            };
            let consumed = item.holds.iter().any(consumed);
            let kept = |hold: &Hold| hold.fate == Fate::Held && server.lives(hold.session);
            let in_doubt = |hold: &Hold| hold.fate == Fate::AckAsked || kept(hold);
            let perhaps =
                item.perhaps_gone || self.queues[item.queue].drops || item.holds.last().is_some_and(in_doubt);
            assert!(
                consumed || item.dead || item.gone || perhaps,
                "item {number} of {} is lost: {item:?}",
                self.queues[item.queue].name
            );
            assert!(!(consumed && item.dead), "item {number} was consumed and is dead: {item:?}");
        }
        self.in_doubt.iter().for_each(|transaction| transaction.check(&self.items, server));
        for queue in self.queues.iter().filter(|queue| queue.joined && !queue.doubtful) {
            let figures = queue.figures.as_ref().expect("invariant: it was looked at");
            assert_eq!(figures.unfinished, queue.left_over, "{}: {figures:?}", queue.name);
        }
    }
}

impl Item {
    /// An item has one id for all its life: another one is that of a second put.
    fn learn(&mut self, number: usize, id: ItemId) {
        let known = *self.id.get_or_insert(id);
        assert_eq!(known, id, "item {number} was put twice");
    }

    /// It is there, and nobody ever had it.
    fn is_untouched(&self, life: u32) -> bool {
        let waits = self.holds.is_empty() && !self.dead && !self.gone && !self.perhaps_gone;
        self.life == life && waits && matches!(self.put, Put::Admitted(_))
    }
}

fn handle(name: &str, options: &Options) -> Arc<Object> {
    let name = Name::parse("name", name).expect("invariant: a valid name");
    Arc::new(Object::new(name, Declaration::Queue(options.clone()), Origin::Named))
}

/// What the item of that number carries.
pub(super) fn payload(number: usize) -> Payload {
    Payload::new(ContentType::Bytes, Bytes::copy_from_slice(&(number as u64).to_be_bytes()))
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
