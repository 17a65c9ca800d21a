//! How tasks call, wait, accept, refuse and turn away: what a binding does around the session.

use std::sync::Arc;
use std::time::Duration;

use bridge_client::session::{Answered, Completions, Object, Settle, Several, Slot, Submission};
use bridge_core::Request;
use bridge_core::ids::{Op, ParticipantId};
use syncbridge_proto::v1 as pb;

use crate::client::Pending;
use crate::workload::{self, Activity, Belief, End, Moment, Next};
use crate::world::{Event, World};

/// Makes the moment that an activity looks at; a macro, as it borrows several fields at once.
macro_rules! moment {
    ($world:expr, $client:expr, $task:expr, $op:expr, $beliefs:expr) => {
        Moment {
            now: $world.now,
            client: $client,
            task: $task,
            op: $op,
            beliefs: $beliefs,
            server: &$world.server,
            random: &mut $world.random.workload,
            reach: &mut $world.reach,
            closing: $world.closing,
        }
    };
}

impl World {
    /// A task goes on after up to that long.
    pub(crate) fn schedule_task(&mut self, client: usize, task: usize, at_most: Duration) {
        let delay = self.random.timing.short(at_most);
        let mine = &mut self.clients[client];
        let process = mine.process;
        if !std::mem::replace(&mut mine.tasks[task].scheduled, true) {
            self.after(delay, Event::Task(client, process, task));
        }
    }

    /// Tasks whose answers are there come to look.
    pub(crate) fn wake(&mut self, client: usize) {
        for task in 0..self.clients[client].tasks.len() {
            let Some(call) = &mut self.clients[client].tasks[task].call else { continue };
            if !call.called && call.slot.is_ready() {
                call.called = true;
                // Most come at once; some are busy.
                let busy = self.random.timing.chance(100);
                let at_most = if busy { self.plan.ttl / 2 } else { Duration::from_micros(200) };
                self.schedule_task(client, task, at_most);
            }
        }
    }

    /// A frame has arrived: what it recalls and nobody has claimed goes back.
    pub(crate) fn note_recalls(&mut self, client: usize, frame: &pb::AttachResponse) {
        for answer in &frame.answers {
            let Some(pb::answer::Body::Recall(_)) = answer.body else { continue };
            let calls = self.clients[client].tasks.iter_mut().filter_map(|task| task.call.as_mut());
            for call in calls.filter(|call| call.slot.op() == Op(answer.op)) {
                self.reach.note(match call.claimed {
                    Some(_) => "prefetch: what is recalled is in its consumer's hand",
                    None => "prefetch: what is recalled goes back",
                });
                call.recalled = call.claimed.is_none();
            }
        }
    }

    pub(crate) fn on_task(&mut self, client: usize, process: u32, task: usize) {
        if self.clients[client].process != process {
            return;
        }
        let mine = &mut self.clients[client].tasks[task];
        mine.scheduled = false;
        match &mine.call {
            None => self.go_on(client, task),
            Some(call) if call.claimed.is_some() => self.settle(client, task),
            Some(_) => self.claim(client, task),
        }
    }

    fn claim(&mut self, client: usize, task: usize) {
        let mine = &mut self.clients[client];
        let clock = mine.clock(self.now);
        let Some(call) = &mut mine.tasks[task].call else { return };
        call.called = false;
        if !call.slot.is_ready() {
            // It has been busy, and waits now; where it was not ahead of need, that changes nothing.
            mine.session.hasten(clock, &call.slot);
            return self.flush(client);
        }
        let Some(answered) = mine.session.claim(clock, &call.slot) else {
            self.reach.note("client: a grant is not handed out, as the session is not known to be alive");
            return self.flush(client);
        };
        assert!(!(answered.offered && call.recalled), "what was recalled is handed out: {answered:?}");
        if !answered.offered {
            let Answered { op, outcome, .. } = answered;
            return self.end_call(client, task, op, End::Outcome(outcome));
        }
        call.claimed = Some(answered);
        // Decoding takes its time, now and then.
        match self.random.timing.chance(60) {
            true => self.schedule_task(client, task, self.plan.ttl),
            false => self.settle(client, task),
        }
    }

    fn settle(&mut self, client: usize, task: usize) {
        let mine = &mut self.clients[client];
        let clock = mine.clock(self.now);
        let Some(Answered { op, outcome, .. }) =
            mine.tasks[task].call.as_mut().and_then(|call| call.claimed.take())
        else {
            return;
        };
        let refuse = self.random.cancel.chance(self.plan.faults.refuse);
        let how = if refuse { Settle::Refuse } else { Settle::Accept };
        let settled = mine.session.settle(clock, op, how);
        if !refuse && settled.is_ok() {
            self.accepted.push((client, mine.incarnation, op));
        }
        let end = match (outcome, refuse, settled) {
            (Ok(reply), true, _) => {
                self.reach.note("client: a grant is refused");
                End::Refused(reply)
            }
            (Ok(reply), false, Err(_)) => {
                self.reach.note("client: a grant can no longer be accepted");
                End::Refused(reply)
            }
            (outcome, ..) => End::Outcome(outcome),
        };
        self.flush(client);
        self.end_call(client, task, op, end);
    }

