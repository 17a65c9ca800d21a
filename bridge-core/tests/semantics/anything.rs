//! Whatever comes, in whatever order: the invariants hold, nothing panics, and a replay ends in the same state.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::OnDeadlock;
use bridge_core::command::acquire_all::AcquireAll;
use bridge_core::command::queue::{
    self, Attributes, Batch, Bound, Dedupe, Discipline, End, NewItem, Options, Reentry, Scope, Taking, Which,
};
use bridge_core::command::semaphore::{self, Acquire, Ownership};
use bridge_core::command::transaction;
use bridge_core::command::value::{self, Datum, Guard, Lifetime};
use bridge_core::command::{
    Call, Carrier, Command, EndReason, Input, Mode, barrier, condition, event, latch, list, lock, pipe,
    rwlock, timer, topic,
};
use bridge_core::cron::Cron;
use bridge_core::ids::{Handle, ItemId, Kind, Op, OpRange, ParticipantId, SessionKey, Target, Token};
use bridge_core::{Limits, Timeout};
use bytes::Bytes;
use proptest::prelude::*;

use crate::support::*;

fn any_timeout() -> impl Strategy<Value = Timeout> {
    prop_oneof![Just(NOW), Just(FOREVER), (0_u64..9).prop_map(seconds)]
}

fn any_lease() -> impl Strategy<Value = Option<Duration>> {
    prop::option::of((0_u64..4).prop_map(Duration::from_secs))
}

fn any_target() -> impl Strategy<Value = Target> {
    let handle =
        (0_u32..3, 0_u32..4).prop_map(|(slot, generation)| Target::Handle(Handle { slot, generation }));
    let named = || prop::sample::select(vec!["a", "b"]);
    let existing = named().prop_map(|text| Target::Existing(name(text)));
    prop_oneof![6 => named().prop_map(target), 1 => existing, 1 => handle]
}

fn token() -> impl Strategy<Value = Token> {
    (990_u64..1150).prop_map(Token)
}

pub(crate) fn new_item() -> impl Strategy<Value = NewItem> {
    let scope = prop_oneof![
        Just(Scope::Queued),
        Just(Scope::Unfinished),
        (0_u64..2_000).prop_map(|window| Scope::Window(Duration::from_millis(window)))
    ];
    let dedupe = (0_usize..4, scope, any::<bool>()).prop_map(|(bytes, scope, refuse)| Dedupe {
        key: vec![7; bytes].into(),
        scope,
        refuse,
    });
    let group = prop::option::of(prop::sample::select(vec!["", "g", "h"]));
    let attributes = (0_u64..2_000, prop::option::of(0_u64..3_000), prop::option::of(dedupe), group);
    let attributes = (attributes, prop::option::of(any_end()));
    let attributes = attributes.prop_map(|((delay, ttl, dedupe, group), end)| {
        let (delay, ttl) = (Duration::from_millis(delay), ttl.map(Duration::from_millis));
        let group = group.map(Arc::from);
        Box::new(Attributes { delay, ttl, dedupe, group, end })
    });
    (0_u8..3, prop::option::weighted(0.3, attributes)).prop_map(|(key, attributes)| {
        let key = if key == 0 { Vec::new() } else { vec![key] };
        NewItem { attributes, key: key.into(), ..NewItem::new(payload("item")) }
    })
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        Just(Which::All),
        (0_u64..4).prop_map(Which::First),
        prop::collection::vec(990_u64..1150, 0..9)
            .prop_map(|ids| Which::Ids(ids.into_iter().map(ItemId).collect())),
    ]
}

fn any_end() -> impl Strategy<Value = End> {
    prop_oneof![3 => Just(End::Front), 1 => Just(End::Back)]
}

