//! Semantics 1: Queue.

use std::time::Duration;

use bridge_core::command::queue::{
    Batch, Browsed, Command, Discipline, Mode as Take, Options, Query, Reentry, Reply, Shelf, Taking,
};
use bridge_core::command::{self, Input, Mode};
use bridge_core::ids::{SessionKey, Token};
use bridge_core::{Limits, Reason};

use crate::support::*;

fn discipline(discipline: Discipline) -> command::Command {
    declare("q", Options { discipline: Some(discipline), ..Default::default() })
}

pub(crate) fn maxsize(maxsize: u64) -> command::Command {
    declare("q", Options { maxsize: Some(maxsize), ..Default::default() })
}

pub(crate) fn deliveries_max(max: u32, dead_letters: Option<&str>) -> command::Command {
    let dead_letters = dead_letters.map(name);
    declare("q", Options { max_deliveries: Some(max), dead_letters, ..Default::default() })
}

pub(crate) fn drain(space: &mut Space, who: SessionKey) -> String {
    let mut all = Vec::new();
    while let Ok(got) = space.take_and_accept(who, get("q", NOW)) {
        all.extend(texts(&Ok(got)));
    }
    all.join(" ")
}

pub(crate) fn browse(space: &Space, who: SessionKey, queue: &str, shelf: Shelf) -> Vec<Browsed> {
    let query = Query::Browse { shelf, page_size: 2, after: None };
    let mut all = Vec::new();
    let mut next = Some(query);
    while let Some(query) = next.take() {
        let reply = space.query(who, command::Query::Queue(target(queue), query));
        let Ok(command::Reply::Queue(Reply::Browsed { items, next: cursor })) = reply else {
            panic!("{reply:?}")
        };
        all.extend(items);
        next = cursor.map(|cursor| Query::Browse { shelf, page_size: 2, after: Some(*cursor) });
    }
    all
}

fn browsed(space: &Space, who: SessionKey, queue: &str, shelf: Shelf) -> String {
    let all = browse(space, who, queue, shelf);
    all.iter().map(|item| text_of(&item.payload)).collect::<Vec<_>>().join(" ")
}

pub(crate) fn join(timeout: bridge_core::Timeout) -> command::Command {
    on("q", Command::Join { timeout })
}

pub(crate) fn task_done(count: u64) -> command::Command {
    on("q", Command::TaskDone { count })
}

#[test]
fn fifo_lifo_and_priority() {
    for (order, expected) in [(Discipline::Fifo, "a b c"), (Discipline::Lifo, "c b a")] {
        let mut space = Space::default();
        let who = space.open(Mode::Resumable);
        space.ask(who, discipline(order)).unwrap();
        space.ask(who, put_many("q", &["a", "b", "c"], NOW)).unwrap();
        assert_eq!(browsed(&space, who, "q", Shelf::Ready), expected, "page by page");
        assert_eq!(drain(&mut space, who), expected);
    }
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, discipline(Discipline::Priority)).unwrap();
    let puts: [(&str, &[u8]); 5] = [("x1", b"x"), ("b", b"b"), ("x2", b"x"), ("bb", b"bb"), ("none", b"")];
    puts.iter().for_each(|(text, key)| drop(space.ask(who, put_key("q", text, key)).unwrap()));
    assert_eq!(browsed(&space, who, "q", Shelf::Ready), "none b bb x1 x2");
    assert_eq!(drain(&mut space, who), "none b bb x1 x2", "smallest first, equal keys by arrival");
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    assert_eq!(reason(&space.ask(who, put_key("q", "a", b"k"))), Reason::InvalidArgument);
}

#[test]
fn the_first_opinion_about_the_discipline_reorders_what_is_there() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    space.ask(who, discipline(Discipline::Priority)).unwrap();
    space.ask(who, put_key("q", "c", b"c")).unwrap();
    assert_eq!(drain(&mut space, who), "a b c");
}

