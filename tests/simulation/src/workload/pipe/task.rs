//! What a task does at an end of a pipe.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bridge_core::command::pipe::{Command, End, Reply};
use bridge_core::command::{Command as AnyCommand, Reply as AnyReply};
use bridge_core::{Error, Reason, Request, Timeout};

use super::ledger::{Ledger, Owner, Pipe, Sending};
use crate::server::Incarnation;
use crate::workload::{Activity, End as Ended, Moment, Next, expect_reason};

#[derive(Clone, Copy, Debug)]
pub(super) enum Doing {
    /// By its name, or the first one that nobody has had.
    Attach {
        named: bool,
    },
    /// Between two calls.
    Think,
    Send {
        number: usize,
    },
    Receive {
        polled: bool,
    },
    Poll,
    Close,
    /// At the end: helps who waits at the other end, by sending or receiving.
    Help {
        receives: bool,
        attached: bool,
    },
    Helping {
        number: Option<usize>,
    },
    /// At the end: receives all there is.
    Sweep {
        attached: bool,
    },
    Done,
}

pub(super) struct Task {
    ledger: Rc<RefCell<Ledger>>,
    pipe: usize,
    end: End,
    doing: Doing,
    /// The session at the beginning of the call.
    session: Option<Incarnation>,
    life: u32,
}

impl Task {
    pub(super) fn new(ledger: Rc<RefCell<Ledger>>, pipe: usize, end: End, doing: Doing) -> Self {
        Task { ledger, pipe, end, doing, session: None, life: 0 }
    }

    /// What a task does next that has an end: it goes on, closes it, or leaves it to others of its process.
    fn choose(&self, moment: &mut Moment<'_>) -> Doing {
        let ledger = self.ledger.borrow();
        let pipe = &ledger.pipes[self.pipe];
        let own = pipe.side(self.end).owner.is_some_and(|owner| owner.is(moment));
        if !own || moment.closing {
            return Doing::Done;
        }
        match moment.random.below(20) {
            0 => Doing::Close,
            1 | 2 => Doing::Done,
            3 | 4 if pipe.receives(self.end) => Doing::Poll,
            5..=11 if pipe.receives(self.end) => Doing::Receive { polled: false },
            _ if pipe.sends(self.end) => Doing::Send { number: 0 },
            _ => Doing::Receive { polled: false },
        }
    }

    fn command(&mut self, moment: &mut Moment<'_>) -> Option<Command> {
        if let Doing::Think = self.doing {
            self.doing = self.choose(moment);
        }
        let (end, timeout) = (self.end, moment.timeout(Duration::from_secs(3)));
        let pipe = &mut self.ledger.borrow_mut().pipes[self.pipe];
        Some(match &mut self.doing {
            Doing::Attach { named } => {
                // If somebody else is at it as well, nobody knows which is the first.
                let sure = end == End::A || pipe.side(End::A).owner.is_some();
                Command::Attach { end: (*named || !sure).then_some(end) }
            }
            Doing::Send { number } => {
                let (new, payload) = pipe.message(end.other());
                *number = new;
                pipe.side_mut(end).sending = true;
                Command::Send { end, payload, timeout }
            }
            Doing::Receive { polled } => {
                pipe.side_mut(end).receiving = true;
                Command::Receive { end, timeout: if *polled { Timeout::NOW } else { timeout } }
            }
            Doing::Poll => {
                pipe.side_mut(end).receiving = true;
                Command::Poll { end, timeout }
            }
            Doing::Close => {
                pipe.side_mut(end).closing = true;
                Command::Close { end }
            }
            Doing::Help { attached: false, .. } | Doing::Sweep { attached: false } => {
                let helps = matches!(self.doing, Doing::Help { .. });
                pipe.side_mut(end).doubtful |= helps;
                pipe.side_mut(end.other()).muddled |= helps;
                Command::Attach { end: Some(end) }
            }
            Doing::Help { receives: true, .. } => {
                self.doing = Doing::Helping { number: None };
                Command::Receive { end, timeout: Timeout::NOW }
            }
            Doing::Help { .. } => {
                let (number, payload) = pipe.message(end.other());
                self.doing = Doing::Helping { number: Some(number) };
                Command::Send { end, payload, timeout: Timeout::NOW }
            }
            Doing::Sweep { .. } => Command::Receive { end, timeout: Timeout::NOW },
            Doing::Think | Doing::Helping { .. } | Doing::Done => {
                pipe.side_mut(end).busy = false;
                return None;
            }
        })
    }