fn queue_command() -> impl Strategy<Value = queue::Command> {
    use queue::Command as Do;
    let options = (0_u64..3, 0_u32..3, any::<Option<bool>>(), any::<bool>()).prop_map(
        |(maxsize, max_deliveries, ephemeral, priority)| Options {
            discipline: priority.then_some(Discipline::Priority),
            maxsize: (maxsize > 0).then_some(maxsize),
            max_bytes: (max_deliveries > 0).then_some(5 * maxsize),
            bound: priority.then_some(Bound::Unfinished),
            max_deliveries: (max_deliveries > 0).then_some(max_deliveries),
            dead_letters: (max_deliveries > 1).then(|| name("b")),
            ephemeral,
            robust: (maxsize == 0).then_some(false),
        },
    );
    let hold = || prop::option::weighted(0.3, (0_u64..2_000).prop_map(Duration::from_millis));
    let take = (any::<bool>(), 0_u32..4, 0_u32..4, 0_u64..3000, hold(), any_end(), any_timeout()).prop_map(
        |(lease, max, min, linger, max_hold, end, timeout)| {
            let mode = if lease { queue::Mode::Lease } else { queue::Mode::Get };
            let batch = Batch { max, min, linger: Duration::from_millis(linger) };
            let prefetch = linger > 2_000;
            let batch = if prefetch { Batch::ONE } else { batch };
            let timeout = if prefetch { FOREVER } else { timeout };
            Do::Take { taking: Taking { mode, batch, max_hold, end, prefetch }, timeout }
        },
    );
    let tokens = || prop::collection::vec(token(), 0..3);
    let reentry = prop::sample::select(vec![Reentry::Place, Reentry::Front, Reentry::Back]);
    prop_oneof![
        1 => options.prop_map(Do::Declare),
        4 => (new_item(), any_timeout()).prop_map(|(item, timeout)| Do::Put { item, timeout }),
        1 => (prop::collection::vec(new_item(), 0..4), any_timeout())
            .prop_map(|(items, timeout)| Do::PutMany { items, timeout }),
        6 => take,
        2 => tokens().prop_map(|tokens| Do::Ack { tokens }),
        2 => (tokens(), reentry, 0_u64..2_000).prop_map(|(tokens, reentry, delay)| {
            Do::Nack { tokens, reentry, delay: Duration::from_millis(delay), error: "e".into() }
        }),
        2 => (tokens(), hold()).prop_map(|(tokens, max_hold)| {
            Do::Extend { tokens, max_hold, progress: max_hold.map(|_| "half".into()) }
        }),
        2 => tokens().prop_map(|tokens| Do::Reject { tokens, reason: "r".into() }),
        1 => (0_u64..3).prop_map(|count| Do::TaskDone { count }),
        1 => any_timeout().prop_map(|timeout| Do::Join { timeout }),
        1 => Just(Do::Forgive),
        1 => prop::collection::vec(990_u64..1150, 0..9)
            .prop_map(|ids| Do::Remove { ids: ids.into_iter().map(ItemId).collect() }),
        1 => Just(Do::Purge),
        1 => (which(), prop::option::of(any_target()))
            .prop_map(|(which, to)| Do::Redrive(Box::new(queue::Redrive { which, to }))),
        2 => (which(), any_target()).prop_map(|(which, to)| Do::Move(Box::new(queue::Move { which, to }))),
        1 => prop::bool::weighted(0.2).prop_map(|immediate| Do::Shutdown { immediate }),
    ]
}

fn event_command() -> impl Strategy<Value = event::Command> {
    use event::Command as Do;
    prop_oneof![
        any::<(Option<bool>, Option<bool>)>()
            .prop_map(|(auto_reset, ephemeral)| Do::Declare(event::Options { auto_reset, ephemeral })),
        Just(Do::Set),
        Just(Do::Clear),
        (any_timeout(), prop::option::of(0_u64..4)).prop_map(|(timeout, after)| Do::Wait { timeout, after }),
    ]
}

fn on_deadlock() -> impl Strategy<Value = Option<OnDeadlock>> {
    prop::option::of(prop::sample::select(vec![OnDeadlock::Raise, OnDeadlock::Report, OnDeadlock::Off]))
}

fn semaphore_command() -> impl Strategy<Value = semaphore::Command> {
    use semaphore::Command as Do;
    let options = (-2_i64..4, any::<Option<bool>>(), any::<bool>(), any::<Option<bool>>(), on_deadlock())
        .prop_map(|(limit, bounded, unowned, ephemeral, deadlock)| semaphore::Options {
            limit: Some(limit),
            bounded,
            ownership: unowned.then_some(Ownership::None),
            ephemeral,
            deadlock,
        });
    prop_oneof![
        options.prop_map(Do::Declare),
        (0_u32..4, any::<bool>(), any::<bool>(), any_timeout()).prop_map(
            |(permits, by_token, barge, timeout)| {
                Do::Acquire(Acquire { permits, by_token, barge, timeout })
            }
        ),
        (0_u32..4, prop::option::of(token())).prop_map(|(permits, token)| Do::Release { permits, token }),
        Just(Do::Drain),
        (0_u32..4).prop_map(|permits| Do::Reduce { permits }),
        any::<i64>().prop_map(|limit| Do::SetLimit { limit: limit % 6 }),
    ]
}

