//! Semantics 1: nack with a delay, `max_hold`, extend and progress.

use std::time::Duration;

use bridge_core::command::queue::{Batch, Command, Mode as Take, Options, Reentry, Shelf, Taking};
use bridge_core::command::{self, Mode};
use bridge_core::ids::Token;
use bridge_core::{Reason, Timeout};

use crate::queue::{browse, drain};
use crate::support::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lease_for(hold: u64, max: u32, timeout: Timeout) -> command::Command {
    let batch = Batch { max, ..Batch::ONE };
    on(
        "q",
        Command::Take {
            taking: Taking { max_hold: Some(secs(hold)), ..Taking::new(Take::Lease, batch) },
            timeout,
        },
    )
}

fn extend(token: Token, max_hold: Option<u64>, progress: Option<&str>) -> command::Command {
    let progress = progress.map(str::to_owned);
    on("q", Command::Extend { tokens: vec![token], max_hold: max_hold.map(secs), progress })
}

fn nack_later(token: Token, reentry: Reentry, delay: u64) -> command::Command {
    on("q", Command::Nack { tokens: vec![token], reentry, delay: secs(delay), error: "e".into() })
}

#[test]
fn a_nack_may_delay_the_item_and_it_keeps_the_place_it_returns_to() {
    for (reentry, expected) in [(Reentry::Place, "a b c"), (Reentry::Back, "b c a")] {
        let mut space = Space::default();
        let who = space.open(Mode::Resumable);
        space.ask(who, put_many("q", &["a", "b", "c"], NOW)).unwrap();
        let leased = token(&space.take_and_accept(who, lease("q", NOW)));
        space.ask(who, nack_later(leased, reentry, 4)).unwrap();
        let figures = space.queue(who, "q");
        assert_eq!((figures.ready, figures.delayed, figures.leased), (2, 1, 0));
        space.pass_seconds(4);
        assert_eq!(drain(&mut space, who), expected);
    }
}

#[test]
fn a_dead_letter_is_not_delayed() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, declare("q", Options { max_deliveries: Some(1), ..Default::default() })).unwrap();
    space.ask(who, put("q", "a", NOW)).unwrap();
    let leased = token(&space.take_and_accept(who, lease("q", NOW)));
    space.ask(who, nack_later(leased, Reentry::Place, 4)).unwrap();
    assert_eq!((space.queue(who, "q").delayed, space.queue(who, "q").dead), (0, 1));
}

#[test]
fn a_lease_that_lasts_too_long_is_over() {
    for mode in [Mode::Resumable, Mode::Direct] {
        let mut space = Space::default();
        let [who, other] = [space.open(mode), space.open(mode)];
        space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
        let leased = space.take_and_accept(who, lease_for(5, 2, NOW));
        let tokens: Vec<Token> = deliveries(&leased).iter().map(|delivery| delivery.token).collect();
        space.pass_seconds(3);
        space.ask(who, ack("q", &tokens[..1])).unwrap();
        let waiting = space.wait(other, get("q", FOREVER));
        let answers = space.pass_seconds(2);
        assert_eq!(answers[0].outcome, Ok(command::Reply::Lost(tokens[1..].to_vec())), "its holder is told");
        assert_eq!(short(&answers[1..]), [(waiting, "b".to_owned())]);
        assert_eq!(deliveries(&answers[1].outcome)[0].attempt, 2, "the attempt counts");
        assert_eq!(reason(&space.ask(who, ack("q", &tokens[1..]))), Reason::Stale);
        assert_eq!(reason(&space.ask(who, extend(tokens[1], Some(9), None))), Reason::Stale);
        space.refuse(other, waiting);
        let item = &browse(&space, who, "q", Shelf::Ready)[0];
        assert!(item.last_error.as_ref().is_some_and(|error| error.contains("max_hold")), "{item:?}");
    }
}

#[test]
fn the_time_counts_from_acceptance_and_goes_with_the_lease() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let waiting = space.wait(who, lease_for(5, 1, FOREVER));
    space.ask_all(who, put("q", "a", NOW)).0.unwrap();
    assert!(space.pass_seconds(60).is_empty());
    assert_eq!(space.queue(who, "q").offered, 1, "an offer has no timeout");
    space.done(who, waiting);
    space.pass_seconds(4);
    assert_eq!(space.queue(who, "q").leased, 1);
    space.pass_seconds(1);
    assert_eq!((space.queue(who, "q").leased, space.queue(who, "q").ready), (0, 1));
    let (op, _) = space.call(who, lease_for(5, 1, NOW));
    space.refuse(who, op);
    space.take_and_accept(who, lease_for(5, 1, NOW)).unwrap();
    space.close(who);
    let who = space.open(Mode::Resumable);
    space.pass_seconds(9);
    let got = space.take_and_accept(who, get("q", NOW));
    assert_eq!(deliveries(&got)[0].attempt, 3);
}

#[test]
fn extend_and_progress_make_the_time_count_anew() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put("q", "a", NOW)).unwrap();
    let (op, answers) = space.call(who, lease_for(5, 1, NOW));
    let leased = token(&answers[0].outcome);
    space.ask(who, extend(leased, None, None)).expect("naming the token accepts the offer");
    space.done(who, op);
    space.pass_seconds(4);
    space.ask(who, extend(leased, None, Some("half"))).unwrap();
    space.pass_seconds(4);
    space.ask(who, extend(leased, Some(7), None)).unwrap();
    space.pass_seconds(6);
    assert_eq!(space.queue(who, "q").leased, 1);
    space.pass_seconds(1);
    let item = &browse(&space, who, "q", Shelf::Ready)[0];
    assert_eq!((item.attempts, item.progress.as_deref()), (1, Some("half")));
    let leased = token(&space.take_and_accept(who, lease("q", NOW)));
    space.ask(who, extend(leased, None, None)).unwrap();
    space.pass_seconds(99);
    assert_eq!(space.queue(who, "q").leased, 1, "without a max_hold it stays without");
    space.ask(who, extend(leased, Some(1), None)).unwrap();
    space.pass_seconds(1);
    assert_eq!(space.queue(who, "q").ready, 1);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let hold = |mode, hold| {
        let max_hold = Some(secs(hold));
        on("q", Command::Take { taking: Taking { max_hold, ..Taking::new(mode, Batch::ONE) }, timeout: NOW })
    };
    assert_eq!(reason(&space.ask(who, hold(Take::Get, 1))), Reason::InvalidArgument);
    assert_eq!(reason(&space.ask(who, hold(Take::Lease, 0))), Reason::InvalidArgument);
    assert_eq!(reason(&space.ask(who, extend(Token(7), Some(0), None))), Reason::InvalidArgument);
    assert_eq!(reason(&space.ask(who, extend(Token(7), None, None))), Reason::Stale);
}
