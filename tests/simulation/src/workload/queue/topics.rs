//! A topic and the queues that are bound to it, by exact keys and by patterns. Semantics 5, "topics".
//!
//! Judged here: what the answer to a publish names is found once in each of these queues, and nowhere else; a publish that
//! failed is found nowhere. That the answer names all that were bound is judged from the journal.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bridge_client::session::{Declaration, Object};
use bridge_core::command::queue::{Mode, NewItem, Options};
use bridge_core::command::topic::{self, Command, Publish, Reached, Reply};
use bridge_core::command::{Command as AnyCommand, Reply as AnyReply};
use bridge_core::ids::{Name, Target};
use bridge_core::{Error, Reason, Request};

use super::ledger::{Ledger, Put, payload};
use super::task::Doing;
use super::{Queues, batch, some_timeout};
use crate::plan::Plan;
use crate::workload::{Activity, End, Moment, Next, expect_reason, handle as handle_of};

const QUEUES: usize = 3;
const PATTERNS: [&str; 5] = ["sport", "sport.*", "*", "*.eu", "sport.*.eu"];
const KEYS: [&str; 5] = ["sport", "sport.eu", "sport.fr.eu", "arts.eu", "arts"];

impl Queues {
    /// Queues that get what is published.
    pub fn of_topics(plan: &Plan) -> Self {
        let mut ledger = Ledger::new(plan);
        for (name, maxsize) in [("reader", 0), ("archive", 0), ("ticker", 4)] {
            ledger.add(name, Options { maxsize: Some(maxsize), ..Options::default() });
        }
        ledger.topic = (0..ledger.clients).map(|_| handle()).collect();
        Queues::with("topic", ledger, begin)
    }
}

/// A handle of the topic.
pub(super) fn handle() -> Arc<Object> {
    handle_of("news", Declaration::Topic(topic::Options::default()))
}

fn begin(queues: &mut Queues, moment: &mut Moment<'_>) -> Box<dyn Activity> {
    let queue = moment.random.index(QUEUES);
    let mode = moment.random.pick(&[Mode::Get, Mode::Get, Mode::Lease]);
    let doing = match moment.random.below(100) {
        0..=34 => Telling::Publish(moment.random.pick(&KEYS)),
        35..=41 => Telling::Bind(queue, moment.random.pick(&PATTERNS)),
        42..=46 => Telling::Unbind(queue, moment.random.pick(&PATTERNS)),
        _ => return queues.task(Doing::take(queue, mode, batch(moment), some_timeout(moment))),
    };
    Box::new(Task { ledger: queues.ledger.clone(), doing, life: 0 })
}

#[derive(Clone, Copy, Debug)]
enum Telling {
    Publish(&'static str),
    /// The first of the items, one for each queue.
    Publishing(usize),
    Bind(usize, &'static str),
    Unbind(usize, &'static str),
    Done,
}

struct Task {
    ledger: Rc<RefCell<Ledger>>,
    doing: Telling,
    life: u32,
}

impl Task {
    /// It is answered with the queues that it reached, or reached none.
    fn published(&self, moment: &mut Moment<'_>, first: usize, outcome: Result<&[Reached], &Error>) {
        let ledger = &mut *self.ledger.borrow_mut();
        let same_life = self.life == moment.server.life();
        for number in first..first + QUEUES {
            let queue = &ledger.queues[ledger.items[number].queue];
            let id = |reached: &Reached| (reached.queue.as_str() == queue.name).then_some(reached.id);
            let put = match outcome {
                Ok(reached) => match reached.iter().find_map(id) {
                    Some(id) if same_life => Put::Admitted(id),
                    Some(_) => Put::Perhaps,
                    None => Put::Never,
                },
                Err(error) if error.reason == Reason::OutcomeUnknown => Put::Perhaps,
                Err(_) => Put::Never,
            };
            ledger.put_ended(number, put);
        }
        moment.reach.note(match outcome {
            Ok([]) => "topic: nobody is bound for what is published",
            Ok([_]) => "topic: published to one",
            Ok(_) => "topic: published to several",
            Err(error) if error.reason == Reason::Full => "topic: nothing is published, as one has no room",
            Err(_) => "topic: a publish ends otherwise",
        });
        if let Err(error) = outcome {
            expect_reason("publish", error, &[Reason::Full, Reason::OutcomeUnknown]);
        }
    }
}

impl Activity for Task {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        self.life = moment.server.life();
        let ledger = &mut *self.ledger.borrow_mut();
        let command = match self.doing {
            Telling::Publish(key) => {
                let numbers: Vec<_> = (0..QUEUES).map(|queue| ledger.item(queue, self.life).0).collect();
                let first = numbers[0];
                ledger.items[first].copies = QUEUES;
                self.doing = Telling::Publishing(first);
                Command::Publish(Box::new(Publish { key: key.into(), item: NewItem::new(payload(first)) }))
            }
            Telling::Bind(queue, pattern) => {
                Command::Bind { queue: ledger.target(queue), pattern: pattern.into() }
            }
            Telling::Unbind(queue, pattern) => {
                let queue = Name::parse("name", &ledger.queues[queue].name).expect("invariant: a valid name");
                Command::Unbind { queue, pattern: pattern.into() }
            }
            Telling::Publishing(_) | Telling::Done => return Next::Done,
        };
        let object = ledger.topic[moment.client].clone();
        let target: Target = object.target();
        Next::Call(object, Request::Command(AnyCommand::Topic(target, command)))
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        let doing = std::mem::replace(&mut self.doing, Telling::Done);
        match (doing, end) {
            (Telling::Publishing(first), End::Outcome(Ok(AnyReply::Topic(Reply::Published(reached))))) => {
                self.published(moment, first, Ok(&reached));
            }
            (Telling::Publishing(first), End::Outcome(Err(error))) => {
                self.published(moment, first, Err(&error));
            }
            (Telling::Publishing(first), _) => {
                let ledger = &mut *self.ledger.borrow_mut();
                (first..first + QUEUES).for_each(|number| ledger.put_ended(number, Put::Perhaps));
            }
            (_, End::Outcome(Ok(AnyReply::Topic(Reply::Bound(is_new))))) => {
                moment.reach.note(if is_new {
                    "topic: a queue is bound"
                } else {
                    "topic: a queue was bound so before"
                });
            }
            (_, End::Outcome(Ok(AnyReply::Topic(Reply::Unbound(was_bound))))) => {
                let what =
                    if was_bound { "topic: a queue is unbound" } else { "topic: a queue was not bound so" };
                moment.reach.note(what);
            }
            (_, End::Outcome(Err(error))) => {
                expect_reason("bind or unbind", &error, &[Reason::OutcomeUnknown])
            }
            _ => {}
        }
    }

    fn died(&mut self, _moment: &mut Moment<'_>) {}

    fn describe(&self) -> String {
        format!("topic {:?}", self.doing)
    }
}