fn lock_command() -> impl Strategy<Value = lock::Command> {
    use lock::{Acquire, Command as Do};
    let options =
        (any::<Option<bool>>(), any::<bool>(), any::<Option<bool>>(), any::<Option<bool>>(), on_deadlock())
            .prop_map(|(reentrant, unowned, foreign_release, ephemeral, deadlock)| lock::Options {
                reentrant,
                ownership: unowned.then_some(Ownership::None),
                foreign_release,
                ephemeral,
                deadlock,
            });
    prop_oneof![
        1 => options.prop_map(Do::Declare),
        4 => (any::<bool>(), any_lease(), any_timeout()).prop_map(|(barge, lease, timeout)| Do::Acquire(Acquire { barge, lease, timeout })),
        3 => prop::option::of(token()).prop_map(|token| Do::Release { token }),
        1 => (token(), any_lease()).prop_map(|(token, lease)| Do::Extend { token, lease }),
    ]
}

fn rwlock_command() -> impl Strategy<Value = rwlock::Command> {
    use rwlock::{Acquire, Command as Do, Mode};
    let mode = || prop::sample::select(vec![Mode::Read, Mode::Write]);
    prop_oneof![
        1 => (any::<Option<bool>>(), on_deadlock())
            .prop_map(|(ephemeral, deadlock)| Do::Declare(rwlock::Options { ephemeral, deadlock })),
        5 => (mode(), any::<bool>(), any_lease(), any_timeout())
            .prop_map(|(mode, barge, lease, timeout)| Do::Acquire(Acquire { mode, barge, lease, timeout })),
        3 => (mode(), prop::option::of(token())).prop_map(|(mode, token)| Do::Release { mode, token }),
        1 => (token(), any_lease()).prop_map(|(token, lease)| Do::Extend { token, lease }),
    ]
}

fn condition_command() -> impl Strategy<Value = condition::Command> {
    use condition::Command as Do;
    let lock = prop::sample::select(vec!["a", "b"]);
    prop_oneof![
        2 => (lock, any::<Option<bool>>()).prop_map(|(lock, ephemeral)| {
            Do::Declare { lock: name(lock), options: condition::Options { ephemeral } }
        }),
        4 => any_timeout().prop_map(|timeout| Do::Wait { timeout }),
        3 => prop::option::of(0_u32..3).prop_map(|count| Do::Notify { count }),
    ]
}

fn any_datum() -> impl Strategy<Value = Datum> {
    prop_oneof![
        any::<i64>().prop_map(Datum::from),
        any::<f64>().prop_map(Datum::from),
        Just(payload("datum").into()),
        Just(Datum::from(1_i64)),
    ]
}

fn any_guard() -> impl Strategy<Value = Guard> {
    (prop::option::weighted(0.2, prop_oneof![Just(0), 990_u64..1150]), prop::option::weighted(0.3, token()))
        .prop_map(|(if_version, fence)| Guard { if_version, fence })
}

fn value_command() -> impl Strategy<Value = value::Command> {
    use value::Command as Do;
    let key = || prop::sample::select(vec!["", "a", "b"]).prop_map(Bytes::from);
    let lifetime = prop_oneof![
        Just(Lifetime::Lasting),
        Just(Lifetime::Kept),
        (prop::option::of(0_u64..9), any::<bool>())
            .prop_map(|(ttl, bound)| { Lifetime::Limited { ttl: ttl.map(Duration::from_secs), bound } }),
    ];
    let fence = || prop::option::of(token());
    prop_oneof![
        1 => any::<Option<bool>>().prop_map(|ephemeral| Do::Declare(value::Options { ephemeral })),
        5 => (key(), any_datum(), any_guard(), lifetime).prop_map(|(key, datum, guard, lifetime)| {
            Do::Set { key, write: Box::new(value::Write { datum, guard, lifetime }) }
        }),
        2 => (key(), any_guard(), any::<bool>())
            .prop_map(|(key, guard, returning)| Do::Delete { key, guard, returning }),
        2 => (key(), any_datum(), fence()).prop_map(|(key, by, fence)| Do::Increment { key, by, fence }),
        1 => fence().prop_map(|fence| Do::Clear { fence }),
        3 => (prop::option::of(key()), prop_oneof![Just(0), 990_u64..1150], any_timeout())
            .prop_map(|(key, after, timeout)| Do::Watch { key, after, timeout }),
    ]
}

