//! Semantics 4, "everything has a bound": at each all goes well, and one beyond is refused by its name and value, before anything has
//! changed. What is no call is cut instead, or has another consequence; that is said here too.

use std::collections::BTreeSet;
use std::time::Duration;

use bridge_core::command::acquire_all::AcquireAll;
use bridge_core::command::list::{self, Splice};
use bridge_core::command::queue::{self, Attributes, Dedupe, Discipline, NewItem, Options, Reentry, Scope};
use bridge_core::command::timer::{self, Missed, Schedule, Times};
use bridge_core::command::topic::{self, Publish};
use bridge_core::command::transaction::Step;
use bridge_core::command::value::{self, Datum, Guard, Lifetime};
use bridge_core::command::{Command, EndReason, Input, Mode, Query, Reply, barrier, pipe};
use bridge_core::ids::{ItemId, Op, ParticipantId, SessionKey, Token};
use bridge_core::limits::PERMITS_MAX;
use bridge_core::payload::ContentType;
use bridge_core::{Limits, Payload, Reason};

use crate::support::*;

/// Prepares what comes before, and says what then reaches `n`.
type Reach = fn(&mut Space, SessionKey, u64) -> Command;

/// A bound of calls: the field, how it is set, and calls that reach it.
struct Bound {
    field: &'static str,
    set: fn(&mut Limits, u64),
    reach: &'static [Reach],
}

