//! Semantics 1, "Group": of the items of a group at most one is out, in order.

use std::time::Duration;

use bridge_core::command::queue::{Command, Discipline, Options, Reentry, Shelf};
use bridge_core::command::{self, Mode};
use bridge_core::ids::{SessionKey, Token};
use bridge_core::{Reason, Timeout};

use crate::queue::{browse, drain, maxsize};
use crate::support::*;

fn put_grouped(text: &str, group: &str, timeout: Timeout) -> command::Command {
    on("q", Command::Put { item: grouped(text, group), timeout })
}

/// A queue with items of groups, written as "GROUP+NUMBER"; those of "-" have none.
fn filled(options: Options, texts: &str) -> (Space, SessionKey) {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, declare("q", options)).expect("declared");
    for text in texts.split(' ') {
        let command = match &text[..1] {
            "-" => put("q", text, NOW),
            group => put_grouped(text, group, NOW),
        };
        space.ask(who, command).expect("put");
    }
    (space, who)
}

fn take(space: &mut Space, who: SessionKey, command: command::Command) -> (String, Token) {
    let taken = space.take_and_accept(who, command);
    (texts(&taken).join(" "), token(&taken))
}

fn nack_later(token: Token, reentry: Reentry, seconds: u64) -> command::Command {
    let delay = Duration::from_secs(seconds);
    on("q", Command::Nack { tokens: vec![token], reentry, delay, error: String::new() })
}

fn browsed(space: &Space, who: SessionKey) -> String {
    let items = browse(space, who, "q", Shelf::Ready);
    items.iter().map(|item| text_of(&item.payload)).collect::<Vec<_>>().join(" ")
}

#[test]
fn one_of_a_group_is_out_at_a_time() {
    let (mut space, who) = filled(Options::default(), "a1 a2 -3 b4 b5");
    let (first, token) = take(&mut space, who, lease("q", NOW));
    assert_eq!(first, "a1");
    let figures = space.queue(who, "q");
    assert_eq!((figures.ready, figures.held_back, figures.leased), (4, 2, 1));
    assert_eq!(browsed(&space, who), "a2 -3 b4 b5", "what is held back is READY too, in its place");
    let item = browse(&space, who, "q", Shelf::Ready).remove(0);
    assert_eq!(item.group.as_deref(), Some("a"));
    assert_eq!(take(&mut space, who, lease_many("q", 9)).0, "-3 b4", "nor are there two of one in a batch");
    assert_eq!(reason(&space.ask(who, get("q", NOW))), Reason::Empty);
    let waits = space.wait(who, get("q", FOREVER));
    let (_, served) = space.ask_all(who, ack("q", &[token]));
    assert_eq!(short(&served), [(waits, "a2".to_owned())], "the ack frees the group");
}

#[test]
fn an_offer_holds_its_group_until_it_is_settled() {
    for accept in [true, false] {
        let (mut space, who) = filled(Options::default(), "a1 a2");
        let (op, _) = space.call(who, get("q", NOW));
        let waits = space.wait(who, get("q", FOREVER));
        let served = if accept { space.done(who, op) } else { space.refuse(who, op) };
        assert_eq!(short(&served), [(waits, if accept { "a2" } else { "a1" }.to_owned())]);
    }
}

#[test]
fn a_direct_get_frees_its_group_at_once() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let items = vec![grouped("a1", "a"), grouped("a2", "a"), item("-3")];
    space.ask(who, on("q", Command::PutMany { items, timeout: NOW })).unwrap();
    assert_eq!(texts(&space.ask(who, get_many("q", 9, 1, 0, NOW))), ["a1", "-3"]);
    assert_eq!(texts(&space.ask(who, get("q", NOW))), ["a2"]);
}

