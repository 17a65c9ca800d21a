//! What is written is read back the same; what is wrong is named.

mod batches;
mod pipes;
mod repeated;
mod several;
mod timers;
mod topics;
mod vectors;

use std::time::Duration;

use bytes::Bytes;
use syncbridge_proto::v1 as pb;

use super::*;
use crate::command::{
    OnDeadlock, barrier, condition, event, latch, list, lock, queue, rwlock, semaphore, value,
};
use crate::ids::{Handle, ItemId, Token};
use crate::payload::{ContentType, Payload};

fn name(text: &str) -> Name {
    Name::parse("name", text).expect("a valid name")
}

fn item(key: &'static [u8]) -> queue::NewItem {
    let headers = Some(vec![("traceparent".to_owned(), "00-ab".to_owned())].into());
    let payload = Payload { headers, ..Payload::new(ContentType::Cbor, vec![1, 2, 3]) };
    queue::NewItem { key: key.into(), ..queue::NewItem::new(payload) }
}

fn timed(delay_ms: u64) -> queue::NewItem {
    let attributes = queue::Attributes {
        delay: Duration::from_millis(delay_ms),
        ttl: Some(Duration::from_secs(60)),
        group: Some("group".into()),
        end: Some(queue::End::Front),
        ..Default::default()
    };
    queue::NewItem { attributes: Some(Box::new(attributes)), ..plain(b"timed") }
}

fn held(batch: queue::Batch, max_hold: Duration) -> queue::Taking {
    queue::Taking { max_hold: Some(max_hold), ..queue::Taking::new(queue::Mode::Lease, batch) }
}

fn keyed(scope: queue::Scope) -> queue::NewItem {
    let dedupe = queue::Dedupe { key: Bytes::from_static(b"same"), scope, refuse: true };
    let attributes = queue::Attributes { dedupe: Some(dedupe), ..Default::default() };
    queue::NewItem { attributes: Some(Box::new(attributes)), ..plain(b"keyed") }
}

fn delivery(id: u64) -> queue::Delivery {
    queue::Delivery {
        id: ItemId(id),
        payload: Payload::new(ContentType::Other("image/png".to_owned().into()), vec![9; 40]),
        key: b"k".into(),
        token: Token(id + 100),
        attempt: 2,
        age: Duration::from_millis(1_500),
    }
}

fn barriers_and_latches() -> Vec<Request> {
    use barrier::{Arrive, Command as B, OnCancel};
    let target = || Target::Handle(Handle { slot: 2, generation: 1 });
    let timeout = Timeout::After(Duration::from_secs(1));
    let arrive = |has_action, on_cancel| B::Wait(Arrive { timeout, has_action, on_cancel });
    let barriers = [
        arrive(true, OnCancel::Break),
        arrive(false, OnCancel::Leave),
        B::ActionDone { action: Token(5), error: None },
        B::ActionDone { action: Token(5), error: Some(String::new()) },
        B::Reset,
        B::Abort,
    ];
    let latches = [latch::Command::CountDown { by: 3 }, latch::Command::Wait { timeout }];
    let options = barrier::Options { parties: Some(3), ephemeral: Some(true) };
    let declare = Command::Barrier(Target::Name(name("b")), B::Declare(options));
    let mut all = vec![Request::Command(declare)];
    let options = latch::Options { count: Some(0), ephemeral: None };
    let declare = Command::Latch(Target::Name(name("l")), latch::Command::Declare(options));
    all.push(Request::Command(declare));
    all.extend(barriers.map(|c| Request::Command(Command::Barrier(target(), c))));
    all.extend(latches.map(|c| Request::Command(Command::Latch(target(), c))));
    all.push(Request::Query(Query::Barrier(target(), barrier::Query::Describe)));
    all.push(Request::Query(Query::Latch(target(), latch::Query::Describe)));
    all
}

