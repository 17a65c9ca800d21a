//! A run from its seed to its end.

use std::time::Duration;

use bridge_core::ids::{Op, SessionId};
use bridge_core::view::CallStanding;

use crate::client::Client;
use crate::plan::Plan;
use crate::reach::Reach;
use crate::workload::{Activity, Moment, Workload};
use crate::world::World;

/// How a run went; it panics where it went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The digest of its history.
    pub digest: u64,
    /// Commands that clients gave; what they only read is not counted.
    pub commands: u64,
    /// What was reached.
    pub reach: Reach,
}

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many commands the clients give before everything must drain.
    pub commands: u64,
    /// Says what happens, on stderr.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { commands: 5_000, trace: false }
    }
}

/// Runs a seed.
pub fn run(seed: u64, options: Options) -> Report {
    let mut world = World::new(seed, options.trace);
    let give_up = world.now + Duration::from_secs(3_600);
    while world.commands < options.commands && world.now < give_up {
        assert!(world.step(), "nothing happens any more");
    }
    world.drain();
    Report { digest: world.history.digest(), commands: world.commands, reach: world.reach }
}

impl World {
    /// Nothing goes wrong any more: everything that is under way comes to its end.
    fn drain(&mut self) {
        self.history.line(self.now, format_args!("from now on nothing goes wrong"));
        self.closing = true;
        self.plan.calm();
        self.server.let_go();
        if !self.server.is_up() {
            self.server.start();
        }
        for client in 0..self.clients.len() {
            let process = self.clients[client].process;
            self.on_resume(client, process);
        }
        self.after_server();
        // Sessions of processes that were killed expire, and silent connections are noticed.
        self.run_until(self.now + self.plan.ttl * 4);
        self.check_invariants();

        let closer = self.clients.len();
        self.clients.push(Client::new(closer, 1_000, &Plan { tasks: 1, ..self.plan.clone() }));
        self.begin_client(closer);
        let give_up = self.now + self.plan.ttl * 40;
        while !self.is_idle(closer) {
            assert!(self.now < give_up, "calls hang:\n{}", self.hanging());
            self.lend_a_hand(closer, |workload, moment| workload.help(moment));
            self.run_until(self.now + Duration::from_millis(50));
        }
        // What sessions that are over held is back.
        self.run_until(self.now + self.plan.ttl * 3);
        while self.lend_a_hand(closer, |workload, moment| workload.sweep(moment)) {
            self.run_until(self.now + Duration::from_millis(20));
        }
        self.check_invariants();
        self.check_acceptances();
        self.check_replay();
        for workload in &self.workloads {
            workload.balance(&self.server);
        }
    }

    /// What clients have accepted they have: the server does not take it for an offer any more, whatever it has lost meanwhile.
    fn check_acceptances(&mut self) {
        let Some(namespace) = self.server.namespace() else { return };
        for (client, incarnation, op) in &self.accepted {
            let mine = &self.clients[*client];
            if *incarnation == mine.incarnation {
                let standing = namespace.read(|engine, _| engine.explain(SessionId(mine.id), *op).standing);
                assert_ne!(standing, CallStanding::Offered, "client {client} has accepted op {}", op.0);
            }
        }
    }

    fn is_idle(&self, closer: usize) -> bool {
        self.clients[..closer].iter().all(|client| client.tasks.iter().all(|task| task.activity.is_none()))
    }

    fn hanging(&self) -> String {
        let mut text = String::new();
        for (index, client) in self.clients.iter().enumerate() {
            for (task, activity) in client.tasks.iter().enumerate() {
                if let Some(doing) = &activity.activity {
                    let call = activity.call.as_ref().map(|call| &call.slot);
                    text += &format!("client {index} task {task}: {} {call:?}\n", doing.describe());
                }
            }
        }
        if let Some(namespace) = self.server.namespace() {
            let objects = namespace.read(|engine, _| engine.objects_page(None, None, 1_000));
            for object in objects {
                text += &format!("{} {}: {}\n", object.kind, object.name, object.state);
            }
        }
        text
    }

    /// Gives the closer something to do, if there is anything and it is free. False: there is nothing.
    fn lend_a_hand(
        &mut self,
        closer: usize,
        mut what: impl FnMut(&mut dyn Workload, &mut Moment<'_>) -> Option<Box<dyn Activity>>,
    ) -> bool {
        if self.clients[closer].tasks[0].activity.is_some() {
            return true;
        }
        let beliefs = self.beliefs();
        for workload in &mut self.workloads {
            let mut moment = Moment {
                now: self.now,
                client: closer,
                task: 0,
                op: Op(0),
                beliefs: &beliefs,
                server: &self.server,
                random: &mut self.random.workload,
                reach: &mut self.reach,
                closing: true,
            };
            if let Some(activity) = what(workload.as_mut(), &mut moment) {
                self.clients[closer].tasks[0].activity = Some(activity);
                self.schedule_task(closer, 0, Duration::ZERO);
                return true;
            }
        }
        false
    }
}