#[test]
fn order_is_kept_across_nacks() {
    for (reentry, delay, expected) in
        [(Reentry::Place, 0, "a1 a2 a3"), (Reentry::Front, 0, "a1 a2 a3"), (Reentry::Back, 0, "a2 a3 a1")]
    {
        let (mut space, who) = filled(Options::default(), "a1 a2 a3");
        let (_, token) = take(&mut space, who, lease("q", NOW));
        space.ask(who, nack_later(token, reentry, delay)).unwrap();
        assert_eq!(drain(&mut space, who), expected, "{reentry:?}");
    }
    let (mut space, who) = filled(Options::default(), "a1 a2 -3");
    let (_, token) = take(&mut space, who, lease("q", NOW));
    space.ask(who, nack_later(token, Reentry::Place, 5)).unwrap();
    assert_eq!(drain(&mut space, who), "-3", "those behind one that comes back wait for it");
    assert_eq!(space.queue(who, "q").held_back, 1);
    space.pass_seconds(5);
    assert_eq!(drain(&mut space, who), "a1 a2");

    let (mut space, who) = filled(Options::default(), "a1 a2");
    let (_, token) = take(&mut space, who, lease("q", NOW));
    space.ask(who, nack_later(token, Reentry::Back, 5)).unwrap();
    assert_eq!(drain(&mut space, who), "a2", "at the back it is behind them");
}

#[test]
fn a_delay_of_its_own_put_holds_nobody_back() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let mut late = grouped("a1", "a");
    late.attributes.as_mut().unwrap().delay = Duration::from_secs(5);
    space.ask(who, on("q", Command::Put { item: late, timeout: NOW })).unwrap();
    space.ask(who, put_grouped("a2", "a", NOW)).unwrap();
    space.ask(who, put_grouped("a3", "a", NOW)).unwrap();
    assert_eq!(take(&mut space, who, get("q", NOW)).0, "a2");
    space.pass_seconds(5);
    assert_eq!(drain(&mut space, who), "a1 a3", "then it has its place");
}

#[test]
fn in_the_order_of_the_queue() {
    let discipline = |discipline| Options { discipline: Some(discipline), ..Options::default() };
    let (mut space, who) = filled(discipline(Discipline::Lifo), "a1 a2 -3 b4");
    assert_eq!(browsed(&space, who), "b4 -3 a2 a1");
    assert_eq!(take(&mut space, who, lease_many("q", 9)).0, "b4 -3 a2");
    space.ask(who, put_grouped("a5", "a", NOW)).unwrap();
    space.close(who);
    let who = space.open(Mode::Resumable);
    assert_eq!(drain(&mut space, who), "a5 b4 -3 a2 a1", "what comes is before what was given back");

    let (mut space, who) = filled(discipline(Discipline::Priority), "a1");
    let put = |text, key: &[u8]| {
        let item = bridge_core::command::queue::NewItem { key: key.to_vec().into(), ..grouped(text, "a") };
        on("q", Command::Put { item, timeout: NOW })
    };
    space.ask(who, put("z", b"z")).unwrap();
    space.ask(who, put("m", b"m")).unwrap();
    assert_eq!(drain(&mut space, who), "a1 m z");
    space.ask(who, put("z", b"z")).unwrap();
    space.ask(who, put("m", b"m")).unwrap();
    assert_eq!(space.queue(who, "q").held_back, 1, "the one that came first is not the next any more");

    let (mut space, who) = filled(Options::default(), "a1 a2 a3");
    space.ask(who, declare("q", discipline(Discipline::Lifo))).unwrap();
    assert_eq!(drain(&mut space, who), "a3 a2 a1", "the first opinion reorders groups too");
}

