//! Semantics 7: timers.

use std::time::Duration;

use bridge_core::command::timer::{
    Command as Do, Figures, Missed, Options, Page, Query, Reply, Schedule, Times,
};
use bridge_core::command::{self, Command, EndReason, Input, Mode, Outcome, queue};
use bridge_core::cron::Cron;
use bridge_core::ids::{Kind, SessionKey, Target};
use bridge_core::{Limits, Reason, Time};

use crate::support::*;

pub(crate) fn on_timer(timer: &str, command: Do) -> Command {
    Command::Timer(target(timer), command)
}

fn schedule(times: Times, missed: Missed) -> Schedule {
    Schedule { queue: name("q"), item: item("tick"), times, missed }
}

fn start(timer: &str, schedule: Schedule) -> Command {
    on_timer(timer, Do::Schedule { schedule: Box::new(schedule), replace: false })
}

fn after(seconds: u64) -> Times {
    Times::After(Duration::from_secs(seconds))
}

fn every(seconds: u64) -> Times {
    Times::Every(Duration::from_secs(seconds))
}

fn cron(text: &str) -> Times {
    Times::Cron(Cron::parse(text).expect("it is fine"))
}

fn scheduled(outcome: Outcome) -> (bool, Option<Duration>) {
    match outcome {
        Ok(command::Reply::Timer(Reply::Scheduled { existed, next_in })) => (existed, next_in),
        other => panic!("not scheduled: {other:?}"),
    }
}

fn timer(space: &Space, who: SessionKey, name: &str) -> Figures {
    match space.query(who, command::Query::Timer(target(name), Query::Describe)) {
        Ok(command::Reply::Timer(Reply::Described(figures))) => *figures,
        other => panic!("not described: {other:?}"),
    }
}

fn list(space: &Space, who: SessionKey, page_size: u32, after: Option<&str>) -> Page {
    match space.query(who, command::Query::Timers { page_size, after: after.map(name) }) {
        Ok(command::Reply::Timer(Reply::Listed(page))) => page,
        other => panic!("not listed: {other:?}"),
    }
}

fn ready(space: &Space, who: SessionKey) -> u64 {
    space.queue(who, "q").ready
}

/// Fired, missed, owed.
fn counts(space: &Space, who: SessionKey, name: &str) -> (u64, u64, u32) {
    let figures = timer(space, who, name);
    (figures.fired, figures.missed, figures.owed)
}

fn with_queue(maxsize: u64) -> (Space, SessionKey) {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let options = queue::Options { maxsize: Some(maxsize), ..Default::default() };
    space.ask(who, declare("q", options)).expect("it is declared");
    (space, who)
}

/// The seconds pass one by one, as they do for a server that is up.
fn run(space: &mut Space, seconds: u64) {
    (0..seconds).for_each(|_| drop(space.pass_seconds(1)));
}

#[test]
fn after_a_while_once() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let asked = start("t", schedule(after(5), Missed::Once));
    assert_eq!(scheduled(space.ask(who, asked)), (false, Some(Duration::from_secs(5))));
    let waiting = space.wait(who, get("q", FOREVER));
    assert!(space.pass_seconds(4).is_empty());
    assert_eq!(timer(&space, who, "t").next_in, Some(Duration::from_secs(1)));
    assert_eq!(short(&space.pass_seconds(1)), [(waiting, "tick".to_owned())], "a waiter is served");
    let figures = timer(&space, who, "t");
    assert_eq!((figures.schedule, figures.next_in, figures.fired), (None, None, 1));
    run(&mut space, 10);
    assert_eq!(ready(&space, who), 0);
}

#[test]
fn at_once() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let (reply, _) = space.ask_all(who, start("t", schedule(after(0), Missed::Once)));
    assert_eq!(scheduled(reply), (false, Some(Duration::ZERO)));
    assert_eq!(ready(&space, who), 1);
}

