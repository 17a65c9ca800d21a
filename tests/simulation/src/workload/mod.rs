//! What clients do: one file per primitive, each with a ledger of what was asked and what came of it, which is what
//! the run is judged by.
//!
//! A task asks its [`Workload`] for an [`Activity`] and carries it through: it asks, is told how that ended, thinks,
//! asks again, until it is done. A new primitive is one file here and a line in [`all`].

mod acquire_all;
pub mod barrier;
mod deadlock;
pub mod event;
pub mod latch;
pub mod lease;
pub mod lock;
pub mod pipe;
pub mod queue;
mod select;
pub mod semaphore;
mod several;
pub mod timer;
pub mod value;

use std::sync::Arc;
use std::time::Duration;

use bridge_client::session::{Declaration, Object, Origin};
use bridge_core::ids::{Name, Op};
use bridge_core::{Error, Outcome, Query, Reason, Reply, Request, Time, Timeout};

use crate::plan::Plan;
use crate::random::Random;
use crate::reach::Reach;
use crate::server::{Incarnation, Server};

/// What a client takes itself for.
#[derive(Clone, Copy, Debug)]
pub struct Belief {
    /// The session that it was last welcomed in.
    pub incarnation: Option<Incarnation>,
    /// By its own clock that session is known to be alive.
    pub alive: bool,
    /// Counts processes: one that was killed is another.
    pub process: u32,
}

/// Everything that an activity may look at while it decides.
pub struct Moment<'a> {
    /// The time.
    pub now: Time,
    /// Which client.
    pub client: usize,
    /// Which of its tasks.
    pub task: usize,
    /// The number under which what just ended ran.
    pub op: Op,
    /// What each client takes itself for.
    pub beliefs: &'a [Belief],
    /// What is true at the server.
    pub server: &'a Server,
    /// The stream of the workload.
    pub random: &'a mut Random,
    /// What was reached.
    pub reach: &'a mut Reach,
    /// No new work: what is under way comes to its end.
    pub closing: bool,
}

impl Moment<'_> {
    /// What the client takes itself for.
    pub fn own(&self) -> Belief {
        self.beliefs[self.client]
    }

    /// Whether a client still takes itself for the holder of what it was granted in that session.
    pub fn believes(&self, client: usize, incarnation: Incarnation, process: u32) -> bool {
        let belief = self.beliefs[client];
        belief.process == process && belief.alive && belief.incarnation == Some(incarnation)
    }

    /// A timeout: none, some of a while, or, except for one task of each client that keeps going, none at all.
    pub fn timeout(&mut self, long: Duration) -> Timeout {
        match self.random.below(4) {
            0 if self.task > 0 => Timeout::Never,
            1 => Timeout::NOW,
            2 => Timeout::After(self.random.short(long)),
            _ => Timeout::After(long),
        }
    }
}

/// What a task does next.
pub enum Next {
    /// It calls.
    Call(Arc<Object>, Request),
    /// It calls about several objects.
    Several(Box<[Arc<Object>]>, Request),
    /// It does something else for a while.
    Think,
    /// It is done.
    Done,
}

/// How a call ended.
pub enum End {
    /// So; what was granted is accepted.
    Outcome(Outcome),
    /// It was granted this, and refused it, or could not accept it: it has gone back, or will.
    Refused(Reply),
    /// Its caller turned away before its end.
    Abandoned,
    /// Its process was killed. What it had accepted before is gone with it.
    Died,
}