/// Bounds that calls reach. Each is 2 while it is tried.
const REFUSED: [Bound; 15] = [
    Bound {
        field: "payload_bytes_max",
        set: |limits, max| limits.payload_bytes_max = max,
        reach: &[
            |_, _, n| put("q", &letters(n), NOW),
            |_, _, n| put_many("q", &[&letters(n)], NOW),
            |_, _, n| {
                let content_type = ContentType::Other(letters(n).into());
                let item = NewItem::new(Payload::new(content_type, ""));
                on("q", queue::Command::Put { item, timeout: NOW })
            },
            |space, who, n| {
                space
                    .ask(who, on_pipe(pipe::Command::Attach { end: Some(pipe::End::A) }))
                    .expect("it is free");
                on_pipe(pipe::Command::Send {
                    end: pipe::End::A,
                    payload: payload(&letters(n)),
                    timeout: NOW,
                })
            },
            |_, _, n| set_entry("k", payload(&letters(n))),
            |_, _, n| splice(vec![payload(&letters(n)).into()]),
            |_, _, n| publish("k", item(&letters(n))),
            |_, _, n| transaction([put("q", &letters(n), NOW)]),
            |_, _, n| select([put("q", &letters(n), NOW)], NOW),
            |_, _, n| schedule("t", item(&letters(n)), Duration::from_secs(1)),
        ],
    },
    Bound {
        field: "headers_max",
        set: |limits, max| limits.headers_max = max as u32,
        reach: &[
            |_, _, n| on("q", queue::Command::Put { item: NewItem::new(headed(n)), timeout: NOW }),
            |_, _, n| publish("k", NewItem::new(headed(n))),
            |_, _, n| set_entry("k", headed(n)),
        ],
    },
    Bound {
        field: "key_bytes_max",
        set: |limits, max| limits.key_bytes_max = max as u32,
        reach: &[
            |space, who, n| {
                let options = Options { discipline: Some(Discipline::Priority), ..Options::default() };
                space.ask(who, declare("q", options)).expect("it is new");
                put_key("q", "x", letters(n).as_bytes())
            },
            |_, _, n| on("q", queue::Command::Put { item: grouped("x", &letters(n)), timeout: NOW }),
            |_, _, n| deduped(&letters(n)),
            |_, _, n| on_dict("d", value::Command::Set { key: letters(n).into(), write: write() }),
            |_, _, n| publish(&letters(n), item("x")),
            |_, _, n| bind(&letters(n)),
        ],
    },
    Bound {
        field: "batch_max",
        set: |limits, max| limits.batch_max = max as u32,
        reach: &[
            |_, _, n| put_many("q", &vec!["x"; n as usize], NOW),
            |space, who, n| {
                full(space, who);
                get_many("q", n as u32, 1, 0, NOW)
            },
            |space, who, n| ack("q", &leased(space, who, n)),
            |space, who, n| {
                let (tokens, delay, error) = (leased(space, who, n), Duration::ZERO, String::new());
                on("q", queue::Command::Nack { tokens, reentry: Reentry::Place, delay, error })
            },
            |space, who, n| {
                on("q", queue::Command::Reject { tokens: leased(space, who, n), reason: String::new() })
            },
            |space, who, n| {
                let (tokens, progress) = (leased(space, who, n), None);
                on("q", queue::Command::Extend { tokens, max_hold: None, progress })
            },
            |space, who, n| {
                full(space, who);
                on("q", queue::Command::Remove { ids: (0..n).map(ItemId).collect() })
            },
            |space, who, n| {
                full(space, who);
                let which = queue::Which::Ids((0..n).map(ItemId).collect());
                on("q", queue::Command::Move(Box::new(queue::Move { which, to: target("other") })))
            },
            |space, who, n| {
                full(space, who);
                let which = queue::Which::Ids((0..n).map(ItemId).collect());
                on("q", queue::Command::Redrive(Box::new(queue::Redrive { which, to: None })))
            },
            |_, _, n| splice((0..n as i64).map(Datum::from).collect()),
            |_, _, n| transaction((0..n).map(|_| put("q", "x", NOW))),
        ],
    },
    Bound {
        field: "retained_bytes_max",
        set: |limits, max| limits.retained_bytes_max = max,
        reach: &[
            |_, _, n| put("q", &letters(n), NOW),
            |_, _, n| put_many("q", &vec!["x"; n as usize], NOW),
            |_, _, n| transaction((0..n).map(|_| put("q", "x", NOW))),
            // The key of an entry counts too.
            |_, _, n| set_entry("k", payload(&letters(n - 1))),
            |_, _, n| splice(vec![payload(&letters(n)).into()]),
        ],
    },
    Bound {
        field: "items_max",
        set: |limits, max| limits.items_max = max,
        reach: &[
            |space, who, n| {
                (1..n).for_each(|_| _ = space.ask(who, put("q", "x", NOW)).expect("there is room"));
                put("another", "x", NOW)
            },
            |_, _, n| put_many("q", &vec!["x"; n as usize], NOW),
            |_, _, n| transaction((0..n).map(|_| put("q", "x", NOW))),
            |space, who, n| {
                space.ask(who, bind("*")).expect("it is free");
                (1..n).for_each(|_| _ = space.ask(who, put("q", "x", NOW)).expect("there is room"));
                publish("k", item("x"))
            },
        ],
    },
    Bound {
        field: "entries_max",
        set: |limits, max| limits.entries_max = max,
        reach: &[
            |space, who, n| {
                for key in &["a", "b", "c"][1..n as usize] {
                    space.ask(who, set_entry(key, 1_i64)).expect("there is room");
                }
                set_entry("a", 1_i64)
            },
            |_, _, n| splice((0..n as i64).map(Datum::from).collect()),
            |space, who, n| {
                for timer in &["a", "b", "c"][1..n as usize] {
                    space
                        .ask(who, schedule(timer, item("x"), Duration::from_secs(1)))
                        .expect("there is room");
                }
                schedule("a", item("x"), Duration::from_secs(1))
            },
        ],
    },
    Bound {
        field: "list_items_max",
        set: |limits, max| limits.list_items_max = max as u32,
        reach: &[|_, _, n| splice((0..n as i64).map(Datum::from).collect())],
    },
    Bound {
        field: "dedupe_keys_max",
        set: |limits, max| limits.dedupe_keys_max = max as u32,
        reach: &[|space, who, n| {
            for key in &["a", "b", "c"][1..n as usize] {
                space.ask(who, deduped(key)).expect("there is room");
            }
            // What is in nobody's way is forgotten when there is no room, and not again after that.
            if n > MAX {
                space.ask(who, deduped("d")).expect_err("no room");
            }
            deduped("a")
        }],
    },
    Bound {
        field: "topic_bindings_max",
        set: |limits, max| limits.topic_bindings_max = max as u32,
        reach: &[|space, who, n| {
            for pattern in &["a", "b", "c"][1..n as usize] {
                space.ask(who, bind(pattern)).expect("there is room");
            }
            bind("a")
        }],
    },
    Bound {
        field: "objects_max",
        set: |limits, max| limits.objects_max = max as u32,
        reach: &[|space, who, n| {
            for event in &["a", "b", "c"][1..n as usize] {
                space.ask(who, set(event)).expect("there is room");
            }
            set("a")
        }],
    },
    Bound {
        field: "waits_max",
        set: |limits, max| limits.waits_max = max as u32,
        reach: &[
            |space, _, n| {
                for _ in 1..n {
                    let other = space.open(Mode::Resumable);
                    space.wait(other, get("q", FOREVER));
                }
                get("q", FOREVER)
            },
            |_, _, n| {
                let options = barrier::Options { parties: Some(n as u32), ephemeral: None };
                Command::Barrier(target("b"), barrier::Command::Declare(options))
            },
        ],
    },
    Bound {
        field: "waits_per_session_max",
        set: |limits, max| limits.waits_per_session_max = max as u32,
        reach: &[
            |space, who, n| {
                (1..n).for_each(|_| _ = space.wait(who, get("q", FOREVER)));
                wait("e", FOREVER)
            },
            |space, who, n| {
                let options = Options { maxsize: Some(1), ..Options::default() };
                space.ask(who, declare("q", options)).expect("it is new");
                space.ask(who, put("q", "x", NOW)).expect("there is room");
                (1..n).for_each(|_| _ = space.wait(who, put("q", "x", FOREVER)));
                put("q", "x", FOREVER)
            },
        ],
    },
    Bound {
        field: "branches_max",
        set: |limits, max| limits.branches_max = max as u32,
        reach: &[
            |_, _, n| select((0..n).map(|_| wait("e", NOW)), FOREVER),
            |_, _, n| all_of(&["a", "b", "c"][..n as usize]),
        ],
    },
    Bound {
        field: "stored_answers_per_session_max",
        set: |limits, max| limits.stored_answers_per_session_max = max as u32,
        reach: &[|space, who, n| {
            (1..n).for_each(|_| _ = space.call(who, set("e")));
            set("e")
        }],
    },
];