#[test]
fn maxsize_counts_ready_items_and_blocked_puts_are_fifo() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, maxsize(2)).unwrap();
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    assert_eq!(reason(&space.ask(who, put("q", "x", NOW))), Reason::Full);
    let first = space.wait(who, put_many("q", &["c", "d"], FOREVER));
    let second = space.wait(who, put("q", "e", seconds(5)));
    let (got, answers) = space.call(who, get("q", NOW));
    assert_eq!(short(&answers), [(got, "a".to_owned())], "room for one; the first wants two");
    assert_eq!(reason(&space.ask(who, put("q", "x", NOW))), Reason::Full, "nor does zero pass it");
    let (_, answers) = space.call(who, lease("q", NOW));
    assert_eq!(short(&answers[1..]), [(first, "put 2".to_owned())], "OFFERED does not count");
    assert_eq!(short(&space.pass_seconds(5)), [(second, "FULL".to_owned())]);
    space.refuse(who, got);
    assert_eq!(space.queue(who, "q").ready, 3, "what returns re-enters above the bound");
    assert_eq!(reason(&space.ask(who, put_many("q", &["1", "2", "3"], FOREVER))), Reason::InvalidArgument);
    assert_eq!(drain(&mut space, who), "a c d");
}

#[test]
fn a_get_is_gone_once_accepted_and_a_lease_comes_back_with_its_session() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(other, put_many("q", &["a", "b", "c"], NOW)).unwrap();
    space.take_and_accept(who, get("q", NOW)).unwrap();
    space.call(who, get("q", NOW));
    space.take_and_accept(who, lease("q", NOW)).unwrap();
    space.expire(who);
    let (_, answers) = space.call(other, get_many("q", 9, 1, 0, NOW));
    assert_eq!(texts(&answers[0].outcome), ["b", "c"]);
    let attempts: Vec<_> = deliveries(&answers[0].outcome).iter().map(|delivery| delivery.attempt).collect();
    assert_eq!(attempts, [1, 2], "an offer is no attempt, an accepted lease is one");
}

#[test]
fn ack_is_all_or_none_and_may_be_repeated() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, put_many("q", &["a", "b", "c"], NOW)).unwrap();
    let leased = space.take_and_accept(who, lease_many("q", 3));
    let tokens: Vec<Token> = deliveries(&leased).iter().map(|delivery| delivery.token).collect();
    let error = space.ask(who, ack("q", &[tokens[0], Token(1), tokens[1]])).unwrap_err();
    assert_eq!((error.reason, error.detail("tokens")), (Reason::Stale, Some("1")));
    assert_eq!(reason(&space.ask(other, ack("q", &tokens))), Reason::Stale, "another session's");
    assert_eq!(space.queue(who, "q").leased, 3, "nothing was changed");
    space.ask(who, ack("q", &tokens[..2])).unwrap();
    space.ask(who, ack("q", &tokens)).expect("repeating the right one is fine");
    assert_eq!(reason(&space.ask(who, nack("q", tokens[0], Reentry::Place, ""))), Reason::Stale);
    assert_eq!((space.queue(who, "q").leased, space.queue(who, "q").unfinished), (0, 0));
}

#[test]
fn the_token_of_a_lost_lease_is_stale() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put("q", "a", NOW)).unwrap();
    let lost = token(&space.take_and_accept(who, lease("q", NOW)));
    space.expire(who);
    let who = space.open(Mode::Resumable);
    let held = token(&space.take_and_accept(who, lease("q", NOW)));
    assert!(held > lost);
    assert_eq!(reason(&space.ask(who, ack("q", &[lost]))), Reason::Stale);
    space.ask(who, ack("q", &[held])).unwrap();
}

#[test]
fn naming_the_token_of_an_offered_lease_accepts_it() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    let (op, answers) = space.call(who, lease_many("q", 2));
    space.ask(who, ack("q", &[token(&answers[0].outcome)])).unwrap();
    assert_eq!(space.queue(who, "q").leased, 1, "all of that offer is accepted");
    assert_eq!(space.refuse(who, op), [], "and cannot be refused any more");
    assert_eq!(space.queue(who, "q").leased, 1);
}