fn barrier_and_latch_replies() -> Vec<Reply> {
    use barrier::{Arrived, Cause, Reply as B};
    let arrived = |action| B::Arrived(Arrived { index: 2, generation: 3, action });
    let figures = |broken| {
        let options = barrier::Options { parties: Some(3), ephemeral: Some(true) };
        B::Described(Box::new(barrier::Figures { options, waiting: 1, generation: 4, broken, acting: true }))
    };
    let mut all: Vec<B> = vec![arrived(None), arrived(Some(Token(8))), B::ActionDone { passed: true }];
    all.extend([B::Reset, B::Aborted, figures(None), figures(Some(Cause::PartyLost))]);
    let options = latch::Options { count: Some(7), ephemeral: Some(false) };
    let figures = latch::Figures { options, count: 2, waiting: 1 };
    let latches = [
        latch::Reply::CountedDown { count: 4 },
        latch::Reply::Waited { is_open: true },
        latch::Reply::Described(Box::new(figures)),
    ];
    all.into_iter().map(Reply::Barrier).chain(latches.map(Reply::Latch)).collect()
}

/// Of all three kinds.
fn values() -> Vec<Request> {
    use value::{Command as V, Datum, Guard, Lifetime, Query as Asked};
    let target = || Target::Handle(Handle { slot: 2, generation: 1 });
    let timeout = Timeout::After(Duration::from_secs(1));
    let fence = Some(Token(9));
    let guard = Guard { if_version: Some(0), fence };
    let set = |key: &'static str, datum: Datum, guard, lifetime| V::Set {
        key: key.into(),
        write: Box::new(value::Write { datum, guard, lifetime }),
    };
    let ttl = Some(Duration::from_millis(1_500));
    let options = value::Options { ephemeral: Some(true) };
    let commands = [
        V::Declare(options),
        set("k", Payload::new(ContentType::Cbor, vec![1]).into(), guard, Lifetime::Kept),
        set("k", i64::MIN.into(), Guard::default(), Lifetime::Lasting),
        set("k", f64::NAN.into(), guard, Lifetime::Limited { ttl, bound: true }),
        V::Delete { key: "k".into(), guard, returning: true },
        V::Increment { key: "k".into(), by: 0.5.into(), fence },
        V::Clear { fence: None },
        V::Watch { key: Some("k".into()), after: 7, timeout },
        V::Watch { key: None, after: 0, timeout: Timeout::Never },
    ];
    let splice = list::Splice {
        start: Some(-1),
        remove: 2,
        items: vec![3.into(), Payload::new(ContentType::Text, "x").into()],
        exact: true,
        guard,
        returning: true,
    };
    let of_list = [
        list::Command::Declare(options),
        list::Command::Splice(Box::new(splice)),
        list::Command::Splice(Box::default()),
        list::Command::Increment { index: -2, by: 1.into(), fence },
        list::Command::Clear { fence },
        list::Command::Watch { after: 3, timeout },
    ];
    let mut all: Vec<Request> = commands
        .into_iter()
        .map(|c| {
            let declares = matches!(c, V::Declare(_));
            Request::Command(Command::Dict(if declares { Target::Name(name("d")) } else { target() }, c))
        })
        .collect();
    all.extend(of_list.into_iter().map(|c| {
        let declares = matches!(c, list::Command::Declare(_));
        Request::Command(Command::List(if declares { Target::Name(name("l")) } else { target() }, c))
    }));
    let of_value = set("", 1.into(), Guard::default(), Lifetime::Lasting);
    all.push(Request::Command(Command::Value(target(), of_value)));
    all.push(Request::Command(Command::Value(target(), V::Clear { fence })));
    let watch = V::Watch { key: Some(Bytes::new()), after: 7, timeout };
    all.push(Request::Command(Command::Value(target(), watch)));
    let get = |key: &'static str| Asked::Get { key: key.into(), version_only: true };
    let items = Asked::Items { page_size: 3, after: Some("k".into()), keys_only: true };
    all.extend([get("k"), items, Asked::Describe].map(|q| Request::Query(Query::Dict(target(), q))));
    all.extend([get(""), Asked::Describe].map(|q| Request::Query(Query::Value(target(), q))));
    let of_list = [list::Query::Read { start: -3, page_size: 2, exact: true }, list::Query::Describe];
    all.extend(of_list.map(|q| Request::Query(Query::List(target(), q))));
    all
}