#[test]
fn every_period_without_drift() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    space.ask(who, start("t", schedule(every(3), Missed::Once))).unwrap();
    space.pass(Duration::from_millis(3_400));
    assert_eq!(
        timer(&space, who, "t").next_in,
        Some(Duration::from_millis(2_600)),
        "it counts from its time"
    );
    run(&mut space, 6);
    assert_eq!((ready(&space, who), counts(&space, who, "t")), (3, (3, 0, 0)));
}

#[test]
fn by_the_calendar() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    // 1,000 s after the epoch it is 00:16:40.
    let next = scheduled(space.ask(who, start("t", schedule(cron("17,20 * * * *"), Missed::Skip)))).1;
    assert_eq!(next, Some(Duration::from_secs(20)));
    run(&mut space, 20);
    assert_eq!(timer(&space, who, "t").next_in, Some(Duration::from_secs(180)));
    run(&mut space, 179);
    assert_eq!(ready(&space, who), 1);
    run(&mut space, 1);
    assert_eq!(ready(&space, who), 2);
}

#[test]
fn of_several_at_one_time_the_first_scheduled_is_first() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    for (timer, seconds) in [("b", 6), ("a", 3), ("c", 2)] {
        let schedule = Schedule { item: item(timer), ..schedule(every(seconds), Missed::Once) };
        space.ask(who, start(timer, schedule)).unwrap();
    }
    run(&mut space, 6);
    assert_eq!(crate::queue::drain(&mut space, who), "c a c b a c");
}

#[test]
fn a_firing_is_a_put() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let options = queue::Options { discipline: Some(queue::Discipline::Priority), ..Default::default() };
    space.ask(who, declare("q", options)).unwrap();
    let attributes = queue::Attributes { ttl: Some(Duration::from_secs(2)), ..Default::default() };
    let attributes = Some(Box::new(attributes));
    let item = queue::NewItem { key: vec![1].into(), attributes, ..item("first") };
    space.ask(who, put_key("q", "second", &[2])).unwrap();
    space.ask(who, start("t", Schedule { item, ..schedule(every(5), Missed::Once) })).unwrap();
    run(&mut space, 5);
    assert_eq!(crate::queue::drain(&mut space, who), "first second");
    run(&mut space, 7);
    assert_eq!((ready(&space, who), space.queue(who, "q").expired), (0, 1));
}

#[test]
fn a_duplicate_is_done() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let dedupe = queue::Dedupe { key: b"k"[..].into(), scope: queue::Scope::Queued, refuse: true };
    let attributes = Some(Box::new(queue::Attributes { dedupe: Some(dedupe), ..Default::default() }));
    let item = queue::NewItem { attributes, ..item("tick") };
    space.ask(who, start("t", Schedule { item, ..schedule(every(1), Missed::All) })).unwrap();
    run(&mut space, 4);
    assert_eq!((ready(&space, who), counts(&space, who, "t")), (1, (4, 0, 0)));
}

#[test]
fn late_by_no_more_than_a_second_is_punctual() {
    for (late_millis, fired) in [(1_000, 1), (1_001, 0)] {
        let mut space = Space::default();
        let who = space.open(Mode::Direct);
        space.ask(who, start("t", schedule(after(5), Missed::Skip))).unwrap();
        space.pass(Duration::from_millis(5_000 + late_millis));
        assert_eq!(ready(&space, who), fired, "{late_millis} ms late");
        assert_eq!(timer(&space, who, "t").missed, 1 - fired);
    }
}

