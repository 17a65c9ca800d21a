//! What goes wrong, each kind by its own stream of randomness.

use std::time::Duration;

use crate::client::Client;
use crate::world::{Event, World};

impl World {
    /// The first of each kind.
    pub(crate) fn plan_faults(&mut self) {
        for event in [Event::Cut, Event::Pause, Event::Kill, Event::Restart, Event::Hold] {
            self.again(event);
        }
    }

    /// The next one of that kind.
    fn again(&mut self, event: Event) {
        if self.closing {
            return;
        }
        let faults = &self.plan.faults;
        let (every, random) = match event {
            Event::Cut => (faults.cut, &mut self.random.network),
            Event::Pause => (faults.pause, &mut self.random.pause),
            Event::Kill => (faults.kill, &mut self.random.kill),
            Event::Restart => (faults.restart, &mut self.random.restart),
            _ => (faults.hold.filter(|_| self.plan.journal), &mut self.random.restart),
        };
        if let Some(every) = every {
            let delay = Duration::from_micros(random.below(every.as_micros() as u64 * 2));
            self.after(delay, event);
        }
    }

    pub(crate) fn on_cut(&mut self) {
        if self.closing {
            return;
        }
        let alive: Vec<u64> = self.clients.iter().filter_map(|client| client.connection).collect();
        if !alive.is_empty() {
            let number = alive[self.random.network.index(alive.len())];
            match self.random.network.chance(250) {
                true => self.stall_connection(number),
                false => self.break_connection(number),
            }
        }
        self.again(Event::Cut);
    }

    pub(crate) fn on_pause(&mut self) {
        if self.closing {
            return;
        }
        let client = self.random.pause.index(self.clients.len());
        let ttl = self.plan.ttl;
        let long = match self.random.pause.below(4) {
            0 => self.random.pause.short(ttl / 2),
            1 => ttl - ttl / 8 + self.random.pause.short(ttl / 4),
            _ => Duration::from_micros(self.random.pause.below(ttl.as_micros() as u64 * 3)),
        };
        let mine = &mut self.clients[client];
        if !std::mem::replace(&mut mine.paused, true) {
            self.reach.note(match long > ttl {
                true => "pause: a client is stopped for longer than its TTL",
                false => "pause: a client is stopped for less than its TTL",
            });
            self.history.line(self.now, format_args!("client {client} is stopped for {long:?}"));
            let process = self.clients[client].process;
            self.after(long, Event::Resume(client, process));
        }
        self.again(Event::Pause);
    }

    /// What came meanwhile happens now, in whatever order its threads find it.
    pub(crate) fn on_resume(&mut self, client: usize, process: u32) {
        let mine = &mut self.clients[client];
        if mine.process != process || !std::mem::take(&mut mine.paused) {
            return;
        }
        self.history.line(self.now, format_args!("client {client} goes on"));
        let mut deferred = std::mem::take(&mut self.clients[client].deferred);
        while !deferred.is_empty() {
            let index = self.random.pause.index(deferred.len());
            let event = deferred.swap_remove_back(index).expect("invariant: it is not empty");
            let delay = Duration::from_micros(self.random.pause.below(300));
            self.after(delay, event);
        }
    }

    pub(crate) fn on_kill(&mut self) {
        if self.closing {
            return;
        }
        let client = self.random.kill.index(self.clients.len());
        if !(self.random.kill.chance(300) && self.end_session(client)) {
            let closes = self.random.kill.chance(400);
            self.end_process(client, closes);
        }
        self.again(Event::Kill);
    }