fn requests() -> Vec<Request> {
    use queue::Command as Q;
    let by_handle = Target::Handle(Handle { slot: 7, generation: 3 });
    let timeout = Timeout::After(Duration::from_millis(2_500));
    let batch = queue::Batch { max: 32, min: 2, linger: Duration::from_millis(5) };
    let queue_options = queue::Options {
        discipline: Some(queue::Discipline::Priority),
        maxsize: Some(0),
        max_bytes: Some(1 << 20),
        bound: Some(queue::Bound::Unfinished),
        max_deliveries: Some(3),
        dead_letters: Some(name("dead")),
        ephemeral: Some(true),
        robust: Some(false),
    };
    let semaphore_options = semaphore::Options {
        limit: Some(-2),
        bounded: Some(true),
        ownership: Some(semaphore::Ownership::None),
        ephemeral: Some(false),
        deadlock: Some(OnDeadlock::Off),
    };
    let acquire = semaphore::Acquire { permits: 3, by_token: true, barge: true, timeout };
    let cursor = queue::Cursor { key: [0, 255].into(), arrival: -4 };
    let queue_commands = [
        Q::Put { item: item(b""), timeout: Timeout::Never },
        Q::PutMany { items: vec![item(b"a"), item(b"b")], timeout },
        Q::PutMany { items: vec![timed(2_500), timed(0)], timeout },
        Q::Put { item: keyed(queue::Scope::Queued), timeout },
        Q::Put { item: keyed(queue::Scope::Unfinished), timeout },
        Q::Put { item: keyed(queue::Scope::Window(Duration::from_secs(60))), timeout },
        Q::Take { taking: queue::Taking::new(queue::Mode::Get, queue::Batch::ONE), timeout: Timeout::NOW },
        Q::Take { taking: queue::Taking::new(queue::Mode::Get, batch), timeout },
        Q::Take { taking: queue::Taking::new(queue::Mode::Lease, queue::Batch::ONE), timeout },
        Q::Take { taking: held(batch, Duration::from_secs(9)), timeout },
        Q::Take {
            taking: queue::Taking { prefetch: true, ..held(queue::Batch::ONE, Duration::from_secs(9)) },
            timeout,
        },
        Q::Take {
            taking: queue::Taking { end: queue::End::Back, ..held(batch, Duration::from_secs(9)) },
            timeout,
        },
        Q::Take { taking: held(queue::Batch::ONE, Duration::from_millis(1)), timeout },
        Q::Extend {
            tokens: vec![Token(1)],
            max_hold: Some(Duration::from_secs(9)),
            progress: Some("half".into()),
        },
        Q::Extend { tokens: vec![Token(1)], max_hold: None, progress: None },
        Q::Ack { tokens: vec![Token(1), Token(2)] },
        Q::Nack {
            tokens: vec![Token(1)],
            reentry: queue::Reentry::Front,
            delay: Duration::from_secs(4),
            error: "no".into(),
        },
        Q::Reject { tokens: vec![Token(1)], reason: "bad".into() },
        Q::TaskDone { count: 2 },
        Q::Join { timeout },
        Q::Forgive,
        Q::Redrive(Box::new(queue::Redrive { which: queue::Which::All, to: None })),
        Q::Redrive(Box::new(queue::Redrive {
            which: queue::Which::First(7),
            to: Some(Target::Existing(name("q2"))),
        })),
        Q::Move(Box::new(queue::Move {
            which: queue::Which::Ids(vec![ItemId(9), ItemId(8)]),
            to: Target::Name(name("q2")),
        })),
        Q::Remove { ids: vec![ItemId(5)] },
        Q::Purge,
        Q::Shutdown { immediate: true },
    ];
    let semaphore_commands = [
        semaphore::Command::Acquire(acquire),
        semaphore::Command::Release { permits: 2, token: Some(Token(8)) },
        semaphore::Command::Drain,
        semaphore::Command::Reduce { permits: 1 },
        semaphore::Command::SetLimit { limit: 9 },
    ];
    let event_commands =
        [event::Command::Set, event::Command::Clear, event::Command::Wait { timeout, after: Some(0) }];
    let event_options = event::Options { auto_reset: Some(true), ephemeral: None };
    let browse = queue::Query::Browse { shelf: queue::Shelf::Dead, page_size: 10, after: Some(cursor) };

    let mut all: Vec<Request> = Vec::new();
    let mut command = |command| all.push(Request::Command(command));
    command(Command::Cancel(Op(4)));
    command(Command::Hasten(Op(4)));
    command(Command::Discard(Kind::Event, Target::Name(name("e"))));
    command(Command::Discard(Kind::Semaphore, by_handle.clone()));
    command(Command::Share(Kind::Queue, Target::Existing(name("q"))));
    command(Command::Share(Kind::Event, by_handle.clone()));
    command(Command::Queue(Target::Existing(name("q")), Q::Declare(queue_options.clone())));
    command(Command::Semaphore(Target::Existing(name("s")), semaphore::Command::Drain));
    command(Command::Queue(Target::Name(name("q")), Q::Declare(queue_options)));
    command(Command::Event(Target::Name(name("e")), event::Command::Declare(event_options)));
    let declare = semaphore::Command::Declare(semaphore_options);
    command(Command::Semaphore(Target::Name(name("s")), declare));
    queue_commands.into_iter().for_each(|c| command(Command::Queue(by_handle.clone(), c)));
    event_commands.into_iter().for_each(|c| command(Command::Event(by_handle.clone(), c)));
    semaphore_commands.into_iter().for_each(|c| command(Command::Semaphore(by_handle.clone(), c)));
    let lock_options = lock::Options {
        reentrant: Some(true),
        ownership: Some(semaphore::Ownership::Session),
        foreign_release: Some(false),
        ephemeral: None,
        deadlock: Some(OnDeadlock::Report),
    };
    command(Command::Lock(Target::Name(name("l")), lock::Command::Declare(lock_options)));
    let declare = rwlock::Command::Declare(rwlock::Options {
        ephemeral: Some(true),
        deadlock: Some(OnDeadlock::Raise),
    });
    command(Command::RwLock(Target::Name(name("rw")), declare));
    let lease = Some(Duration::from_millis(2_500));
    let rwlock_commands = [
        rwlock::Command::Acquire(rwlock::Acquire {
            lease,
            ..rwlock::Acquire::within(rwlock::Mode::Read, timeout)
        }),
        rwlock::Command::Acquire(rwlock::Acquire {
            barge: true,
            ..rwlock::Acquire::within(rwlock::Mode::Write, Timeout::Never)
        }),
        rwlock::Command::Extend { token: Token(8), lease },
        rwlock::Command::Release { mode: rwlock::Mode::Read, token: None },
        rwlock::Command::Release { mode: rwlock::Mode::Write, token: Some(Token(8)) },
    ];
    rwlock_commands.into_iter().for_each(|c| command(Command::RwLock(by_handle.clone(), c)));
    let options = condition::Options { ephemeral: Some(true) };
    let declare = condition::Command::Declare { lock: name("l"), options };
    command(Command::Condition(Target::Name(name("c")), declare));
    let condition_commands = [
        condition::Command::Wait { timeout },
        condition::Command::Notify { count: Some(3) },
        condition::Command::Notify { count: None },
    ];
    condition_commands.into_iter().for_each(|c| command(Command::Condition(by_handle.clone(), c)));
    let lease = Some(Duration::from_millis(2_500));
    let lock_commands = [
        lock::Command::Acquire(lock::Acquire { barge: true, lease: None, timeout }),
        lock::Command::Acquire(lock::Acquire { barge: false, lease, timeout: Timeout::Never }),
        lock::Command::Extend { token: Token(8), lease },
        lock::Command::Extend { token: Token(8), lease: None },
        lock::Command::Release { token: None },
        lock::Command::Release { token: Some(Token(8)) },
    ];
    lock_commands.into_iter().for_each(|c| command(Command::Lock(by_handle.clone(), c)));
    for query in [queue::Query::Describe, browse] {
        all.push(Request::Query(Query::Queue(by_handle.clone(), query)));
    }
    all.push(Request::Query(Query::Event(by_handle.clone(), event::Query::Describe)));
    all.push(Request::Query(Query::Lock(by_handle.clone(), lock::Query::Describe)));
    all.push(Request::Query(Query::RwLock(by_handle.clone(), rwlock::Query::Describe)));
    all.push(Request::Query(Query::Condition(by_handle.clone(), condition::Query::Describe)));
    all.push(Request::Query(Query::Event(Target::Existing(name("e")), event::Query::Describe)));
    let holders = semaphore::Query::Holders { page_size: 7, after: Some(Token(3)) };
    for query in [semaphore::Query::Describe, holders] {
        all.push(Request::Query(Query::Semaphore(by_handle.clone(), query)));
    }
    all.extend(barriers_and_latches());
    all.extend(values());
    all.push(transaction());
    all.extend(timers::requests());
    all.extend(topics::requests());
    all.extend(pipes::requests());
    all.extend(several::requests());
    all
}