#[test]
fn what_was_missed_while_the_server_was_down() {
    // It goes off each two seconds, and is down for 9: the firings at 2, 4 and 6 s are missed, the one at 8 s is punctual.
    for (missed, puts) in [(Missed::Skip, 1), (Missed::Once, 2), (Missed::All, 4)] {
        let mut space = Space::default();
        let who = space.open(Mode::Resumable);
        space.ask(who, start("t", schedule(every(2), missed))).unwrap();
        space.now = space.now + Duration::from_secs(9);
        space.input(Input::Restart);
        assert_eq!(ready(&space, who), puts, "{missed}");
        assert_eq!(counts(&space, who, "t"), (puts, 3, 0));
        assert_eq!(timer(&space, who, "t").next_in, Some(Duration::from_secs(1)));
    }
    for (missed, puts) in [(Missed::Skip, 0), (Missed::Once, 1), (Missed::All, 3)] {
        let mut space = Space::default();
        let who = space.open(Mode::Direct);
        space.ask(who, start("t", schedule(cron("0 * * * *"), missed))).unwrap();
        space.pass_seconds(3 * 3600);
        assert_eq!((ready(&space, who), timer(&space, who, "t").missed), (puts, 3), "{missed}");
    }
    for (missed, puts) in [(Missed::Skip, 0), (Missed::Once, 1), (Missed::All, 1)] {
        let mut space = Space::default();
        let who = space.open(Mode::Direct);
        space.ask(who, start("t", schedule(after(2), missed))).unwrap();
        space.pass_seconds(60);
        assert_eq!((ready(&space, who), timer(&space, who, "t").schedule), (puts, None), "{missed}");
    }
}

#[test]
fn no_more_are_made_up_for_than_the_limit() {
    let limits = Limits { timer_firings_max: 7, ..Limits::default() };
    for times in [every(1), cron("* * * * *")] {
        let mut space = Space::with(limits.clone());
        let who = space.open(Mode::Direct);
        space.ask(who, start("t", schedule(times, Missed::All))).unwrap();
        // Far enough for counting one by one to be noticed.
        space.pass_seconds(200 * 365 * 24 * 3600 - 30);
        assert!((7..=9).contains(&ready(&space, who)));
        assert!(timer(&space, who, "t").next_in.is_some());
    }
}

#[test]
fn what_a_full_queue_refuses_is_missed() {
    // Refused at 2, 4 and 6 s; drained at 7 s; at 8 s what is owed comes first, and the regular one is the last.
    let cases = [(Missed::Skip, 0, (1, 3, 0)), (Missed::Once, 1, (2, 3, 0)), (Missed::All, 3, (3, 4, 1))];
    for (missed, owed, after_draining) in cases {
        let (mut space, who) = with_queue(3);
        space.ask(who, put_many("q", &["a", "b", "c"], NOW)).unwrap();
        space.ask(who, start("t", schedule(every(2), missed))).unwrap();
        run(&mut space, 7);
        assert_eq!(counts(&space, who, "t"), (0, 3, owed), "{missed}");
        assert!(timer(&space, who, "t").last_error.unwrap().starts_with("FULL: "));
        assert_eq!(crate::queue::drain(&mut space, who), "a b c");
        run(&mut space, 1);
        assert_eq!(counts(&space, who, "t"), after_draining, "{missed}");
    }
}

#[test]
fn what_is_owed_is_tried_each_second() {
    let (mut space, who) = with_queue(1);
    space.ask(who, put("q", "a", NOW)).unwrap();
    space.ask(who, start("t", schedule(after(1), Missed::Once))).unwrap();
    run(&mut space, 3);
    let figures = timer(&space, who, "t");
    assert_eq!((figures.next_in, figures.owed, figures.schedule.is_some()), (None, 1, true));
    space.take_and_accept(who, get("q", NOW)).unwrap();
    assert_eq!(ready(&space, who), 0);
    run(&mut space, 1);
    assert_eq!((ready(&space, who), timer(&space, who, "t").schedule), (1, None));
    let blocked = {
        space.ask(who, start("t", schedule(after(1), Missed::Once))).unwrap();
        space.wait(who, put("q", "b", FOREVER))
    };
    run(&mut space, 1);
    let (_, others) = space.ask_all(who, get("q", NOW));
    assert_eq!(short(&others), [(blocked, "put".to_owned())], "who waits to put is before it");
    assert_eq!(timer(&space, who, "t").owed, 1);
}