#[test]
fn nack_re_enters_in_place_in_front_or_at_the_back() {
    let cases = [(Reentry::Place, "b c d"), (Reentry::Front, "b c d"), (Reentry::Back, "c d b")];
    for (reentry, expected) in cases {
        let mut space = Space::default();
        let who = space.open(Mode::Resumable);
        space.ask(who, put_many("q", &["a", "b", "c", "d"], NOW)).unwrap();
        let (first, _) = space.call(who, get("q", NOW));
        let taken = space.take_and_accept(who, lease("q", NOW));
        space.ask(who, nack("q", token(&taken), reentry, "")).unwrap();
        space.done(who, first);
        assert_eq!(drain(&mut space, who), expected);
    }
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, discipline(Discipline::Priority)).unwrap();
    for (text, key) in [("a1", b"a"), ("a2", b"a"), ("b1", b"b")] {
        space.ask(who, put_key("q", text, key)).unwrap();
    }
    let taken = space.take_and_accept(who, lease_many("q", 3));
    let tokens: Vec<_> = deliveries(&taken).iter().map(|delivery| delivery.token).collect();
    space.ask(who, nack("q", tokens[0], Reentry::Place, "")).unwrap();
    space.ask(who, nack("q", tokens[1], Reentry::Front, "")).unwrap();
    space.ask(who, nack("q", tokens[2], Reentry::Front, "")).unwrap();
    assert_eq!(drain(&mut space, who), "a2 a1 b1", "in front among equal keys");
}

#[test]
fn after_max_deliveries_an_item_goes_to_the_dead_letters_with_its_history() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, deliveries_max(2, Some("graves"))).unwrap();
    space.ask(who, put("q", "a", NOW)).unwrap();
    for attempt in 1..=2 {
        let taken = space.take_and_accept(who, lease("q", NOW));
        assert_eq!(deliveries(&taken)[0].attempt, attempt);
        space.ask(who, nack("q", token(&taken), Reentry::Place, &format!("error {attempt}"))).unwrap();
    }
    assert_eq!((space.queue(who, "q").ready, space.queue(who, "q").unfinished), (0, 0));
    let [letter] = &browse(&space, who, "graves", Shelf::Ready)[..] else { panic!("no letter") };
    let told = (letter.attempts, letter.dead_reason.as_deref(), letter.last_error.as_deref());
    assert_eq!(told, (2, Some("MAX_DELIVERIES"), Some("error 2")));
    assert_eq!(space.queue(who, "graves").unfinished, 1, "counted at its target");
    let found = space.take_and_accept(who, lease("graves", NOW));
    assert_eq!(deliveries(&found)[0].attempt, 1);
}

#[test]
fn without_a_dead_letter_queue_the_dead_stay_here() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, deliveries_max(1, None)).unwrap();
    space.ask(who, put_many("q", &["a", "b", "c"], NOW)).unwrap();
    let taken = space.take_and_accept(who, lease("q", NOW));
    space.ask(who, nack("q", token(&taken), Reentry::Front, "bad")).unwrap();
    let taken = space.take_and_accept(who, lease("q", NOW));
    space.ask(who, reject("q", token(&taken), "worse")).unwrap();
    space.take_and_accept(who, lease("q", NOW)).unwrap();
    space.expire(who);
    let who = space.open(Mode::Resumable);
    let dead = browse(&space, who, "q", Shelf::Dead);
    let reasons: Vec<_> = dead.iter().map(|item| item.dead_reason.clone().unwrap_or_default()).collect();
    assert_eq!(browsed(&space, who, "q", Shelf::Dead), "a b c", "oldest first, page by page");
    assert_eq!(reasons, ["MAX_DELIVERIES", "REJECTED: worse", "MAX_DELIVERIES"]);
    assert_eq!((space.queue(who, "q").dead, space.queue(who, "q").unfinished), (3, 0));
}

#[test]
fn dead_letters_reach_who_waits_for_them() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, deliveries_max(1, Some("graves"))).unwrap();
    let waiting = space.wait(who, get("graves", FOREVER));
    space.ask(who, put("q", "a", NOW)).unwrap();
    let taken = space.take_and_accept(who, lease("q", NOW));
    let (_, answers) = space.ask_all(who, nack("q", token(&taken), Reentry::Place, ""));
    assert_eq!(short(&answers), [(waiting, "a".to_owned())]);
    let own = declare("graves", Options { dead_letters: Some(name("graves")), ..Default::default() });
    assert_eq!(reason(&space.ask(who, own)), Reason::InvalidArgument);
}