/// Bounds that are tried one by one below.
const OTHERWISE: [&str; 10] = [
    "consumers_per_item_max",
    "crashed_offers_max",
    "page_max",
    "participants_per_session_max",
    "session_ttl_max",
    "session_ttl_min",
    "sessions_max",
    "text_bytes_max",
    "timer_firings_max",
    "timer_period_min",
];

const MAX: u64 = 2;

fn letters(count: u64) -> String {
    "x".repeat(count as usize)
}

fn headed(count: u64) -> Payload {
    let headers: Vec<_> = (0..count).map(|n| (n.to_string(), String::new())).collect();
    Payload { headers: Some(headers.into()), ..payload("x") }
}

fn on_pipe(command: pipe::Command) -> Command {
    Command::Pipe(target("p"), command)
}

fn write() -> Box<value::Write> {
    Box::new(value::Write { datum: 1_i64.into(), guard: Guard::default(), lifetime: Lifetime::Lasting })
}

fn splice(items: Vec<Datum>) -> Command {
    let guard = Guard::default();
    let splice = Splice { start: None, remove: 0, items, exact: false, guard, returning: false };
    on_list("l", list::Command::Splice(Box::new(splice)))
}

fn publish(key: &str, item: NewItem) -> Command {
    Command::Topic(target("t"), topic::Command::Publish(Box::new(Publish { key: key.into(), item })))
}

fn bind(pattern: &str) -> Command {
    Command::Topic(target("t"), topic::Command::Bind { queue: target("q"), pattern: pattern.into() })
}

fn deduped(key: &str) -> Command {
    let dedupe = Dedupe { key: key.to_owned().into(), scope: Scope::Queued, refuse: true };
    let attributes = Attributes { dedupe: Some(dedupe), ..Attributes::default() };
    on("q", queue::Command::Put { item: item("x").with(attributes), timeout: NOW })
}

fn schedule(timer: &str, item: NewItem, period: Duration) -> Command {
    let schedule = Schedule { queue: name("q"), item, times: Times::Every(period), missed: Missed::All };
    let schedule = timer::Command::Schedule { schedule: Box::new(schedule), replace: false };
    Command::Timer(target(timer), schedule)
}

fn transaction(steps: impl IntoIterator<Item = Command>) -> Command {
    let step = |command| match command {
        Command::Queue(queue, command) => Step { queue, command },
        other => panic!("not a step: {other:?}"),
    };
    Command::Transaction(steps.into_iter().map(step).collect())
}

fn all_of(locks: &[&str]) -> Command {
    let parts = locks.iter().map(|part| lock(part, NOW)).collect();
    Command::AcquireAll(Box::new(AcquireAll { parts, timeout: FOREVER }))
}

