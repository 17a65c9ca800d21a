//! The world: who is there, what is under way, and what happens next. One thread, virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use bridge_client::session::{Completions, Verdict};
use bridge_core::Time;
use bridge_core::ids::Op;
use prost::Message;
use syncbridge_proto::v1 as pb;

use crate::client::Client;
use crate::history::History;
use crate::network::Connection;
use crate::plan::Plan;
use crate::random::Random;
use crate::reach::Reach;
use crate::server::{Hands, Incarnation, Server};
use crate::workload::{self, Belief, Workload};

/// Something that is going to happen. Clients, tasks and connections are named by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Event {
    /// The next frame of a connection reaches the server, or the client.
    Up(u64),
    Down(u64),
    /// The server, or the client, finds that the connection is gone.
    ServerSees(u64),
    ClientSees(usize, u64),
    Dial(usize, u32),
    /// The session's deadline.
    Timer(usize),
    /// What the session has to send leaves.
    Flush(usize),
    /// A task goes on.
    Task(usize, u32, usize),
    /// A call is withdrawn, if it is still that one.
    Withdraw(usize, u32, usize, u64),
    /// The server looks at what is due.
    Tick,
    /// Something goes wrong.
    Cut,
    Pause,
    Resume(usize, u32),
    Kill,
    Restart,
    Die,
    ServerUp,
    Hold,
    LetGo,
}

/// Independent streams of randomness.
pub struct Streams {
    pub(crate) network: Random,
    pub(crate) cancel: Random,
    pub(crate) pause: Random,
    pub(crate) kill: Random,
    pub(crate) restart: Random,
    pub(crate) workload: Random,
    pub(crate) timing: Random,
}

/// All of it.
pub struct World {
    pub(crate) now: Time,
    pub(crate) plan: Plan,
    pub(crate) random: Streams,
    pub(crate) server: Server,
    pub(crate) clients: Vec<Client>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) workloads: Vec<Box<dyn Workload>>,
    pub(crate) reach: Reach,
    pub(crate) history: History,
    /// Nothing new is begun.
    pub(crate) closing: bool,
    /// Commands submitted.
    pub(crate) commands: u64,
    /// Grants that clients have accepted, each in the session that it took itself to be in.
    pub(crate) accepted: Vec<(usize, Option<Incarnation>, Op)>,
    clock: Arc<Hands>,
    events: BinaryHeap<Reverse<(Time, u64, Event)>>,
    next_event: u64,
    pub(crate) next_connection: u64,
    pub(crate) next_call: u64,
    tick_at: Option<Time>,
    frames: u64,
    /// At the same time.
    steps: u64,
}

/// So much does not happen in one microsecond.
const STEPS_MAX: u64 = 100_000;

/// Invariants of the whole engine are checked once in so many frames.
const CHECK_EVERY: u64 = 48;

impl World {
    /// The world of a seed, before anything has happened.
    pub fn new(seed: u64, trace: bool) -> Self {
        let plan = Plan::new(seed);
        let now = Time::from_micros(1_700_000_000_000_000);
        let clock = Arc::<Hands>::default();
        clock.set(now);
        let stream = |name| Random::new(seed, name);
        let clients = (0..plan.clients).map(|index| Client::new(index, 0, &plan)).collect::<Vec<_>>();
        let mut world = World {
            now,
            server: Server::new(clock.clone(), plan.journal, plan.sizes),
            workloads: workload::all(seed, &plan),
            plan,
            random: Streams {
                network: stream("network"),
                cancel: stream("cancel"),
                pause: stream("pause"),
                kill: stream("kill"),
                restart: stream("restart"),
                workload: stream("workload"),
                timing: stream("timing"),
            },
            clients,
            connections: BTreeMap::new(),
            reach: Reach::default(),
            history: History::new(now, trace),
            closing: false,
            commands: 0,
            accepted: Vec::new(),
            clock,
            events: BinaryHeap::new(),
            next_event: 0,
            next_connection: 1,
            next_call: 0,
            tick_at: None,
            frames: 0,
            steps: 0,
        };
        for client in 0..world.clients.len() {
            world.begin_client(client);
        }
        world.plan_faults();
        world
    }

    /// A process starts: it connects, and its tasks begin.
    pub(crate) fn begin_client(&mut self, client: usize) {
        self.dial(client, Duration::ZERO);
        for task in 0..self.clients[client].tasks.len() {
            self.schedule_task(client, task, self.plan.think);
        }
    }