#[test]
fn an_item_that_kills_its_consumers_is_dead() {
    let mut space = Space::with(Limits { crashed_offers_max: 3, ..Limits::default() });
    let owner = space.open(Mode::Resumable);
    space.ask(owner, put("q", "poison", NOW)).unwrap();
    for _ in 0..3 {
        assert_eq!(space.queue(owner, "q").ready, 1);
        let victim = space.open(Mode::Resumable);
        space.call(victim, get("q", NOW));
        space.expire(victim);
    }
    let dead = browse(&space, owner, "q", Shelf::Dead).remove(0);
    assert_eq!(dead.dead_reason.as_deref(), Some("CONSUMER_CRASHED"));
    assert_eq!(dead.consumers, ["s2@host:1", "s3@host:1", "s4@host:1"]);
}

#[test]
fn a_dead_letter_names_the_consumers_that_had_it() {
    let mut space = Space::with(Limits { consumers_per_item_max: 3, ..Limits::default() });
    let owner = space.open(Mode::Resumable);
    space.ask(owner, deliveries_max(6, Some("graves"))).unwrap();
    space.ask(owner, put("q", "a", NOW)).unwrap();
    let refused = space.open(Mode::Resumable);
    let (op, _) = space.call(refused, get("q", NOW));
    space.input(Input::Refuse(refused, op));
    let nacks = space.open(Mode::Resumable);
    for _ in 0..2 {
        let taken = space.take_and_accept(nacks, lease("q", NOW));
        space.ask(nacks, nack("q", token(&taken), Reentry::Place, "")).unwrap();
    }
    for _ in 0..2 {
        let dies = space.open(Mode::Resumable);
        space.take_and_accept(dies, lease("q", NOW)).unwrap();
        space.expire(dies);
    }
    let one_too_many = space.open(Mode::Resumable);
    let taken = space.take_and_accept(one_too_many, lease("q", NOW));
    assert_eq!(browse(&space, owner, "graves", Shelf::Ready), []);
    space.ask(one_too_many, reject("q", token(&taken), "")).unwrap();
    let [letter] = &browse(&space, owner, "graves", Shelf::Ready)[..] else { panic!("no letter") };
    assert_eq!(
        (letter.attempts, &letter.consumers[..]),
        (5, &["s3", "s4", "s5"].map(|s| format!("{s}@host:1"))[..])
    );
}

#[test]
fn an_undecodable_item_can_be_rejected_before_it_is_accepted() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["bad", "good"], NOW)).unwrap();
    let (op, answers) = space.call(who, get_many("q", 2, 1, 0, NOW));
    space.ask(who, reject("q", token(&answers[0].outcome), "UNDECODABLE")).unwrap();
    space.refuse(who, op);
    assert_eq!(browsed(&space, who, "q", Shelf::Dead), "bad");
    assert_eq!(drain(&mut space, who), "good");
}

#[test]
fn a_batch_is_one_atomic_take() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["a", "b", "c"], NOW)).unwrap();
    let (op, answers) = space.call(who, get_many("q", 2, 1, 0, NOW));
    assert_eq!(texts(&answers[0].outcome), ["a", "b"]);
    space.refuse(who, op);
    assert_eq!(reason(&space.ask(who, get_many("q", 9, 4, 0, NOW))), Reason::Empty);
    let got = space.take_and_accept(who, get_many("q", 9, 3, 60_000, NOW));
    assert_eq!(texts(&got), ["a", "b", "c"], "on timeout the minimum will do");
}

#[test]
fn a_batch_reserves_nothing_until_complete() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let batch = space.wait(who, get_many("q", 3, 2, 0, FOREVER));
    let single = space.wait(who, get("q", FOREVER));
    let (_, answers) = space.ask_all(who, put("q", "a", NOW));
    assert_eq!(short(&answers), [(single, "a".to_owned())], "a single get behind it passes");
    let (_, answers) = space.ask_all(who, put("q", "b", NOW));
    assert_eq!(answers, []);
    let (_, answers) = space.ask_all(who, put("q", "c", NOW));
    assert_eq!(short(&answers), [(batch, "b c".to_owned())]);
}