fn list_command() -> impl Strategy<Value = list::Command> {
    use list::Command as Do;
    let start = || prop_oneof![4 => -4_i64..4, 1 => any::<i64>()];
    let count = prop_oneof![4 => 0_u64..4, 1 => any::<u64>()];
    let items = prop::collection::vec(any_datum(), 0..4);
    let splice = (prop::option::of(start()), count, items, any::<bool>(), any_guard(), any::<bool>());
    let fence = || prop::option::of(token());
    prop_oneof![
        1 => any::<Option<bool>>().prop_map(|ephemeral| Do::Declare(value::Options { ephemeral })),
        5 => splice.prop_map(|(start, remove, items, exact, guard, returning)| {
            Do::Splice(Box::new(list::Splice { start, remove, items, exact, guard, returning }))
        }),
        2 => (start(), any_datum(), fence())
            .prop_map(|(index, by, fence)| Do::Increment { index, by, fence }),
        1 => fence().prop_map(|fence| Do::Clear { fence }),
        2 => (prop_oneof![Just(0), 990_u64..1150], any_timeout())
            .prop_map(|(after, timeout)| Do::Watch { after, timeout }),
    ]
}

fn barrier_command() -> impl Strategy<Value = barrier::Command> {
    use barrier::{Arrive, Command as Do, OnCancel, Options};
    let on_cancel = prop::sample::select(vec![OnCancel::Break, OnCancel::Leave]);
    prop_oneof![
        2 => (0_u32..4, any::<Option<bool>>())
            .prop_map(|(parties, ephemeral)| Do::Declare(Options { parties: Some(parties), ephemeral })),
        8 => (any_timeout(), any::<bool>(), on_cancel).prop_map(|(timeout, has_action, on_cancel)| {
            Do::Wait(Arrive { timeout, has_action, on_cancel })
        }),
        2 => (token(), prop::option::of(Just("no".to_owned())))
            .prop_map(|(action, error)| Do::ActionDone { action, error }),
        3 => Just(Do::Reset),
        1 => Just(Do::Abort),
    ]
}

fn latch_command() -> impl Strategy<Value = latch::Command> {
    use latch::{Command as Do, Options};
    prop_oneof![
        (prop::option::of(0_u64..4), any::<Option<bool>>())
            .prop_map(|(count, ephemeral)| Do::Declare(Options { count, ephemeral })),
        (0_u64..3).prop_map(|by| Do::CountDown { by }),
        any_timeout().prop_map(|timeout| Do::Wait { timeout }),
    ]
}

fn timer_command() -> impl Strategy<Value = timer::Command> {
    use timer::{Command as Do, Missed, Options, Schedule, Times};
    let missed = prop::sample::select(vec![Missed::Skip, Missed::Once, Missed::All]);
    let times = prop_oneof![
        1 => (0_u64..9_000).prop_map(|millis| Times::After(Duration::from_millis(millis))),
        3 => (0_u64..3_000).prop_map(|millis| Times::Every(Duration::from_millis(millis))),
        1 => Just(Times::Every(Duration::MAX)),
        1 => Just(Times::Cron(Cron::parse("* * * * *").expect("it is fine"))),
    ];
    let queue = prop::sample::select(vec!["a", "b"]);
    let schedule = (queue, new_item(), times, missed).prop_map(|(queue, item, times, missed)| {
        Box::new(Schedule { queue: name(queue), item, times, missed })
    });
    prop_oneof![
        1 => any::<Option<bool>>().prop_map(|ephemeral| Do::Declare(Options { ephemeral })),
        4 => (schedule, any::<bool>()).prop_map(|(schedule, replace)| Do::Schedule { schedule, replace }),
        1 => Just(Do::Cancel),
    ]
}

/// What can be held, of few objects.
fn hold() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => (any_target(), 1_u32..3, any::<bool>()).prop_map(|(target, permits, by_token)| {
            let acquire = Acquire { permits, by_token, barge: false, timeout: NOW };
            Command::Semaphore(target, semaphore::Command::Acquire(acquire))
        }),
        3 => any_target().prop_map(|target| {
            Command::Lock(target, lock::Command::Acquire(lock::Acquire::within(NOW)))
        }),
        2 => (any_target(), any::<bool>()).prop_map(|(target, writes)| {
            let mode = if writes { rwlock::Mode::Write } else { rwlock::Mode::Read };
            Command::RwLock(target, rwlock::Command::Acquire(rwlock::Acquire::within(mode, NOW)))
        }),
    ]
}