    /// `event` happens after that long.
    pub(crate) fn after(&mut self, delay: Duration, event: Event) {
        self.at(self.now + delay, event);
    }

    /// `event` happens then.
    pub(crate) fn at(&mut self, at: Time, event: Event) {
        self.next_event += 1;
        self.events.push(Reverse((at.max(self.now), self.next_event, event)));
    }

    /// What the clients take themselves for.
    pub(crate) fn beliefs(&self) -> Vec<Belief> {
        self.clients.iter().map(|client| client.belief(self.now)).collect()
    }

    /// The next event happens. False: nothing will ever happen again.
    pub fn step(&mut self) -> bool {
        let Some(Reverse((at, _, event))) = self.events.pop() else { return false };
        self.steps = if at > self.now { 0 } else { self.steps + 1 };
        assert!(self.steps < STEPS_MAX, "time stands still");
        self.now = at;
        self.clock.set(at);
        self.happen(event);
        true
    }

    /// Everything up to then happens.
    pub fn run_until(&mut self, until: Time) {
        while self.events.peek().is_some_and(|Reverse((at, ..))| *at <= until) {
            self.step();
        }
        self.now = self.now.max(until);
        self.clock.set(self.now);
    }

    fn happen(&mut self, event: Event) {
        if let Some(client) = self.whose(event)
            && self.clients[client].paused
        {
            self.clients[client].deferred.push_back(event);
            return;
        }
        match event {
            Event::Up(connection) => self.arrive_up(connection),
            Event::Down(connection) => self.arrive_down(connection),
            Event::ServerSees(connection) => self.server_sees(connection),
            Event::ClientSees(client, connection) => self.client_sees(client, connection),
            Event::Dial(client, process) => self.on_dial(client, process),
            Event::Timer(client) => self.on_timer(client),
            Event::Flush(client) => {
                self.clients[client].flushing = false;
                self.pump(client);
            }
            Event::Task(client, process, task) => self.on_task(client, process, task),
            Event::Withdraw(client, process, task, call) => self.on_withdraw(client, process, task, call),
            Event::Tick if self.tick_at.is_some_and(|due| due <= self.now) => {
                self.tick_at = None;
                self.after_server();
            }
            // Another one, which is still to come, has taken its place.
            Event::Tick => {}
            Event::Cut => self.on_cut(),
            Event::Pause => self.on_pause(),
            Event::Resume(client, process) => self.on_resume(client, process),
            Event::Kill => self.on_kill(),
            Event::Restart => self.on_restart(),
            Event::Die => self.on_death(),
            Event::ServerUp => self.on_server_up(),
            Event::Hold => self.on_hold(),
            Event::LetGo => {
                self.server.let_go();
                self.after_server();
            }
        }
    }

    /// The client that cannot notice an event while it is stopped.
    fn whose(&self, event: Event) -> Option<usize> {
        match event {
            Event::Down(connection) => self.connections.get(&connection).map(|connection| connection.client),
            Event::ClientSees(client, _)
            | Event::Dial(client, _)
            | Event::Timer(client)
            | Event::Flush(client)
            | Event::Task(client, ..)
            | Event::Withdraw(client, ..) => Some(client),
            _ => None,
        }
    }

    fn arrive_up(&mut self, number: u64) {
        let Some(connection) = self.connections.get_mut(&number).filter(|one| !one.server_gone) else {
            return;
        };
        let Some(frame) = connection.up.pop_front() else { return };
        if connection.client_gone {
            self.reach.note("network: a frame arrives after its client has left the connection");
        }
        self.history.number(self.now.micros ^ number);
        self.history.bytes(&frame);
        let begun = self.server.receive(number, &frame).map(|begun| (number, begun));
        let welcomed = begun.as_ref().is_some_and(|(_, begun)| begun.welcome.is_some());
        if welcomed && !self.closing && self.plan.faults.cut.is_some() && self.random.network.chance(80) {
            self.reach.note("network: a welcome is lost");
            self.break_connection(number);
        }
        self.frames += 1;
        if self.frames.is_multiple_of(CHECK_EVERY) {
            self.check_invariants();
        }
        self.send_responses(begun);
        self.tick();
    }

    /// The engine's own invariants hold.
    pub(crate) fn check_invariants(&self) {
        if let Some(namespace) = self.server.namespace() {
            namespace.read(|engine, _| engine.check_invariants());
        }
    }