#[test]
fn every_request_survives_the_wire() {
    for request in requests() {
        let message = command(Op(17), ParticipantId(3), &request);
        let bytes = prost::Message::encode_to_vec(&message);
        let message = <pb::Command as prost::Message>::decode(&bytes[..]).expect("decodes");
        let expected = Numbered { op: Op(17), participant: ParticipantId(3), request: Ok(request) };
        assert_eq!(numbered(message), Ok(expected));
    }
}

fn transaction() -> Request {
    use crate::command::transaction::Step;
    let timeout = Timeout::Never;
    let commands = [
        queue::Command::Put { item: item(b"k"), timeout },
        queue::Command::PutMany { items: vec![timed(5), item(b"")], timeout },
        queue::Command::Ack { tokens: vec![Token(5)] },
        queue::Command::Nack {
            tokens: vec![Token(6)],
            reentry: queue::Reentry::Back,
            delay: Duration::ZERO,
            error: "e".into(),
        },
        queue::Command::Reject { tokens: vec![Token(7)], reason: "r".into() },
    ];
    let steps = commands.map(|command| Step { queue: Target::Existing(name("q")), command });
    Request::Command(Command::Transaction(steps.into()))
}

fn value_replies() -> Vec<value::Reply> {
    use value::Reply as R;
    let item = || Box::new(value::Item { datum: Some(0.5.into()), version: 5, as_of: 6 });
    let entry = value::Entry {
        key: "k".into(),
        datum: Some(Payload::new(ContentType::Text, "x").into()),
        version: 4,
        remaining: Some(Duration::from_secs(2)),
        bound: true,
    };
    let bare = value::Entry { datum: None, remaining: None, ..entry.clone() };
    let options = value::Options { ephemeral: Some(false) };
    let figures = value::Figures { options, length: 2, version: 9, bytes: 70, waiting: 1 };
    let removed = vec![1.into(), 2.into()];
    vec![
        R::Declared { handle: Handle { slot: 0, generation: 1 }, options },
        R::Set { done: true, item: Box::default() },
        R::Deleted { done: false, item: item() },
        R::Incremented(item()),
        R::Cleared(3),
        R::Watched { changed: true, item: item() },
        R::Got(item()),
        R::Items(Box::new(value::Page { entries: vec![entry, bare], more: true, as_of: 8 })),
        R::Described(Box::new(figures)),
        R::Read(Box::new(list::Page { items: removed.clone(), start: 4, length: 6, version: 2 })),
        R::Spliced(Box::new(list::Spliced { done: true, removed, length: 3, version: 8 })),
    ]
}