/// A command on one object, mostly one that waits.
fn single() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (any_target(), queue_command()).prop_map(|(target, command)| Command::Queue(target, command)),
        2 => (any_target(), any_timeout(), prop::option::of(0_u64..4)).prop_map(|(target, timeout, after)| {
            Command::Event(target, event::Command::Wait { timeout, after })
        }),
        2 => (any_target(), 1_u32..4, any::<bool>()).prop_map(|(target, permits, by_token)| {
            let acquire = Acquire { permits, by_token, barge: false, timeout: NOW };
            Command::Semaphore(target, semaphore::Command::Acquire(acquire))
        }),
        2 => any_target().prop_map(|target| {
            Command::Lock(target, lock::Command::Acquire(lock::Acquire::within(NOW)))
        }),
        2 => (any_target(), any::<bool>()).prop_map(|(target, writes)| {
            let mode = if writes { rwlock::Mode::Write } else { rwlock::Mode::Read };
            Command::RwLock(target, rwlock::Command::Acquire(rwlock::Acquire::within(mode, NOW)))
        }),
        1 => any_target().prop_map(|target| Command::Latch(target, latch::Command::Wait { timeout: NOW })),
        1 => (any_target(), list_command()).prop_map(|(target, command)| Command::List(target, command)),
        1 => (any_target(), value_command()).prop_map(|(target, command)| Command::Dict(target, command)),
    ]
}

fn topic_command() -> impl Strategy<Value = topic::Command> {
    use topic::{Command as Do, Options, Publish};
    let pattern = || prop::sample::select(vec!["", "k", "*", "k*"]).prop_map(str::to_owned);
    let queue = prop::sample::select(vec!["a", "b"]);
    prop_oneof![
        1 => any::<Option<bool>>().prop_map(|ephemeral| Do::Declare(Options { ephemeral })),
        3 => (any_target(), pattern()).prop_map(|(queue, pattern)| Do::Bind { queue, pattern }),
        1 => (queue, pattern()).prop_map(|(queue, pattern)| Do::Unbind { queue: name(queue), pattern }),
        3 => (pattern(), new_item()).prop_map(|(key, item)| Do::Publish(Box::new(Publish { key, item }))),
    ]
}

fn pipe_command() -> impl Strategy<Value = pipe::Command> {
    use pipe::{Command as Do, End, Options};
    let end = || prop::sample::select(vec![End::A, End::B]);
    let options = (any::<Option<bool>>(), prop::option::of(0_u64..3), any::<Option<bool>>());
    prop_oneof![
        1 => options.prop_map(|(duplex, maxsize, ephemeral)| Do::Declare(Options { duplex, maxsize, ephemeral })),
        3 => prop::option::of(end()).prop_map(|end| Do::Attach { end }),
        4 => (end(), any_timeout())
            .prop_map(|(end, timeout)| Do::Send { end, payload: payload("message"), timeout }),
        4 => (end(), any_timeout()).prop_map(|(end, timeout)| Do::Receive { end, timeout }),
        1 => (end(), any_timeout()).prop_map(|(end, timeout)| Do::Poll { end, timeout }),
        1 => end().prop_map(|end| Do::Close { end }),
    ]
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL.to_vec())
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        6 => (any_target(), queue_command()).prop_map(|(target, command)| Command::Queue(target, command)),
        2 => (any_target(), event_command()).prop_map(|(target, command)| Command::Event(target, command)),
        3 => (any_target(), semaphore_command()).prop_map(|(target, command)| Command::Semaphore(target, command)),
        3 => (any_target(), lock_command()).prop_map(|(target, command)| Command::Lock(target, command)),
        3 => (any_target(), rwlock_command()).prop_map(|(target, command)| Command::RwLock(target, command)),
        4 => (any_target(), condition_command())
            .prop_map(|(target, command)| Command::Condition(target, command)),
        3 => (any_target(), barrier_command()).prop_map(|(target, command)| Command::Barrier(target, command)),
        1 => (any_target(), latch_command()).prop_map(|(target, command)| Command::Latch(target, command)),
        1 => (any_target(), value_command()).prop_map(|(target, command)| Command::Value(target, command)),
        2 => (any_target(), value_command()).prop_map(|(target, command)| Command::Dict(target, command)),
        2 => (any_target(), list_command()).prop_map(|(target, command)| Command::List(target, command)),
        2 => (any_target(), timer_command()).prop_map(|(target, command)| Command::Timer(target, command)),
        2 => (any_target(), topic_command()).prop_map(|(target, command)| Command::Topic(target, command)),
        4 => (any_target(), pipe_command()).prop_map(|(target, command)| Command::Pipe(target, command)),
        2 => prop::collection::vec((any_target(), queue_command()), 0..4).prop_map(|steps| {
            let step = |(queue, command)| transaction::Step { queue, command };
            Command::Transaction(steps.into_iter().map(step).collect())
        }),
        6 => (prop::collection::vec(single(), 0..4), any_timeout())
            .prop_map(|(branches, timeout)| select(branches, timeout)),
        8 => (prop::collection::vec(hold(), 1..4), any_timeout()).prop_map(|(parts, timeout)| {
            Command::AcquireAll(Box::new(AcquireAll { parts, timeout }))
        }),
        1 => (0_u64..40).prop_map(|op| Command::Cancel(Op(op))),
        1 => (0_u64..40).prop_map(|op| Command::Hasten(Op(op))),
        1 => (any_kind(), any_target()).prop_map(|(kind, target)| Command::Discard(kind, target)),
        1 => (any_kind(), any_target()).prop_map(|(kind, target)| Command::Share(kind, target)),
    ]
}