#[test]
fn a_shut_down_queue_and_a_wrong_key_refuse() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    space.ask(who, on("q", queue::Command::Shutdown { immediate: false })).unwrap();
    space.ask(who, start("t", schedule(every(1), Missed::Skip))).unwrap();
    let keyed = queue::NewItem { key: vec![1].into(), ..item("tick") };
    let other = Schedule { queue: name("p"), item: keyed, ..schedule(every(1), Missed::Once) };
    space.ask(who, start("u", other)).unwrap();
    run(&mut space, 2);
    assert!(timer(&space, who, "t").last_error.unwrap().starts_with("SHUT_DOWN"));
    assert!(timer(&space, who, "u").last_error.unwrap().starts_with("INVALID_ARGUMENT"));
    assert!(space.engine.object(space.now, Kind::Queue, &name("p"), Default::default()).is_none());
}

#[test]
fn the_same_schedule_again_changes_nothing() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let asked = || schedule(cron("@hourly"), Missed::Once);
    space.ask(who, start("t", asked())).unwrap();
    run(&mut space, 10);
    let same = Schedule { times: cron("0  * * * *"), ..asked() };
    let left = timer(&space, who, "t").next_in;
    assert_eq!(scheduled(space.ask(who, start("t", same))), (true, left));
    let others = [
        (Schedule { queue: name("p"), ..asked() }, "queue"),
        (Schedule { times: every(3), ..asked() }, "times"),
        (Schedule { missed: Missed::All, ..asked() }, "missed"),
        (Schedule { item: item("tock"), ..asked() }, "item"),
    ];
    for (other, option) in others {
        let error = space.ask(who, start("t", other.clone())).unwrap_err();
        assert_eq!((error.reason, error.detail("option")), (Reason::ConfigMismatch, Some(option)));
        let replace = Do::Schedule { schedule: Box::new(other.clone()), replace: true };
        assert!(!scheduled(space.ask(who, on_timer("t", replace))).0);
        assert_eq!(timer(&space, who, "t").schedule, Some(other));
        let back = Do::Schedule { schedule: Box::new(asked()), replace: true };
        space.ask(who, on_timer("t", back)).unwrap();
    }
}

#[test]
fn cancelled() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let cancel = |space: &mut Space, timer: &str| match space.ask(who, on_timer(timer, Do::Cancel)) {
        Ok(command::Reply::Timer(Reply::Cancelled(cancelled))) => cancelled,
        other => panic!("{other:?}"),
    };
    assert!(!cancel(&mut space, "t"));
    assert!(
        space.engine.object(space.now, Kind::Timer, &name("t"), Default::default()).is_none(),
        "it creates none"
    );
    space.ask(who, start("t", schedule(every(1), Missed::All))).unwrap();
    run(&mut space, 2);
    assert!(cancel(&mut space, "t") && !cancel(&mut space, "t"));
    run(&mut space, 5);
    assert_eq!(ready(&space, who), 2);
}

#[test]
fn a_schedule_outlives_its_session_and_a_restart() {
    let mut space = Space::default();
    let (who, other) = (space.open(Mode::Resumable), space.open(Mode::Resumable));
    space.ask(who, start("t", schedule(every(10), Missed::Once))).unwrap();
    space.input(Input::End(who, EndReason::Expired));
    space.input(Input::Restart);
    space.pass_seconds(10);
    assert_eq!(ready(&space, other), 1);
    space.ask(other, start("once", schedule(after(1), Missed::Once))).unwrap();
    space.close(other);
    let last = space.open(Mode::Direct);
    assert_eq!(list(&space, last, 10, None).timers.len(), 2);
    run(&mut space, 1);
    let gone = space.engine.object(space.now, Kind::Timer, &name("once"), Default::default());
    assert!(gone.is_none(), "one that is over, and that nobody uses, is no more");
}

#[test]
fn an_ephemeral_one_goes_with_its_last_user() {
    let mut space = Space::default();
    let (who, other) = (space.open(Mode::Direct), space.open(Mode::Direct));
    space.ask(who, on_timer("t", Do::Declare(Options { ephemeral: Some(true) }))).unwrap();
    space.ask(who, start("t", schedule(every(1), Missed::Once))).unwrap();
    run(&mut space, 1);
    space.ask(who, Command::Discard(Kind::Timer, target("t"))).unwrap();
    run(&mut space, 3);
    assert_eq!(ready(&space, other), 1);
    assert_eq!(
        timer(&space, other, "t"),
        Figures { options: Options { ephemeral: Some(false) }, ..Figures::default() }
    );
}