#[test]
fn a_batch_lingers_for_more_once_it_has_its_minimum_and_is_served_first() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let batch = space.wait(who, get_many("q", 3, 1, 5, FOREVER));
    assert_eq!(space.pass(Duration::from_millis(50)), [], "it lingers after the first, not before");
    space.ask(who, put("q", "a", NOW)).unwrap();
    let single = space.wait(who, get("q", FOREVER));
    assert_eq!(reason(&space.ask(who, get("q", NOW))), Reason::Empty);
    assert_eq!(space.pass(Duration::from_millis(4)), []);
    space.ask(who, put("q", "b", NOW)).unwrap();
    assert_eq!(short(&space.pass(Duration::from_millis(1))), [(batch, "a b".to_owned())]);
    space.done(who, batch);

    let batch = space.wait(who, get_many("q", 2, 1, 5, FOREVER));
    let (_, answers) = space.ask_all(who, put_many("q", &["c", "d", "e"], NOW));
    let expected = [(single, "c".to_owned()), (batch, "d e".to_owned())];
    assert_eq!(short(&answers), expected, "the maximum ends it at once");
}

#[test]
fn lingering_starts_anew_when_the_minimum_is_lost() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let batch = space.wait(who, get_many("q", 3, 1, 10, FOREVER));
    space.ask(who, put("q", "a", NOW)).unwrap();
    space.pass(Duration::from_millis(6));
    space.ask(who, on("q", Command::Purge)).unwrap();
    space.ask(who, put("q", "b", NOW)).unwrap();
    assert_eq!(space.pass(Duration::from_millis(6)), []);
    assert_eq!(short(&space.pass(Duration::from_millis(4))), [(batch, "b".to_owned())]);
}

#[test]
fn a_full_queue_completes_a_batch_that_wants_more_than_fits() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, maxsize(2)).unwrap();
    let batch = space.wait(who, get_many("q", 5, 4, 1000, FOREVER));
    let (_, answers) = space.ask_all(who, put_many("q", &["a", "b"], NOW));
    assert_eq!(short(&answers), [(batch, "a b".to_owned())]);
}

#[test]
fn a_detached_batch_lingers_no_more() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    let batch = space.wait(who, get_many("q", 3, 1, 1000, FOREVER));
    space.ask(other, put("q", "a", NOW)).unwrap();
    let single = space.wait(other, get("q", FOREVER));
    assert_eq!(short(&space.answers(Input::Detach(who))), [(single, "a".to_owned())]);
    let _ = batch;
}

#[test]
fn bad_batches_are_refused() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    for (max, min) in [(0, 0), (1, 0), (1, 2)] {
        let batch = Batch { max, min, linger: Duration::ZERO };
        let take = on("q", Command::Take { taking: Taking::new(Take::Get, batch), timeout: FOREVER });
        assert_eq!(reason(&space.ask(who, take)), Reason::InvalidArgument);
    }
    assert_eq!(reason(&space.ask(who, put_many("q", &[], NOW))), Reason::InvalidArgument);
    assert_eq!(reason(&space.ask(who, ack("q", &[]))), Reason::InvalidArgument);
    assert_eq!(reason(&space.ask(who, task_done(0))), Reason::InvalidArgument);
}

#[test]
fn many_items_keep_their_order_when_they_return() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let all: Vec<String> = (0..40).map(|n| format!("{n:02}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    space.ask(who, put_many("q", &all, NOW)).unwrap();
    let mut ops: Vec<_> = (0..30).map(|_| space.call(who, get("q", NOW)).0).collect();
    let keep = ops.split_off(20);
    ops.iter().step_by(2).chain(ops.iter().skip(1).step_by(2)).for_each(|op| drop(space.refuse(who, *op)));
    keep.iter().for_each(|op| drop(space.refuse(who, *op)));
    assert_eq!(drain(&mut space, who), all.join(" "));
}