#[test]
fn what_is_held_back_counts_and_can_go() {
    let (mut space, who) = filled(Options { maxsize: Some(3), ..Options::default() }, "a1 a2 a3");
    assert_eq!(reason(&space.ask(who, put("q", "x", NOW))), Reason::Full);
    let id = browse(&space, who, "q", Shelf::Ready)[1].id;
    space.ask(who, on("q", Command::Remove { ids: vec![id] })).unwrap();
    space.ask(who, put_grouped("a4", "a", NOW)).unwrap();
    assert_eq!(
        texts(&space.take_and_accept(who, get_many("q", 9, 2, 0, FOREVER))),
        ["a1"],
        "more cannot come"
    );
    assert_eq!(in_short(&space.ask(who, on("q", Command::Purge))), "Queue(Purged(2))");
    assert_eq!(space.queue(who, "q").unfinished, 1);

    let (mut space, who) = filled(Options::default(), "a1");
    let mut mortal = grouped("a2", "a");
    mortal.attributes.as_mut().unwrap().ttl = Some(Duration::from_secs(1));
    let (put, _) = space.call(who, on("q", Command::Put { item: mortal.clone(), timeout: NOW }));
    assert_eq!(in_short(&space.cancel(who, put)[1].outcome), "cancelled true");
    space.ask(who, on("q", Command::Put { item: mortal, timeout: NOW })).unwrap();
    space.pass_seconds(1);
    assert_eq!((space.queue(who, "q").held_back, space.queue(who, "q").expired), (0, 1));
    assert_eq!(drain(&mut space, who), "a1");
}

#[test]
fn a_shutdown_waits_for_what_is_held_back() {
    let (mut space, who) = filled(Options::default(), "a1 a2");
    let other = space.open(Mode::Resumable);
    let (_, token) = take(&mut space, other, lease("q", NOW));
    space.ask(who, on("q", Command::Shutdown { immediate: false })).unwrap();
    let waits = space.wait(who, get("q", FOREVER));
    let (_, served) = space.ask_all(other, ack("q", &[token]));
    assert_eq!(short(&served), [(waits, "a2".to_owned())]);
    space.done(who, waits);
    assert_eq!(reason(&space.ask(who, get("q", NOW))), Reason::ShutDown);
}

#[test]
fn a_group_is_bounded_text() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    assert_eq!(reason(&space.ask(who, put_grouped("a", "", NOW))), Reason::InvalidArgument);
    let long = "g".repeat(1025);
    assert_eq!(reason(&space.ask(who, put_grouped("a", &long, NOW))), Reason::LimitExceeded);
    space.ask(who, maxsize(0)).unwrap();
    assert_eq!(space.queue(who, "q").ready, 0);
}

/// What stands behind a group that waits is taken at the cost of any take, however many of the group there are.
#[test]
fn a_large_group_at_the_head_is_not_walked() {
    let mut engine = bridge_core::Engine::new(1, bridge_core::Limits::default());
    let mut effects = Vec::new();
    let mut input = |input| {
        effects.clear();
        engine.handle(bridge_core::Time::default(), input, &mut effects);
        effects.clone()
    };
    let command::Effect::Opened(Ok(opened)) = &input(command::Input::Open(spec(1, Mode::Direct)))[0] else {
        panic!("it opens")
    };
    let who = opened.session;
    let mut op = 0;
    let mut call = |command| {
        op += 1;
        let call = command::Call {
            op: bridge_core::ids::Op(op),
            participant: bridge_core::ids::ParticipantId(0),
            carrier: command::Carrier::Stream,
            command,
        };
        answers(input(command::Input::Call(who, call))).remove(0).outcome
    };
    for _ in 0..10 {
        let items = (0..10_000).map(|_| grouped("a", "a")).collect();
        call(on("q", Command::PutMany { items, timeout: NOW })).unwrap();
    }
    let held = token(&call(lease("q", NOW)));
    // A walk would take 10^9 steps.
    for _ in 0..10_000 {
        call(put("q", "-", NOW)).unwrap();
        assert_eq!(texts(&call(get("q", NOW))), ["-"]);
    }
    call(ack("q", &[held])).unwrap();
    assert_eq!(texts(&call(get("q", NOW))), ["a"]);
}
