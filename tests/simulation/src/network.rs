//! The network: connections that keep the order of bytes and nothing else. They are slow, they break, they go silent,
//! and one side learns of it long before the other.

use std::collections::VecDeque;
use std::time::Duration;

use bridge_core::Time;

use crate::server::Incarnation;
use crate::world::{Event, World};

/// A connection between a client and the server.
#[derive(Debug, Default)]
pub struct Connection {
    /// Whose.
    pub client: usize,
    /// Frames on their way to the server.
    pub up: VecDeque<Vec<u8>>,
    /// Frames on their way to the client.
    pub down: VecDeque<Vec<u8>>,
    /// When the last of them arrives.
    up_at: Time,
    down_at: Time,
    /// Nothing that is sent arrives any more, and nobody is told.
    silent: bool,
    /// The client has left it, or has found it broken.
    pub client_gone: bool,
    /// The server has found it broken.
    pub server_gone: bool,
    /// Which session it carries, as the server's welcome said.
    pub incarnation: Option<Incarnation>,
}

impl World {
    /// A client connects, after a while.
    pub(crate) fn dial(&mut self, client: usize, delay: Duration) {
        let mine = &mut self.clients[client];
        if !std::mem::replace(&mut mine.dialling, true) {
            let process = mine.process;
            self.after(delay, Event::Dial(client, process));
        }
    }

    pub(crate) fn on_dial(&mut self, client: usize, process: u32) {
        if self.clients[client].process != process {
            return;
        }
        self.clients[client].dialling = false;
        if !self.server.is_up() {
            let delay = Duration::from_millis(self.random.network.between(20, 300));
            return self.dial(client, delay);
        }
        let number = self.next_connection;
        self.next_connection += 1;
        self.connections.insert(number, Connection { client, ..Connection::default() });
        let mine = &mut self.clients[client];
        mine.connection = Some(number);
        let clock = mine.clock(self.now);
        mine.session.on_connected(clock);
        self.history.line(self.now, format_args!("client {client} connects: {number}"));
        self.pump(client);
    }

    fn latency(&mut self) -> Duration {
        Duration::from_micros(20) + self.random.network.short(self.plan.latency)
    }

    pub(crate) fn send_up(&mut self, number: u64, frame: Vec<u8>) {
        let at = self.now + self.latency();
        let Some(connection) = self.connections.get_mut(&number).filter(|one| !one.silent) else { return };
        connection.up_at = connection.up_at.max(at);
        connection.up.push_back(frame);
        let at = connection.up_at;
        self.at(at, Event::Up(number));
    }

    pub(crate) fn send_down(&mut self, number: u64, frame: Vec<u8>) {
        let at = self.now + self.latency();
        let incarnation = self.server.incarnation(number);
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.incarnation = incarnation.or(connection.incarnation);
        if connection.silent || connection.client_gone {
            return;
        }
        connection.down_at = connection.down_at.max(at);
        connection.down.push_back(frame);
        let at = connection.down_at;
        self.at(at, Event::Down(number));
    }

    /// The client gives its connection up; the server learns of it, sooner or later.
    pub(crate) fn leave_connection(&mut self, client: usize) {
        let Some(number) = self.clients[client].connection else { return };
        let late = self.random.network.short(self.plan.ttl * 2);
        // Its end comes after what was sent before.
        let sent = self.connections.get(&number).map_or(self.now, |connection| connection.up_at);
        self.at(sent.max(self.now + late), Event::ServerSees(number));
        self.client_sees(client, number);
    }

    pub(crate) fn client_sees(&mut self, client: usize, number: u64) {
        let mine = &mut self.clients[client];
        if mine.connection != Some(number) {
            return;
        }
        mine.connection = None;
        let clock = mine.clock(self.now);
        mine.session.on_lost(clock);
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.client_gone = true;
            connection.down.clear();
        }
        self.history.line(self.now, format_args!("client {client} has lost its connection {number}"));
        let delay = self.random.network.short(self.plan.redial);
        self.dial(client, delay);
        self.flush(client);
    }

    pub(crate) fn server_sees(&mut self, number: u64) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if std::mem::replace(&mut connection.server_gone, true) {
            return;
        }
        connection.up.clear();
        let client = connection.client;
        self.server.disconnect(number);
        let late = self.latency();
        self.after(late, Event::ClientSees(client, number));
        self.after_server();
    }

    /// Whether what is sent on a connection arrives.
    pub(crate) fn is_carried(&self, number: u64) -> bool {
        let connection = self.connections.get(&number);
        connection.is_some_and(|one| !one.silent && !one.client_gone && !one.server_gone)
    }

    /// What its client sends arrives much later, perhaps when the client has left the connection and said it again on another.
    pub(crate) fn stall_connection(&mut self, number: u64) {
        let long = Duration::from_micros(self.random.network.below(self.plan.ttl.as_micros() as u64));
        let Some(connection) = self.connections.get_mut(&number) else { return };
        self.reach.note("network: a connection is slow for a while");
        self.history.line(self.now, format_args!("connection {number} is slow for {long:?}"));
        connection.up_at = connection.up_at.max(self.now + long);
        let client = connection.client;
        if self.random.network.chance(500) {
            let early = self.random.network.short(long / 2);
            self.after(early, Event::ClientSees(client, number));
            self.after(long + early, Event::ServerSees(number));
        }
    }

    /// A connection breaks: of what is under way some arrives and some does not, and the two sides learn of it at
    /// different times.
    pub(crate) fn break_connection(&mut self, number: u64) {
        let random = &mut self.random.network;
        let (lose_up, lose_down) = (random.chance(500), random.chance(500));
        let (server_late, client_late) = (random.short(self.plan.ttl * 2), random.short(self.plan.ttl / 2));
        let silent = random.chance(400);
        let Some(connection) = self.connections.get_mut(&number) else { return };
        self.history.line(self.now, format_args!("connection {number} breaks"));
        let client = connection.client;
        connection.silent = true;
        if lose_up {
            connection.up.clear();
        }
        if lose_down {
            connection.down.clear();
        }
        self.after(server_late, Event::ServerSees(number));
        if silent {
            self.reach.note("network: a connection goes silent");
        } else {
            self.reach.note("network: a connection breaks");
            self.after(client_late, Event::ClientSees(client, number));
        }
    }
}