pub(crate) fn input() -> impl Strategy<Value = Input> {
    let key = || (0_u32..4, 1_u32..3).prop_map(|(slot, generation)| SessionKey { slot, generation });
    let call = (key(), 0_u64..40, any::<bool>(), 0_u32..2, any::<bool>(), command()).prop_map(
        |(key, op, of_node, participant, by_stream, command)| {
            let op = if of_node { Op(Op::FIRST_OF_NODE.0 + op) } else { Op(op) };
            let carrier = if by_stream { Carrier::Stream } else { Carrier::Call };
            Input::Call(key, Call { op, participant: ParticipantId(participant), carrier, command })
        },
    );
    let spec = (0_u128..5, 0_u8..3).prop_map(|(id, mode)| {
        let mode = [Mode::Direct, Mode::Resumable, Mode::Sessionless][usize::from(mode)];
        Input::Open(spec(id, mode))
    });
    prop_oneof![
        30 => call,
        3 => spec,
        1 => key().prop_map(Input::Attach),
        1 => key().prop_map(Input::Detach),
        1 => key().prop_map(Input::Pause),
        1 => key().prop_map(Input::Unpause),
        1 => (key(), any::<bool>()).prop_map(|(key, closed)| {
            Input::End(key, if closed { EndReason::Closed } else { EndReason::Expired })
        }),
        1 => key().prop_map(|key| Input::Label(key, ParticipantId(0), "label".into())),
        5 => (key(), 0_u64..40, 0_u64..40)
            .prop_map(|(key, first, last)| Input::Done(key, OpRange { first: Op(first), last: Op(last) })),
        3 => (key(), 0_u64..40).prop_map(|(key, op)| Input::Refuse(key, Op(op))),
        3 => Just(Input::Tick),
        1 => Just(Input::Restart),
        1 => (1_u32..9).prop_map(|small| Input::Configure(Limits {
            items_max: u64::from(small),
            entries_max: u64::from(small),
            list_items_max: small,
            waits_max: small,
            stored_answers_per_session_max: small,
            crashed_offers_max: small,
            consumers_per_item_max: small,
            dedupe_keys_max: small,
            timer_firings_max: small - 1,
            topic_bindings_max: small,
            ..Limits::default()
        })),
    ]
}

proptest! {
    #[test]
    fn anything_goes(inputs in prop::collection::vec((input(), 0_u64..2000), 1..150)) {
        let mut space = Space::default();
        for (id, mode) in [(0, Mode::Resumable), (1, Mode::Direct), (2, Mode::Sessionless), (3, Mode::Resumable)] {
            space.open_as(id, mode).expect("it opens");
        }
        for (input, millis) in inputs {
            space.now = space.now + Duration::from_millis(millis);
            space.input(input);
        }
    }
}