    fn end_call(&mut self, client: usize, task: usize, op: Op, end: End) {
        let call = self.clients[client].tasks[task].call.take();
        if let End::Outcome(outcome) = &end {
            let way = match outcome {
                Ok(_) => 1,
                Err(error) => 2 + error.reason as u64,
            };
            self.history.number(op.0 << 8 | way);
            if call.is_some_and(|call| call.cancelled) {
                self.reach.note(match outcome {
                    Err(error) if error.reason == bridge_core::Reason::Cancelled => {
                        "cancel: the call ends as cancelled"
                    }
                    Err(_) => "cancel: the call fails otherwise",
                    Ok(_) => "cancel: the call has ended well before",
                });
            }
        }
        let beliefs = self.beliefs();
        let Some(mut activity) = self.clients[client].tasks[task].activity.take() else { return };
        if self.history.traces() {
            let how = match &end {
                End::Outcome(outcome) => format!("{outcome:?}"),
                End::Refused(reply) => format!("refused {reply:?}"),
                End::Abandoned => "abandoned".into(),
                End::Died => "died".into(),
            };
            let what = activity.describe();
            self.history
                .line(self.now, format_args!("client {client} task {task} op {}: {what}: {how}", op.0));
        }
        activity.ended(&mut moment!(self, client, task, op, &beliefs), end);
        self.proceed(client, task, activity, &beliefs);
    }

    fn go_on(&mut self, client: usize, task: usize) {
        let beliefs = self.beliefs();
        let activity = match self.clients[client].tasks[task].activity.take() {
            Some(activity) => activity,
            None if self.closing => return,
            None => {
                let mut moment = moment!(self, client, task, Op(0), &beliefs);
                workload::begin(&mut self.workloads, &mut moment)
            }
        };
        self.proceed(client, task, activity, &beliefs);
    }

    fn proceed(&mut self, client: usize, task: usize, mut activity: Box<dyn Activity>, beliefs: &[Belief]) {
        let next = activity.next(&mut moment!(self, client, task, Op(0), beliefs));
        let think = if self.closing { Duration::from_millis(1) } else { self.plan.think };
        match next {
            Next::Done => return self.schedule_task(client, task, think),
            Next::Think => self.schedule_task(client, task, think),
            Next::Call(..) | Next::Several(..) => {
                let slot = self.submit(client, task, next);
                let mine = &mut self.clients[client];
                mine.tasks[task].call = Some(Pending {
                    slot,
                    called: false,
                    claimed: None,
                    cancelled: false,
                    recalled: false,
                    number: self.next_call,
                });
                if activity.may_withdraw() {
                    self.plan_withdrawal(client, task);
                }
                if let Some(busy) = activity.is_busy_for(&mut moment!(self, client, task, Op(0), beliefs)) {
                    let mine = &mut self.clients[client];
                    mine.tasks[task].scheduled = true;
                    let process = mine.process;
                    self.after(busy, Event::Task(client, process, task));
                }
                self.flush(client);
            }
        }
        self.clients[client].tasks[task].activity = Some(activity);
        self.wake(client);
    }

    fn submit(&mut self, client: usize, task: usize, next: Next) -> Arc<Slot> {
        self.next_call += 1;
        let mine = &mut self.clients[client];
        let clock = mine.clock(self.now);
        let who = ParticipantId(task as u32);
        // As a handle does when it is made.
        let mut declare = |object: &Arc<Object>| {
            if mine.declared.insert(Arc::as_ptr(object).addr()) {
                mine.session.declare(clock, object);
            }
        };
        match next {
            Next::Several(objects, request) => {
                self.commands += 1;
                objects.iter().for_each(declare);
                mine.session.submit_several(clock, Several { who, objects, request })
            }
            Next::Call(object, request) => {
                self.commands += u64::from(matches!(request, Request::Command(_)));
                declare(&object);
                mine.session.submit(clock, Submission { who, object, request })
            }
            Next::Think | Next::Done => unreachable!("invariant: it calls"),
        }
    }

    fn plan_withdrawal(&mut self, client: usize, task: usize) {
        if self.random.cancel.chance(self.plan.faults.cancel) {
            let process = self.clients[client].process;
            let at_most = if self.random.cancel.chance(500) { self.plan.latency * 2 } else { self.plan.ttl };
            let delay = self.random.cancel.short(at_most);
            self.after(delay, Event::Withdraw(client, process, task, self.next_call));
        }
    }

    /// The caller has had enough: it asks for the call to be withdrawn, or turns away.
    pub(crate) fn on_withdraw(&mut self, client: usize, process: u32, task: usize, number: u64) {
        let mine = &mut self.clients[client];
        if mine.process != process {
            return;
        }
        let clock = mine.clock(self.now);
        let Some(call) = mine.tasks[task].call.as_mut().filter(|call| call.number == number) else { return };
        if call.claimed.is_some() {
            return;
        }
        if self.random.cancel.chance(600) {
            call.cancelled = true;
            let mut completions = Completions::default();
            mine.session.cancel(clock, &call.slot, &mut completions);
            completions.deliver();
            self.reach.note("cancel: asked for");
            self.wake(client);
        } else {
            let op = call.slot.op();
            self.reach.note(match call.slot.is_ready() {
                true => "cancel: its caller turns away from an answer that is there",
                false => "cancel: its caller turns away",
            });
            mine.session.abandon(clock, &call.slot);
            self.end_call(client, task, op, End::Abandoned);
        }
        self.flush(client);
    }

    /// The process is killed: whatever its tasks did is over.
    pub(crate) fn tasks_die(&mut self, client: usize) {
        let beliefs = self.beliefs();
        for task in 0..self.clients[client].tasks.len() {
            let mine = &mut self.clients[client].tasks[task];
            let Some(mut activity) = mine.activity.take() else { continue };
            let call = mine.call.take();
            let op = call.as_ref().map_or(Op(0), |call| call.slot.op());
            let mut moment = moment!(self, client, task, op, &beliefs);
            match call {
                Some(_) => activity.ended(&mut moment, End::Died),
                None => activity.died(&mut moment),
            }
        }
    }
}