#[test]
fn values_say_what_is_wrong() {
    use pb::ObjectKind::{Dict, Event, List, Value};
    let set = |kind: pb::ObjectKind, key: &'static str| pb::ValueServiceSetRequest {
        kind: kind.into(),
        name: "v".into(),
        key: key.into(),
        datum: Some((&value::Datum::from(1)).into()),
        ..Default::default()
    };
    let clear = pb::ValueServiceClearRequest { kind: Event.into(), name: "v".into(), ..Default::default() };
    let items =
        pb::ValueServiceListItemsRequest { kind: List.into(), name: "v".into(), ..Default::default() };
    let kept = pb::ValueServiceSetRequest {
        lifetime: Some(pb::Lifetime::default()),
        keep_lifetime: true,
        ..set(Value, "")
    };
    let cases: [(Result<Request, Error>, &str); 7] = [
        (set(Value, "k").try_into(), "key"),
        (set(Dict, "").try_into(), "key"),
        (set(List, "k").try_into(), "kind"),
        (pb::ValueServiceSetRequest { datum: None, ..set(Value, "") }.try_into(), "datum"),
        (kept.try_into(), "keep_lifetime"),
        (clear.try_into(), "kind"),
        (items.try_into(), "kind"),
    ];
    for (result, field) in cases {
        let error = result.expect_err(field);
        assert_eq!((error.reason, error.detail("field")), (Reason::InvalidArgument, Some(field)));
    }
}

