//! A client: the real session, and the tasks of the program that uses it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bridge_client::session::{Answered, Session, Slot};
use bridge_core::ids::ParticipantId;
use bridge_core::{Time, wire};
use syncbridge_proto::v1 as pb;

use crate::plan::Plan;
use crate::server::Incarnation;
use crate::workload::{Activity, Belief};
use crate::world::Event;

/// A call that is under way.
pub struct Pending {
    /// Where its answer lands.
    pub slot: Arc<Slot>,
    /// Somebody comes to look.
    pub called: bool,
    /// What was claimed and is not settled yet.
    pub claimed: Option<Answered>,
    /// It has been withdrawn, and waits to be told so.
    pub cancelled: bool,
    /// What it was granted was recalled before it was claimed.
    pub recalled: bool,
    /// Which call of the world it is.
    pub number: u64,
}

/// A thread of the program.
#[derive(Default)]
pub struct Task {
    /// What it does.
    pub activity: Option<Box<dyn Activity>>,
    /// What it waits for.
    pub call: Option<Pending>,
    /// An event of it is on its way.
    pub scheduled: bool,
}

/// A process with a session.
pub struct Client {
    /// The client's half of the session.
    pub session: Session,
    /// The session's id, and its secret.
    pub id: u128,
    /// Counts the processes in this place.
    pub process: u32,
    /// What carries the session now.
    pub connection: Option<u64>,
    /// A connection is being made.
    pub dialling: bool,
    /// The tasks.
    pub tasks: Vec<Task>,
    /// Stopped: what happens to it meanwhile comes when it goes on.
    pub paused: bool,
    /// What came while it was stopped.
    pub deferred: VecDeque<Event>,
    /// When the session's next deadline is looked at.
    pub timer: Option<Time>,
    /// Handles that have been declared, by address.
    pub declared: BTreeSet<usize>,
    /// A flush is on its way.
    pub flushing: bool,
    /// The session that it was last welcomed in.
    pub incarnation: Option<Incarnation>,
    /// What its clock says when the world's says 0.
    offset: Duration,
}

/// What a task is called in what people read.
pub fn label(client: usize, process: u32, task: usize) -> String {
    format!("task {task} of process {process} of client {client}")
}

impl Client {
    /// The `process`-th process in the place `index`.
    pub fn new(index: usize, process: u32, plan: &Plan) -> Self {
        let id = (u128::from(process) << 32) + index as u128 + 1;
        let hello = pb::SessionSpec {
            id: id.to_be_bytes().to_vec().into(),
            secret: id.to_be_bytes().to_vec().into(),
            ttl: Some(wire::duration_field(plan.ttl)),
            ..Default::default()
        };
        let mut session = Session::new(hello);
        session.set_piece_sizes(plan.sizes);
        for task in 0..plan.tasks {
            session.announce(ParticipantId(task as u32), label(index, process, task));
        }
        Client {
            session,
            id,
            process,
            connection: None,
            dialling: false,
            tasks: std::iter::repeat_with(Task::default).take(plan.tasks).collect(),
            paused: false,
            deferred: VecDeque::new(),
            timer: None,
            declared: BTreeSet::new(),
            flushing: false,
            incarnation: None,
            offset: Duration::from_secs(1_000 * (index as u64 + 1) + 77 * u64::from(process)),
        }
    }

    /// What its own clock says at `now`: clocks of two machines have nothing in common but their speed.
    pub fn clock(&self, now: Time) -> Time {
        Time::from_micros(now.micros % 1_000_000_000_000) + self.offset
    }

    /// The other way round: when in the world is its clock's `time`.
    pub fn world_time(&self, now: Time, time: Time) -> Time {
        now + time.since(self.clock(now))
    }

    /// What it takes itself for.
    pub fn belief(&self, now: Time) -> Belief {
        Belief {
            incarnation: self.incarnation,
            alive: self.session.is_alive(self.clock(now)),
            process: self.process,
        }
    }
}