    fn attached(&self, moment: &mut Moment<'_>, pipe: &mut Pipe, named: bool, ended: Ended) -> Doing {
        let own = moment.own().incarnation.filter(|own| self.session == Some(*own));
        match (ended, own) {
            (Ended::Outcome(Ok(AnyReply::Pipe(Reply::Attached(end)))), Some(session)) => {
                assert_eq!(end, self.end, "{}: {:?}", pipe.name, pipe.sides);
                moment.reach.note("pipe: an end is attached");
                pipe.side_mut(end).owner = Some(Owner::new(moment, session));
                return Doing::Think;
            }
            // It may have been attached by the session before, and be closed with it.
            (Ended::Outcome(Err(error)), _) => {
                expect_reason("attach", &error, &[Reason::BrokenPipe, Reason::InvalidArgument]);
            }
            _ => {}
        }
        pipe.side_mut(self.end).over = true;
        pipe.side_mut(self.end).doubtful = true;
        // Nobody knows which one it was either.
        pipe.side_mut(self.end.other()).doubtful |= !named;
        Doing::Done
    }

    fn sent(&self, moment: &mut Moment<'_>, pipe: &mut Pipe, number: usize, ended: Ended) -> Doing {
        let (to, mut next) = (self.end.other(), Doing::Think);
        let sending = match ended {
            Ended::Outcome(Ok(_)) => {
                moment.reach.note("pipe: sent");
                Sending::Sent
            }
            Ended::Outcome(Err(error)) => {
                let allowed = [Reason::Full, Reason::BrokenPipe, Reason::NotOwner, Reason::OutcomeUnknown];
                expect_reason("send", &error, &allowed);
                match error.reason {
                    Reason::Full => moment.reach.note("pipe: a send ends as there is no room"),
                    Reason::BrokenPipe => {
                        moment.reach.note("pipe: a send ends as the other end is closed");
                        pipe.check_closed(to, moment.server, "broken pipe");
                    }
                    _ => {}
                }
                next = self.after(moment, pipe, &error);
                if error.reason == Reason::OutcomeUnknown { Sending::Perhaps } else { Sending::Never }
            }
            Ended::Abandoned | Ended::Refused(_) | Ended::Died => Sending::Perhaps,
        };
        let same_life = self.life == moment.server.life();
        let sending = if sending == Sending::Sent && !same_life { Sending::Perhaps } else { sending };
        let message = &mut pipe.side_mut(to).messages[number];
        message.end(number, sending);
        next
    }

    fn received(&self, moment: &mut Moment<'_>, pipe: &mut Pipe, polled: bool, ended: Ended) -> Doing {
        let end = self.end;
        match ended {
            Ended::Outcome(Ok(AnyReply::Pipe(Reply::Received { payload, .. }))) => {
                moment.reach.note("pipe: received");
                pipe.receive(moment, end, &payload);
                Doing::Think
            }
            Ended::Outcome(Err(error)) => {
                expect_reason("receive", &error, &[Reason::Empty, Reason::EndOfPipe, Reason::NotOwner]);
                // Of one that ended without an answer, a message may be on its way back.
                let unheard = error.message.starts_with("no answer");
                pipe.side_mut(end).muddled |= unheard;
                let same = self.session.is_some() && self.session == moment.own().incarnation;
                let sure = polled && same && !pipe.side(end).muddled;
                assert!(
                    !sure || error.reason != Reason::Empty,
                    "{}: a poll said it could be read",
                    pipe.name
                );
                if error.reason == Reason::EndOfPipe {
                    moment.reach.note("pipe: its end is told");
                    pipe.check_closed(end.other(), moment.server, "end of pipe");
                    if self.life == moment.server.life() {
                        pipe.check_complete(end, "the end");
                    }
                }
                self.after(moment, pipe, &error)
            }
            Ended::Refused(AnyReply::Pipe(Reply::Received { payload, .. })) => {
                moment.reach.note("pipe: a message is refused");
                pipe.check(end, &payload);
                Doing::Think
            }
            _ => {
                pipe.side_mut(end).muddled = true;
                Doing::Think
            }
        }
    }

    /// After an error an end may be of no use any more.
    fn after(&self, moment: &mut Moment<'_>, pipe: &mut Pipe, error: &Error) -> Doing {
        let over = [Reason::EndOfPipe, Reason::BrokenPipe, Reason::NotOwner].contains(&error.reason);
        if error.reason == Reason::NotOwner {
            let side = pipe.side(self.end);
            let has = side.owner.filter(|owner| owner.is(moment) && self.session == Some(owner.session));
            let lost = has.is_none_or(|owner| side.closing || !moment.server.lives(owner.session));
            assert!(lost, "{} {}: {side:?} is not attached any more", pipe.name, self.end);
        }
        match over {
            // Some close it then; others leave that to the end of their session.
            true if error.reason != Reason::NotOwner && moment.random.chance(500) => Doing::Close,
            true => {
                pipe.side_mut(self.end).over = true;
                Doing::Done
            }
            false => Doing::Think,
        }
    }