fn outcomes() -> Vec<Outcome> {
    let taken = |mode, count: u64| {
        queue::Reply::Taken(Box::new(queue::Taken { mode, deliveries: (1..=count).map(delivery).collect() }))
    };
    let browsed = queue::Browsed {
        id: ItemId(3),
        payload: Payload::new(ContentType::Text, "x"),
        key: queue::Key::default(),
        shelf: queue::Shelf::Delayed,
        attempts: 4,
        age: Duration::from_secs(2),
        ready_in: Some(Duration::from_millis(1_250)),
        expires_in: Some(Duration::from_secs(5)),
        dead_reason: Some("max_deliveries".into()),
        dead_from: Some(name("q")),
        dead_for: Some(Duration::from_secs(3)),
        last_error: None,
        progress: Some("half".into()),
        group: Some("group".into()),
        consumers: vec!["resizer@host:4711".into()],
    };
    let cursor = Box::new(queue::Cursor { key: b"\x01z".into(), arrival: i64::MIN });
    let queue_replies = [
        taken(queue::Mode::Get, 1),
        taken(queue::Mode::Get, 3),
        taken(queue::Mode::Lease, 1),
        taken(queue::Mode::Lease, 2),
        queue::Reply::Browsed { items: vec![browsed], next: Some(cursor) },
        queue::Reply::Described(Box::new(queue::Figures {
            ready: 3,
            held_back: 2,
            delayed: 5,
            expired: 6,
            lost: 7,
            offered: 2,
            shut_down: true,
            ..Default::default()
        })),
        queue::Reply::PutMany(vec![ItemId(1), ItemId(2)]),
        queue::Reply::Purged(4),
        queue::Reply::Forgiven(8),
        queue::Reply::Redriven { count: 9, stayed: 1 },
        queue::Reply::Moved(vec![ItemId(3), ItemId(1)]),
        queue::Reply::Extended,
        queue::Reply::Duplicate(ItemId(7)),
    ];
    let error = Error::limit("waits_max", 5).with("asked", "6");
    let drained = semaphore::Reply::Drained { drained: -3, token: None };
    let mut outcomes: Vec<Outcome> = queue_replies.into_iter().map(|reply| Ok(Reply::Queue(reply))).collect();
    outcomes.push(Ok(Reply::Event(event::Reply::Waited { is_set: true, version: 3 })));
    outcomes.push(Ok(Reply::Semaphore(drained)));
    let holder = semaphore::Holder {
        token: Token(5),
        permits: 2,
        by_token: true,
        held_for: Duration::from_secs(3),
        participant: "worker".into(),
        session: "resizer@host:4711".into(),
    };
    outcomes.push(Ok(Reply::Semaphore(semaphore::Reply::Holders(Box::new(semaphore::Holders {
        holders: vec![holder],
        next: Some(Token(5)),
    })))));
    let abandoned = lock::Abandoned {
        cause: lock::Cause::Lease,
        token: Token(7),
        ago: Duration::from_millis(1_500),
        participant: "worker".into(),
        session: "resizer@host:4711".into(),
    };
    let abandoned = Some(Box::new(abandoned));
    let holder = lock::Holder {
        token: Token(9),
        levels: 2,
        held_for: Duration::from_secs(3),
        lease: Some(Duration::from_secs(4)),
        participant: "worker".into(),
        session: "resizer@host:4712".into(),
    };
    let reading = rwlock::Figures {
        writer: Some(holder.clone()),
        readers: vec![holder.clone()],
        reading: 1,
        abandoned: abandoned.clone(),
        waiting: 2,
        ..Default::default()
    };
    outcomes
        .push(Ok(Reply::RwLock(rwlock::Reply::Acquired(lock::Grant { token: Token(9), abandoned: None }))));
    outcomes.push(Ok(Reply::RwLock(rwlock::Reply::Released)));
    outcomes.push(Ok(Reply::RwLock(rwlock::Reply::Extended)));
    outcomes.push(Ok(Reply::RwLock(rwlock::Reply::Described(Box::new(reading)))));
    for woken in [condition::Woken::Notified, condition::Woken::TimedOut, condition::Woken::Cancelled] {
        let grant = lock::Grant { token: Token(9), abandoned: abandoned.clone() };
        outcomes.push(Ok(Reply::Condition(condition::Reply::Waited { woken, grant })));
    }
    outcomes.push(Ok(Reply::Condition(condition::Reply::Notified { count: 3 })));
    let waiting = condition::Figures { lock: Some(name("l")), waiting: 2, ..Default::default() };
    outcomes.push(Ok(Reply::Condition(condition::Reply::Described(waiting))));
    let options = lock::Options { reentrant: Some(true), ..Default::default() };
    let figures = lock::Figures { options, holder: Some(holder), abandoned: abandoned.clone(), waiting: 2 };
    outcomes.push(Ok(Reply::Lock(lock::Reply::Acquired(lock::Grant { token: Token(9), abandoned }))));
    outcomes.push(Ok(Reply::Lock(lock::Reply::Released)));
    outcomes.push(Ok(Reply::Lock(lock::Reply::Extended)));
    outcomes.push(Ok(Reply::Lock(lock::Reply::Described(Box::new(figures)))));
    outcomes.extend(barrier_and_latch_replies().into_iter().map(Ok));
    outcomes.extend(timers::replies().map(Ok));
    outcomes.extend(topics::replies().map(Ok));
    outcomes.extend(pipes::replies().map(Ok));
    outcomes.extend(value_replies().into_iter().map(|reply| Ok(Reply::Value(reply))));
    outcomes.push(Ok(Reply::Cancelled(true)));
    outcomes.push(Ok(Reply::Discarded));
    outcomes.extend([Ok(Reply::Hastened), Ok(Reply::Recalled), Ok(Reply::Lost(vec![Token(5), Token(7)]))]);
    outcomes.push(Ok(Reply::Shared));
    outcomes.push(Ok(Reply::Committed(vec![
        queue::Reply::Put(ItemId(5)),
        queue::Reply::PutMany(vec![ItemId(6), ItemId(7)]),
        queue::Reply::Acked,
        queue::Reply::Nacked,
        queue::Reply::Rejected,
    ])));
    outcomes.extend(several::replies().into_iter().map(Ok));
    outcomes.push(Err(error));
    outcomes
}