/// Something that a task carries through.
pub trait Activity {
    /// What comes next.
    fn next(&mut self, moment: &mut Moment<'_>) -> Next;

    /// What was called has ended.
    fn ended(&mut self, moment: &mut Moment<'_>, end: End);

    /// Whether its caller may turn away from what it has called, or withdraw it.
    fn may_withdraw(&self) -> bool {
        true
    }

    /// What it has called is to come ahead of need: so long it does something else, before it looks, and then waits.
    fn is_busy_for(&self, _moment: &mut Moment<'_>) -> Option<Duration> {
        None
    }

    /// The process was killed between two calls.
    fn died(&mut self, moment: &mut Moment<'_>);

    /// What it does, for people.
    fn describe(&self) -> String;
}

/// A primitive's part of the work.
pub trait Workload {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Something for a task to do.
    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity>;

    /// Something that begins with a wait for one grant, which may be asked for together with others; its timeout is not read.
    /// `owned`: of something that nobody but its holder gives back, and that has only one grant to give.
    fn branch(&mut self, _moment: &mut Moment<'_>, _owned: bool) -> Option<Box<dyn Activity>> {
        None
    }

    /// A new process has taken the client's place: it has no handles yet.
    fn reset(&mut self, client: usize);

    /// What helps those who wait at the end, if there is anybody who waits.
    fn help(&mut self, moment: &mut Moment<'_>) -> Option<Box<dyn Activity>>;

    /// Nobody waits any more: takes what is left, for [`Workload::balance`]; `None` once there is nothing.
    fn sweep(&mut self, moment: &mut Moment<'_>) -> Option<Box<dyn Activity>>;

    /// Everything has drained: panics where the ledger and what was found differ.
    fn balance(&self, server: &Server);

    /// The server has lost all state.
    fn life_over(&mut self);
}

/// What there is, as a seed wants it: everything, or a few, which then meet more often.
pub fn all(seed: u64, plan: &Plan) -> Vec<Box<dyn Workload>> {
    let mut all: Vec<Box<dyn Workload>> = vec![
        Box::new(queue::Queues::new(seed, plan)),
        Box::new(queue::Queues::of_groups(seed, plan)),
        Box::new(queue::Queues::ahead(plan)),
        Box::new(queue::Queues::transfers(plan)),
        Box::new(queue::Queues::of_topics(plan)),
        Box::new(timer::Timers::new(plan)),
        Box::new(pipe::Pipes::new(plan)),
        Box::new(event::Events::new(seed, plan)),
        Box::new(semaphore::Semaphores::new(seed, plan)),
        Box::new(lock::Locks::new(plan)),
        Box::new(barrier::Barriers::new(plan)),
        Box::new(latch::Latches::new(plan)),
        Box::new(value::Values::new(plan)),
        Box::new(lease::Leases::new(plan)),
    ];
    let mut random = Random::new(seed, "workloads");
    if random.chance(750) {
        let kept = random.between(1, 3) as usize;
        while all.len() > kept {
            all.remove(random.index(all.len()));
        }
    }
    all
}

/// Something for a task to do: of one workload, or of several at once.
pub fn begin(all: &mut [Box<dyn Workload>], moment: &mut Moment<'_>) -> Box<dyn Activity> {
    let several = match moment.random.below(50) {
        0..=3 => select::begin(all, moment),
        4 => acquire_all::begin(all, moment),
        5..=7 => deadlock::begin(all, moment),
        _ => None,
    };
    several.unwrap_or_else(|| {
        let index = moment.random.index(all.len());
        all[index].begin(moment)
    })
}

/// The handle of an object that has a name.
pub fn handle(name: &str, declaration: Declaration) -> Arc<Object> {
    let name = Name::parse("name", name).expect("invariant: a valid name");
    Arc::new(Object::new(name, declaration, Origin::Named))
}

/// Panics unless the call may end so.
pub fn expect_reason(what: &str, error: &Error, allowed: &[Reason]) {
    let always = [Reason::Cancelled, Reason::Unavailable];
    assert!(
        allowed.contains(&error.reason) || always.contains(&error.reason),
        "{what} ended {:?}: {}",
        error.reason,
        error.message
    );
}

/// A query, as an activity's call.
pub fn ask(object: &Arc<Object>, query: impl FnOnce(bridge_core::ids::Target) -> Query) -> Next {
    Next::Call(object.clone(), Request::Query(query(object.target())))
}