    /// Somebody else ends the session (a forked child that closes it as its own), and the client is told before anything
    /// else happens. False: it has no connection that would tell it.
    fn end_session(&mut self, client: usize) -> bool {
        let mine = &self.clients[client];
        // What the journal does not have yet is told to nobody.
        let may_tell = !mine.paused && !self.server.is_holding();
        let (id, connection) = (mine.id, mine.connection.filter(|_| may_tell));
        let told = connection
            .filter(|number| self.is_carried(*number) && self.server.incarnation(*number).is_some());
        let Some(number) = told else { return false };
        self.history.line(self.now, format_args!("the session of client {client} is ended by another"));
        self.server.close(id, id);
        self.after_server();
        if let Some(connection) = self.connections.get_mut(&number) {
            let before = connection.down.len().saturating_sub(1);
            connection.down.drain(..before);
        }
        self.reach.note("session: ended by another, and its client is told");
        self.arrive_down(number);
        true
    }

    /// The process ends, with a word to the server or without, and another takes its place.
    fn end_process(&mut self, client: usize, closes: bool) {
        self.history.line(self.now, format_args!("client {client} ends, closes: {closes}"));
        self.tasks_die(client);
        let mine = &self.clients[client];
        let (process, id, connection) = (mine.process, mine.id, mine.connection);
        if closes && !mine.paused {
            self.reach.note("session: closed by its client");
            self.server.close(id, id);
        } else {
            self.reach.note("session: its process was killed");
        }
        if let Some(number) = connection {
            if let Some(connection) = self.connections.get_mut(&number) {
                connection.client_gone = true;
            }
            let late = self.random.kill.short(self.plan.ttl * 2);
            self.after(late, Event::ServerSees(number));
        }
        self.clients[client] = Client::new(client, process + 1, &self.plan);
        self.workloads.iter_mut().for_each(|workload| workload.reset(client));
        self.after_server();
        self.begin_client(client);
    }

    pub(crate) fn on_restart(&mut self) {
        if self.closing || !self.server.is_up() {
            return;
        }
        // What was executed just before is what the journal has not got yet.
        let slow = self.plan.faults.hold.is_some() && self.random.restart.chance(500);
        let late = if slow { self.random.restart.short(self.plan.ttl / 2) } else { Duration::ZERO };
        if slow {
            self.server.hold();
        }
        self.after(late, Event::Die);
    }

    pub(crate) fn on_death(&mut self) {
        if self.closing || !self.server.is_up() {
            return;
        }
        let survive = self.random.restart.pick(&[0, 0, 1, 3, 10, 40]);
        let silent = self.random.restart.chance(300);
        self.history.line(self.now, format_args!("the server dies"));
        if self.server.journal().is_none() {
            self.workloads.iter_mut().for_each(|workload| workload.life_over());
        }
        // What is lost now is not there to be judged at the end.
        if self.server.is_holding() {
            self.check_replay();
        }
        self.server.die(survive);
        self.reach.note(match self.plan.journal {
            true => "restart: from the journal",
            false => "restart: with nothing",
        });
        let numbers: Vec<u64> = self.connections.keys().copied().collect();
        for number in numbers {
            let late = self.random.restart.short(Duration::from_millis(200));
            let Some(connection) = self.connections.get_mut(&number) else { continue };
            if std::mem::replace(&mut connection.server_gone, true) {
                continue;
            }
            connection.up.clear();
            if !silent {
                let client = connection.client;
                self.after(late, Event::ClientSees(client, number));
            }
        }
        let ttl = self.plan.ttl.as_micros() as u64;
        let down = Duration::from_micros(self.random.restart.between(1_000, ttl * 2));
        self.after(down, Event::ServerUp);
        self.again(Event::Restart);
    }

    pub(crate) fn on_server_up(&mut self) {
        if self.server.is_up() {
            // The end came before.
            return;
        }
        self.server.start();
        self.history.line(self.now, format_args!("the server is up again"));
        self.check_invariants();
        self.after_server();
    }

    pub(crate) fn on_hold(&mut self) {
        if self.closing {
            return;
        }
        if self.server.is_up() {
            self.reach.note("journal: what was executed waits until it is durable");
            self.server.hold();
            let long = self.random.restart.short(self.plan.ttl / 4);
            self.after(long, Event::LetGo);
        }
        self.again(Event::Hold);
    }
}