/// Two items more than any batch has here.
fn full(space: &mut Space, who: SessionKey) {
    (0..MAX + 2).for_each(|_| _ = space.ask(who, put("q", "x", NOW)).expect("there is room"));
}

fn leased(space: &mut Space, who: SessionKey, count: u64) -> Vec<Token> {
    full(space, who);
    (0..count).map(|_| token(&space.take_and_accept(who, lease("q", NOW)))).collect()
}

/// A space with such limits, a session, and the call that reaches `n`. What it is about is there already: to create an object and
/// delete it again uses up a handle.
fn prepared(limits: &Limits, reach: Reach, n: u64) -> (Space, SessionKey, Command) {
    let mut space = Space::with(limits.clone());
    let who = space.open(Mode::Resumable);
    if limits.objects_max > MAX as u32 {
        let ephemeral = None;
        for declare in [
            declare("q", Options::default()),
            declare("other", Options::default()),
            declare("another", Options::default()),
            Command::Barrier(target("b"), barrier::Command::Declare(barrier::Options::default())),
            Command::Dict(target("d"), value::Command::Declare(value::Options { ephemeral })),
            Command::List(target("l"), list::Command::Declare(value::Options { ephemeral })),
            Command::Pipe(target("p"), pipe::Command::Declare(pipe::Options::default())),
            Command::Timer(target("a"), timer::Command::Declare(timer::Options { ephemeral })),
            Command::Timer(target("t"), timer::Command::Declare(timer::Options { ephemeral })),
            Command::Topic(target("t"), topic::Command::Declare(topic::Options { ephemeral })),
            set("e"),
            on_event("e", bridge_core::command::event::Command::Clear),
        ] {
            // What it was answered is not to be stored.
            let (op, _) = space.call(who, declare);
            space.done(who, op);
        }
    }
    let command = reach(&mut space, who, n);
    (space, who, command)
}

#[test]
fn one_beyond_is_refused_and_changes_nothing() {
    for Bound { field, set, reach } in &REFUSED {
        let mut limits = Limits::default();
        set(&mut limits, MAX);
        for (index, reach) in reach.iter().enumerate() {
            let case = format!("{field}, case {index}");
            let (mut space, who, command) = prepared(&limits, *reach, MAX);
            let answers = space.call(who, command).1;
            assert!(answers.iter().all(|answer| answer.outcome.is_ok()), "at {case}: {answers:?}");

            let (mut space, who, command) = prepared(&limits, *reach, MAX + 1);
            let (op, answers) = space.call(who, command);
            let error = answers[0].outcome.as_ref().expect_err(&case);
            let said = (error.reason, error.detail("limit"), error.detail("value"));
            assert_eq!(said, (Reason::LimitExceeded, Some(*field), Some("2")), "{case}: {error}");
            space.done(who, op);
            // Another engine, which was asked for nothing instead.
            let (mut twin, who, _) = prepared(&limits, *reach, MAX + 1);
            let (op, _) = twin.call(who, Command::Cancel(Op(0)));
            twin.done(who, op);
            assert_eq!(space.engine.state_hash(), twin.engine.state_hash(), "{case}: something has changed");
        }
    }
}

/// Calls about several objects have taken handles and numbers before they find out. Nothing else is left of that.
#[test]
fn what_a_refused_call_has_begun_is_undone() {
    let events = |n| select(["a", "b", "c"][..n].iter().map(|event| wait(event, NOW)), FOREVER);
    let locks = |n| all_of(&["a", "b", "c"][..n]);
    let puts = |n| transaction(["a", "b", "c"][..n].iter().map(|queue| put(queue, "x", NOW)));
    let of_objects = Limits { objects_max: 2, ..Limits::default() };
    let of_waits = Limits { waits_max: 2, ..Limits::default() };
    let refused = |limits: &Limits, command| {
        let mut space = Space::with(limits.clone());
        let (who, holder) = (space.open(Mode::Resumable), space.open(Mode::Resumable));
        for held in ["a", "b", "c"].into_iter().filter(|_| limits.objects_max > 2) {
            space.take_and_accept(holder, lock(held, NOW)).expect("it is free");
        }
        let before = space.engine.status();
        let answers = space.call(who, command).1;
        let error = answers.iter().find_map(|answer| answer.outcome.as_ref().err())?;
        assert_eq!((error.reason, error.detail("value")), (Reason::LimitExceeded, Some("2")));
        let after = space.engine.status();
        assert_eq!((after.objects, after.waits, after.items), (before.objects, before.waits, before.items));
        error.detail("limit").map(str::to_owned)
    };
    for of in [events, locks, puts] as [fn(usize) -> Command; 3] {
        assert_eq!(refused(&of_objects, of(2)), None);
        assert_eq!(refused(&of_objects, of(3)).as_deref(), Some("objects_max"));
    }
    for of in [events, locks] as [fn(usize) -> Command; 2] {
        assert_eq!(refused(&of_waits, of(2)), None);
        assert_eq!(refused(&of_waits, of(3)).as_deref(), Some("waits_max"));
    }
}