#[test]
fn every_outcome_survives_the_wire() {
    for (expected, packs) in
        outcomes().into_iter().flat_map(|outcome| [(outcome.clone(), false), (outcome, true)])
    {
        let bytes = prost::Message::encode_to_vec(&answer(Op(9), expected.clone(), packs));
        let message = <pb::Answer as prost::Message>::decode(&bytes[..]).expect("decodes");
        let (op, mut found) = outcome(message).expect("has an op");
        assert_eq!(op, Op(9));
        if let (Err(found), Err(expected)) = (&mut found, &expected) {
            found
                .metadata
                .sort_by_key(|(name, _)| expected.metadata.iter().position(|(other, _)| other == name));
        }
        assert_eq!(found, expected);
    }
}

fn plain(value: &[u8]) -> queue::NewItem {
    let payload = Payload::new(ContentType::Text, value.to_vec());
    queue::NewItem::new(payload)
}

#[test]
fn every_reason_has_its_number() {
    for (reason, number) in REASONS {
        assert_eq!(number.as_str_name(), format!("REASON_{reason}"));
    }
    let known = (1..100).filter(|number| pb::Reason::try_from(*number).is_ok()).count();
    assert_eq!(known, REASONS.len());
}

#[test]
fn bad_input_names_the_field() {
    let put =
        |queue: &str, item| pb::QueueServicePutRequest { queue: queue.into(), item, ..Default::default() };
    let good = pb::NewItem { payload: Some(pb::Payload::default()), ..Default::default() };
    let lease =
        |max, min| pb::QueueServiceLeaseManyRequest { queue: "q".into(), max, min, ..Default::default() };
    let negative = pb::QueueServiceGetRequest {
        queue: "q".into(),
        timeout: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        ..Default::default()
    };
    let page =
        pb::QueueServiceBrowseRequest {
            queue: "q".into(), page_token: "1.€€".into(), ..Default::default()
        };
    let packed = |data: &[u8], sizes: &[u32], items| {
        let packed = pb::PackedItems {
            data: Bytes::copy_from_slice(data),
            sizes: sizes.to_vec(),
            ..Default::default()
        };
        let packed = Some(packed);
        pb::QueueServicePutManyRequest { queue: "q".into(), items, packed, ..Default::default() }
    };
    let cases: [(Result<Request, Error>, &str); 13] = [
        (packed(b"abc", &[1, 1], vec![]).try_into(), "packed"),
        (packed(b"abc", &[1, 3], vec![]).try_into(), "packed"),
        (packed(b"abc", &[u32::MAX, 4], vec![]).try_into(), "packed"),
        (packed(b"", &[], vec![]).try_into(), "packed"),
        (packed(b"a", &[1], vec![good.clone()]).try_into(), "packed"),
        (put("", Some(good.clone())).try_into(), "queue"),
        (put("a\0b", Some(good.clone())).try_into(), "queue"),
        (put("a/b", Some(good.clone())).try_into(), "queue"),
        (put("q", None).try_into(), "item"),
        (lease(0, 0).try_into(), "max"),
        (lease(3, 4).try_into(), "max"),
        (negative.try_into(), "timeout"),
        (page.try_into(), "page_token"),
    ];
    for (result, field) in cases {
        let error = result.expect_err(field);
        assert_eq!((error.reason, error.detail("field")), (Reason::InvalidArgument, Some(field)));
    }
    let long: Result<Request, Error> = put(&"x".repeat(256), Some(good)).try_into();
    assert_eq!(long.expect_err("too long").reason, Reason::LimitExceeded);
    assert!(numbered(pb::Command { op: 0, ..Default::default() }).is_err());
    assert!(numbered(pb::Command { op: 1, ..Default::default() }).expect("has an op").request.is_err());
}