    fn swept(&self, moment: &Moment<'_>, pipe: &mut Pipe, ended: Ended) -> Doing {
        match ended {
            Ended::Outcome(Ok(AnyReply::Pipe(Reply::Attached(_)))) => Doing::Sweep { attached: true },
            Ended::Outcome(Ok(AnyReply::Pipe(Reply::Received { payload, .. }))) => {
                pipe.receive(moment, self.end, &payload);
                Doing::Sweep { attached: true }
            }
            Ended::Outcome(Err(error)) => {
                expect_reason("the last receive", &error, &[Reason::Empty, Reason::EndOfPipe]);
                pipe.check_complete(self.end, "this is all");
                Doing::Done
            }
            _ => Doing::Done,
        }
    }
}

impl Activity for Task {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        (self.session, self.life) = (moment.own().incarnation, moment.server.life());
        let thinks = matches!(self.doing, Doing::Think) && !moment.closing;
        if thinks && moment.random.chance(200) {
            return Next::Think;
        }
        let Some(command) = self.command(moment) else { return Next::Done };
        let object = self.ledger.borrow().pipes[self.pipe].handle(moment.client);
        let target = object.target();
        Next::Call(object, Request::Command(AnyCommand::Pipe(target, command)))
    }

    fn ended(&mut self, moment: &mut Moment<'_>, ended: Ended) {
        let doing = std::mem::replace(&mut self.doing, Doing::Done);
        let died = matches!(ended, Ended::Died);
        let pipe = &mut self.ledger.borrow_mut().pipes[self.pipe];
        let side = pipe.side_mut(self.end);
        match doing {
            Doing::Send { .. } => side.sending = false,
            Doing::Receive { .. } | Doing::Poll => side.receiving = false,
            _ => {}
        }
        side.forgotten = None;
        let next = match doing {
            Doing::Attach { named } => self.attached(moment, pipe, named, ended),
            Doing::Send { number } => self.sent(moment, pipe, number, ended),
            Doing::Receive { polled } => self.received(moment, pipe, polled, ended),
            Doing::Poll => match ended {
                Ended::Outcome(Ok(AnyReply::Pipe(Reply::Polled(is_readable)))) => {
                    let what = if is_readable {
                        "pipe: a poll finds something"
                    } else {
                        "pipe: a poll finds nothing"
                    };
                    moment.reach.note(what);
                    let own = self.session == moment.own().incarnation;
                    if is_readable && own { Doing::Receive { polled: true } } else { Doing::Think }
                }
                Ended::Outcome(Err(error)) => {
                    expect_reason("poll", &error, &[Reason::NotOwner]);
                    self.after(moment, pipe, &error)
                }
                _ => Doing::Think,
            },
            Doing::Close => {
                let side = pipe.side_mut(self.end);
                side.over = true;
                let own = side.owner.is_some_and(|owner| owner.is(moment));
                if let Ended::Outcome(Ok(AnyReply::Pipe(Reply::Closed(had)))) = ended {
                    moment.reach.note("pipe: an end is closed");
                    side.closed = had && own;
                }
                Doing::Done
            }
            Doing::Help { receives, .. } => match ended {
                Ended::Outcome(Ok(_)) => Doing::Help { receives, attached: true },
                _ => Doing::Done,
            },
            Doing::Helping { number } => {
                match (number, ended) {
                    (Some(number), ended) => drop(self.sent(moment, pipe, number, ended)),
                    (None, Ended::Outcome(Ok(AnyReply::Pipe(Reply::Received { payload, .. })))) => {
                        pipe.receive(moment, self.end, &payload);
                    }
                    _ => {}
                }
                Doing::Done
            }
            Doing::Sweep { .. } => self.swept(moment, pipe, ended),
            Doing::Think | Doing::Done => Doing::Done,
        };
        if died {
            pipe.side_mut(self.end).busy = false;
        }
        self.doing = next;
    }

    fn may_withdraw(&self) -> bool {
        !matches!(self.doing, Doing::Close)
    }

    fn died(&mut self, _moment: &mut Moment<'_>) {
        self.ledger.borrow_mut().pipes[self.pipe].side_mut(self.end).busy = false;
    }

    fn describe(&self) -> String {
        format!("pipe {} {} {:?}", self.pipe, self.end, self.doing)
    }
}