#[test]
fn every_limit_has_its_case() {
    let all = format!("{:?}", Limits::default());
    let fields = all.trim_start_matches("Limits { ").split(", ").filter_map(|field| field.split(':').next());
    let fields: BTreeSet<&str> = fields.collect();
    let tried: BTreeSet<&str> = REFUSED.iter().map(|bound| bound.field).chain(OTHERWISE).collect();
    assert_eq!(fields, tried);
}

#[test]
fn sessions_and_how_long_they_may_live() {
    let (min, max) = (Duration::from_secs(2), Duration::from_secs(20));
    let limits = Limits { sessions_max: 2, session_ttl_min: min, session_ttl_max: max, ..Limits::default() };
    let open = |space: &mut Space, id, ttl| {
        let before = space.engine.state_hash();
        let spec = bridge_core::command::SessionSpec { ttl, ..spec(id, Mode::Resumable) };
        match space.input(Input::Open(spec)).pop() {
            Some(bridge_core::Effect::Opened(Ok(_))) => None,
            Some(bridge_core::Effect::Opened(Err(error))) => {
                assert_eq!(error.reason, Reason::LimitExceeded);
                assert_eq!(space.engine.state_hash(), before);
                Some((error.detail("limit")?.to_owned(), error.detail("value")?.to_owned()))
            }
            other => panic!("not answered: {other:?}"),
        }
    };
    let beyond = |field: &str, value: &str| Some((field.to_owned(), value.to_owned()));
    let mut space = Space::with(limits);
    space.input(Input::Tick);
    assert_eq!(open(&mut space, 1, min - Duration::from_nanos(1)), beyond("session_ttl_min", "2"));
    assert_eq!(open(&mut space, 1, max + Duration::from_nanos(1)), beyond("session_ttl_max", "20"));
    assert_eq!(open(&mut space, 1, min), None);
    assert_eq!(open(&mut space, 2, max), None);
    assert_eq!(open(&mut space, 3, max), beyond("sessions_max", "2"));
}

#[test]
fn a_timer_s_period() {
    let limits = Limits { timer_period_min: Duration::from_millis(20), ..Limits::default() };
    let mut space = Space::with(limits);
    let who = space.open(Mode::Resumable);
    let error = space.ask(who, schedule("t", item("x"), Duration::from_millis(19))).expect_err("too short");
    let said = (error.reason, error.detail("limit"), error.detail("value"));
    assert_eq!(said, (Reason::LimitExceeded, Some("timer_period_min"), Some("20")));
    assert_eq!(space.engine.status().objects, 0);
    space.ask(who, schedule("t", item("x"), Duration::from_millis(20))).expect("just long enough");
}

#[test]
fn missed_firings_beyond_the_bound_are_left_out() {
    let mut space = Space::with(Limits { timer_firings_max: 2, ..Limits::default() });
    let who = space.open(Mode::Resumable);
    space.ask(who, schedule("t", item("x"), Duration::from_secs(1))).expect("it is new");
    space.pass(Duration::from_millis(100_500));
    assert_eq!(space.queue(who, "q").ready, 2 + 1, "two that were missed, and the one that is due");
}

