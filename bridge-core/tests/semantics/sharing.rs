//! Section 0, "Names": objects that other processes are told of, and commands that create nothing.

use std::time::Duration;

use bridge_core::command::{Mode, Query, event, queue, semaphore};
use bridge_core::ids::{Kind, SessionKey, Target};
use bridge_core::{Command, Reason, Reply};

use crate::support::*;

/// The time to live of the sessions here, in seconds.
const TTL: u64 = 15;

fn existing(text: &str) -> Target {
    Target::Existing(name(text))
}

fn share(name: &str) -> Command {
    Command::Share(Kind::Queue, existing(name))
}

fn discard(name: &str) -> Command {
    Command::Discard(Kind::Queue, target(name))
}

fn ephemeral(name: &str) -> Command {
    declare(name, queue::Options { ephemeral: Some(true), ..Default::default() })
}

fn attach(name: &str) -> Command {
    Command::Queue(existing(name), queue::Command::Declare(queue::Options::default()))
}

/// A space with two sessions, the first of which has shared the ephemeral queue "q".
fn shared() -> (Space, SessionKey, SessionKey) {
    let mut space = Space::default();
    let [who, other] = [(); 2].map(|()| space.open(Mode::Resumable));
    space.ask(who, ephemeral("q")).expect("it is declared");
    assert_eq!(space.ask(who, share("q")), Ok(Reply::Shared));
    (space, who, other)
}

fn objects(space: &Space) -> u64 {
    space.engine.status().objects
}

#[test]
fn what_must_exist_is_not_created() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let commands = [
        Command::Queue(existing("q"), queue::Command::Put { item: item("a"), timeout: NOW }),
        attach("q"),
        Command::Event(existing("e"), event::Command::Set),
        Command::Semaphore(existing("s"), semaphore::Command::Release { permits: 1, token: None }),
        share("q"),
        Command::Share(Kind::Event, target("e")),
    ];
    for command in commands {
        assert_eq!(reason(&space.ask(who, command)), Reason::ObjectGone);
    }
    let query = Query::Event(existing("e"), event::Query::Describe);
    assert_eq!(reason(&space.query(who, query)), Reason::ObjectGone, "it has no default either");
    assert_eq!(space.ask(who, Command::Discard(Kind::Queue, existing("q"))), Ok(Reply::Discarded));
    assert_eq!(objects(&space), 0);
    space.ask(who, put("q", "a", NOW)).unwrap();
    space.ask(who, attach("q")).unwrap();
    space.ask(who, Command::Queue(existing("q"), queue::Command::Purge)).unwrap();
}

#[test]
fn attaching_checks_the_options_and_is_a_use() {
    let (mut space, who, other) = shared();
    let options = queue::Options { maxsize: Some(3), ..Default::default() };
    space.ask(who, declare("q", options)).unwrap();
    let options = queue::Options { maxsize: Some(4), ..Default::default() };
    let wrong = Command::Queue(existing("q"), queue::Command::Declare(options));
    assert_eq!(reason(&space.ask(other, wrong)), Reason::ConfigMismatch);
    space.ask(other, attach("q")).unwrap();
    space.close(who);
    space.pass_seconds(10 * TTL);
    assert_eq!(space.queue(other, "q").options.maxsize, Some(3));
}

#[test]
fn it_stays_for_one_ttl_after_its_last_user() {
    for end in ["discard", "close", "expire"] {
        let (mut space, who, other) = shared();
        space.ask(who, put("q", "a", NOW)).unwrap();
        match end {
            "discard" => drop(space.ask(who, discard("q"))),
            "close" => drop(space.close(who)),
            _ => drop(space.expire(who)),
        }
        space.pass(Duration::from_millis(TTL * 1000 - 1));
        assert_eq!(space.queue(other, "q").ready, 1, "after {end}");
        space.pass(Duration::from_millis(1));
        let status = space.engine.status();
        assert_eq!((status.objects, status.items, status.retained_bytes), (0, 0, 0), "after {end}");
        assert_eq!(reason(&space.ask(other, attach("q"))), Reason::ObjectGone);
    }
}

#[test]
fn whoever_attaches_in_time_keeps_it() {
    let (mut space, who, other) = shared();
    space.ask(who, discard("q")).unwrap();
    space.pass_seconds(TTL - 1);
    space.ask(other, attach("q")).unwrap();
    space.pass_seconds(10 * TTL);
    assert_eq!(objects(&space), 1);
    space.ask(other, discard("q")).unwrap();
    space.pass_seconds(TTL - 1);
    assert_eq!(objects(&space), 1, "the time begins anew");
    space.pass_seconds(1);
    assert_eq!(objects(&space), 0);
}

#[test]
fn what_fails_is_no_use() {
    let (mut space, who, other) = shared();
    space.ask(who, discard("q")).unwrap();
    assert_eq!(reason(&space.ask(other, get("q", NOW))), Reason::Empty);
    space.pass_seconds(TTL);
    assert_eq!(objects(&space), 0);
}

#[test]
fn the_longest_ttl_counts_and_a_share_is_a_use() {
    let (mut space, who, _) = shared();
    let longer =
        bridge_core::command::SessionSpec { ttl: Duration::from_secs(2 * TTL), ..spec(9, Mode::Resumable) };
    let Some(bridge_core::command::Effect::Opened(Ok(longer))) =
        space.input(bridge_core::command::Input::Open(longer)).pop()
    else {
        panic!("it opens")
    };
    space.ask(who, discard("q")).unwrap();
    space.ask(longer.session, share("q")).unwrap();
    space.ask(who, share("q")).unwrap();
    space.pass_seconds(10 * TTL);
    space.close(longer.session);
    space.close(who);
    space.pass_seconds(2 * TTL - 1);
    assert_eq!(objects(&space), 1);
    space.pass_seconds(1);
    assert_eq!(objects(&space), 0);
}

#[test]
fn what_lasts_stays_however_it_is_shared() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put("q", "a", NOW)).unwrap();
    space.ask(who, share("q")).unwrap();
    space.close(who);
    space.pass_seconds(10 * TTL);
    assert_eq!(objects(&space), 1);
}

#[test]
fn who_waits_without_a_session_is_told_when_it_goes() {
    let (mut space, who, _) = shared();
    let nobody = space.open(Mode::Sessionless);
    let waiting = space.wait(nobody, get("q", FOREVER));
    space.ask(who, discard("q")).unwrap();
    assert_eq!(short(&space.pass_seconds(TTL)), [(waiting, "OBJECT_GONE".to_owned())]);
}

#[test]
fn a_restart_keeps_the_time() {
    let (mut space, who, other) = shared();
    space.close(who);
    space.pass_seconds(TTL - 1);
    space.input(bridge_core::command::Input::Restart);
    assert_eq!(space.queue(other, "q").ready, 0);
    space.pass_seconds(1);
    assert_eq!(objects(&space), 0);
}