    /// After anything that concerned the server: what it has to say leaves, and it says when to come again.
    pub(crate) fn after_server(&mut self) {
        self.tick();
        self.send_responses(None);
    }

    fn tick(&mut self) {
        let Some(due) = self.server.tick() else { return };
        if self.tick_at.is_none_or(|at| due < at || at < self.now) {
            let late = self.random.timing.short(Duration::from_millis(2));
            self.tick_at = Some(due + late);
            self.at(due + late, Event::Tick);
        }
    }

    fn send_responses(&mut self, begun: Option<(u64, pb::AttachResponse)>) {
        for (number, response) in self.server.responses(begun) {
            let farewell = response.farewell.is_some();
            self.send_down(number, response.encode_to_vec());
            if farewell {
                let late = self.random.network.short(Duration::from_millis(100));
                self.after(late, Event::ServerSees(number));
            }
        }
    }

    pub(crate) fn arrive_down(&mut self, number: u64) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let Some(frame) = connection.down.pop_front() else { return };
        let (client, incarnation) = (connection.client, connection.incarnation);
        if connection.client_gone || self.clients[client].connection != Some(number) {
            return;
        }
        self.history.number(self.now.micros ^ number << 1);
        self.history.bytes(&frame);
        let frame = pb::AttachResponse::decode(&*frame).expect("the server's frames are readable");
        self.note_recalls(client, &frame);
        if frame.piece.as_ref().is_some_and(|piece| piece.offset > 0) {
            self.reach.note("pieces: of an answer");
        }
        let mine = &mut self.clients[client];
        if let Some(welcome) = &frame.welcome {
            mine.incarnation = incarnation;
            let resumed = welcome.resumed;
            self.history.line(self.now, format_args!("client {client} is welcomed, resumed: {resumed}"));
            self.reach.note(if resumed { "session: resumed" } else { "session: new" });
        }
        let clock = mine.clock(self.now);
        let mut completions = Completions::default();
        let verdict = mine.session.on_frame(clock, frame, &mut completions);
        completions.deliver();
        self.obey(client, verdict);
        self.wake(client);
        self.flush(client);
    }

    fn on_timer(&mut self, client: usize) {
        let mine = &mut self.clients[client];
        if mine.timer.is_none_or(|timer| timer > self.now) {
            // Another one, which is still to come, has taken its place.
            return;
        }
        mine.timer = None;
        let clock = mine.clock(self.now);
        let mut completions = Completions::default();
        let verdict = mine.session.on_time(clock, &mut completions);
        completions.deliver();
        self.obey(client, verdict);
        self.wake(client);
        self.pump(client);
    }

    fn obey(&mut self, client: usize, verdict: Verdict) {
        match verdict {
            Verdict::Continue => {}
            Verdict::Reconnect(error) => {
                self.history.line(self.now, format_args!("client {client} reconnects: {error}"));
                self.leave_connection(client);
            }
            Verdict::Fatal(error) => panic!("client {client} was told to give up: {error}"),
        }
    }

    /// What the session has to send leaves, and its next deadline is noted.
    pub(crate) fn pump(&mut self, client: usize) {
        let mine = &mut self.clients[client];
        let clock = mine.clock(self.now);
        if let Some(connection) = mine.connection {
            while let Some(frame) = self.clients[client].session.next_frame(clock) {
                self.send_up(connection, frame.encode_to_vec());
                if frame.piece.is_some_and(|piece| piece.offset + (piece.data.len() as u64) < piece.total) {
                    self.reach.note("pieces: of a command");
                    // The next one leaves a little later; whatever happens before.
                    let late = self.random.network.short(Duration::from_millis(2));
                    self.after(late, Event::Flush(client));
                    break;
                }
            }
        }
        let mine = &mut self.clients[client];
        if let Some(due) = mine.session.next_deadline() {
            let at = mine.world_time(self.now, due);
            if mine.timer.is_none_or(|timer| at < timer || timer < self.now) {
                mine.timer = Some(at);
                self.at(at, Event::Timer(client));
            }
        }
    }

    /// The session has something to send: it leaves soon, together with what comes meanwhile.
    pub(crate) fn flush(&mut self, client: usize) {
        if !std::mem::replace(&mut self.clients[client].flushing, true) {
            let delay = self.random.timing.short(Duration::from_micros(400));
            self.after(delay, Event::Flush(client));
        }
    }
}