#[test]
fn a_shared_one_that_is_over_waits_for_its_next_user_once() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    space.ask(who, start("t", schedule(after(20), Missed::Once))).unwrap();
    space.ask(who, Command::Share(Kind::Timer, target("t"))).unwrap();
    space.close(who);
    let unary = space.open(Mode::Sessionless);
    run(&mut space, 20);
    space.ask(unary, start("t", schedule(every(1), Missed::Once))).unwrap();
    run(&mut space, 30);
    assert_eq!(ready(&space, unary), 31);
    space.ask(unary, on_timer("t", Do::Cancel)).unwrap();
    space.ask(unary, on_timer("t", Do::Cancel)).unwrap();
    run(&mut space, 15);
    assert!(space.engine.object(space.now, Kind::Timer, &name("t"), Default::default()).is_none());
}

#[test]
fn listed_by_name_page_by_page() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    for timer in ["c", "a", "b"] {
        space.ask(who, start(timer, schedule(every(9), Missed::All))).unwrap();
    }
    space.ask(who, on_timer("idle", Do::Declare(Options::default()))).unwrap();
    let page = list(&space, who, 2, None);
    let names: Vec<_> = page.timers.iter().map(|listed| listed.name.as_str()).collect();
    assert_eq!((names, page.more), (vec!["a", "b"], true));
    assert_eq!(page.timers[0].next_in, Some(Duration::from_secs(9)));
    let page = list(&space, who, 2, Some("b"));
    assert_eq!((page.timers[0].name.as_str(), page.timers.len(), page.more), ("c", 1, false));
    assert!(space.query(who, command::Query::Timers { page_size: 0, after: None }).is_err());
}

#[test]
fn what_is_refused() {
    let limits = Limits { entries_max: 1, payload_bytes_max: 10, key_bytes_max: 3, ..Limits::default() };
    let mut space = Space::with(limits);
    let who = space.open(Mode::Direct);
    let good = || schedule(every(1), Missed::Once);
    let keyed = queue::NewItem { key: vec![1; 4].into(), ..item("tick") };
    let zero = queue::Attributes { ttl: Some(Duration::ZERO), ..Default::default() };
    let cases = [
        (Schedule { times: Times::Every(Duration::ZERO), ..good() }, "every"),
        (Schedule { times: Times::Every(Duration::from_millis(9)), ..good() }, "timer_period_min"),
        (Schedule { item: item("a long text"), ..good() }, "payload_bytes_max"),
        (Schedule { item: keyed, ..good() }, "key_bytes_max"),
        (Schedule { item: queue::NewItem { attributes: Some(Box::new(zero)), ..item("") }, ..good() }, "ttl"),
    ];
    for (bad, detail) in cases {
        let error = space.ask(who, start("t", bad)).unwrap_err();
        assert_eq!(error.detail("field").or(error.detail("limit")), Some(detail));
    }
    assert!(space.engine.object(space.now, Kind::Timer, &name("t"), Default::default()).is_none());
    space.ask(who, start("t", good())).unwrap();
    let error = space.ask(who, start("u", good())).unwrap_err();
    assert_eq!(error.detail("limit"), Some("entries_max"));
    let existing = Command::Timer(Target::Existing(name("u")), Do::Cancel);
    assert_eq!(reason(&space.ask(who, existing)), Reason::ObjectGone);
}

#[test]
fn the_end_of_time() {
    for times in [after(1), every(1), cron("* * * * *")] {
        let mut space = Space::default();
        space.now = Time::from_micros(u64::MAX - 1_500_000);
        let who = space.open(Mode::Direct);
        let (_, _) = space.ask_all(who, start("t", schedule(times, Missed::All)));
        space.pass_seconds(1);
        space.now = Time::from_micros(u64::MAX);
        space.answers(Input::Tick);
        space.answers(Input::Tick);
    }
}