#[test]
fn pages_and_texts_are_cut() {
    let mut space = Space::with(Limits { page_max: 2, text_bytes_max: 3, ..Limits::default() });
    let who = space.open(Mode::Resumable);
    full(&mut space, who);
    let browse = queue::Query::Browse { shelf: queue::Shelf::Ready, page_size: 9, after: None };
    match space.query(who, Query::Queue(target("q"), browse)) {
        Ok(Reply::Queue(queue::Reply::Browsed { items, next })) => {
            assert_eq!((items.len(), next.is_some()), (2, true));
        }
        other => panic!("not browsed: {other:?}"),
    }
    // Never in the middle of a letter.
    let tokens = vec![token(&space.take_and_accept(who, lease("q", NOW)))];
    space.ask(who, on("q", queue::Command::Reject { tokens, reason: "aböö".into() })).expect("it is leased");
    let browse = queue::Query::Browse { shelf: queue::Shelf::Dead, page_size: 9, after: None };
    match space.query(who, Query::Queue(target("q"), browse)) {
        Ok(Reply::Queue(queue::Reply::Browsed { items, .. })) => {
            assert_eq!(items[0].dead_reason.as_deref(), Some("REJECTED: ab"));
        }
        other => panic!("not browsed: {other:?}"),
    }
}

#[test]
fn what_a_session_says_of_itself_is_cut() {
    let mut space = Space::with(Limits { text_bytes_max: 3, ..Limits::default() });
    space.open(Mode::Resumable);
    let spec = bridge_core::command::SessionSpec { label: "too long".into(), ..spec(2, Mode::Resumable) };
    space.input(Input::Open(spec));
    let seen = space.engine.sessions_page(None, 9);
    let seen: Vec<_> = seen.iter().map(|session| (session.label.as_str(), session.host.as_str())).collect();
    assert_eq!(seen, [("s1", "hos"), ("too", "hos")]);
}

#[test]
fn what_is_bound_already_needs_no_room() {
    let mut space = Space::with(Limits { topic_bindings_max: 1, ..Limits::default() });
    let who = space.open(Mode::Resumable);
    space.ask(who, bind("a*")).expect("there is room");
    space.ask(who, bind("a*")).expect("it is bound already");
    assert_eq!(reason(&space.ask(who, bind("a"))), Reason::LimitExceeded);
}

#[test]
fn participants_beyond_the_bound_have_no_label() {
    let mut space = Space::with(Limits { participants_per_session_max: 2, ..Limits::default() });
    let who = space.open(Mode::Resumable);
    for participant in [1, 2, 3, 2] {
        space.input(Input::Label(who, ParticipantId(participant), format!("p{participant}")));
    }
    let label = |space: &mut Space, participant| {
        let name = format!("l{participant}");
        let (op, _) =
            space.call_by(who, participant, bridge_core::command::Carrier::Stream, lock(&name, NOW));
        space.done(who, op);
        space.lock(who, &name).holder.expect("it is held").participant
    };
    assert_eq!([1, 2, 3].map(|participant| label(&mut space, participant)), ["p1", "p2", ""]);
}

#[test]
fn an_item_that_kills_its_consumers_is_a_dead_letter() {
    let limits = Limits { crashed_offers_max: 2, consumers_per_item_max: 1, ..Limits::default() };
    let mut space = Space::with(limits);
    let who = space.open(Mode::Resumable);
    space.ask(who, put("q", "x", NOW)).expect("there is room");
    for dead in [0, 1] {
        assert_eq!(space.queue(who, "q").dead, 0, "after {dead} of 2");
        let consumer = space.open(Mode::Resumable);
        space.call(consumer, get("q", NOW));
        space.input(Input::End(consumer, EndReason::Expired));
    }
    let browse = queue::Query::Browse { shelf: queue::Shelf::Dead, page_size: 9, after: None };
    match space.query(who, Query::Queue(target("q"), browse)) {
        Ok(Reply::Queue(queue::Reply::Browsed { items, .. })) => {
            assert_eq!(items[0].dead_reason.as_deref(), Some("CONSUMER_CRASHED"));
            assert_eq!(items[0].consumers.len(), 1, "the first one");
        }
        other => panic!("not browsed: {other:?}"),
    }
}

#[test]
fn names_and_permits_have_fixed_bounds() {
    let long = |bytes: usize| bridge_core::ids::Name::parse("name", &"n".repeat(bytes));
    assert!(long(255).is_ok());
    let error = long(256).expect_err("too long");
    assert_eq!((error.detail("limit"), error.detail("value")), (Some("name_bytes_max"), Some("255")));
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, permits("most", PERMITS_MAX)).expect("just so many");
    let error = space.ask(who, permits("more", PERMITS_MAX + 1)).expect_err("too many");
    let value = PERMITS_MAX.to_string();
    assert_eq!((error.detail("limit"), error.detail("value")), (Some("permits_max"), Some(value.as_str())));
}
