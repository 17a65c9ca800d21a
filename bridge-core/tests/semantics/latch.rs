//! Semantics 6: latch.

use bridge_core::command::latch::{Command, Options, Query, Reply};
use bridge_core::command::{self, Input, Mode};
use bridge_core::{Reason, Timeout};

use crate::support::*;

fn on(command: Command) -> command::Command {
    command::Command::Latch(target("l"), command)
}

fn down(by: u64) -> command::Command {
    on(Command::CountDown { by })
}

fn wait(timeout: Timeout) -> command::Command {
    on(Command::Wait { timeout })
}

fn declare(count: u64) -> command::Command {
    on(Command::Declare(Options { count: Some(count), ephemeral: None }))
}

#[test]
fn zero_lets_everybody_go_for_good() {
    let mut space = Space::default();
    let [who, away] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, declare(3)).unwrap();
    let ops = [space.wait(who, wait(FOREVER)), space.wait(away, wait(FOREVER))];
    space.input(Input::Detach(away));
    assert_eq!(in_short(&space.ask(who, down(2))), "left 1");
    let (outcome, told) = space.ask_all(who, down(2));
    assert_eq!(in_short(&outcome), "left 0", "never below zero");
    assert_eq!(short(&told), ops.map(|op| (op, "true".to_owned())), "it settles the detached too");
    assert_eq!(in_short(&space.ask(who, wait(NOW))), "true");
    assert_eq!(in_short(&space.ask(who, down(1))), "left 0");
}

#[test]
fn a_wait_ends_false_when_its_time_is_over() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    space.ask(who, declare(1)).unwrap();
    assert_eq!(in_short(&space.ask(who, wait(NOW))), "false");
    let op = space.wait(who, wait(seconds(1)));
    assert_eq!(short(&space.pass_seconds(1)), [(op, "false".into())]);
}

#[test]
fn each_count_counts_once() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, declare(5)).unwrap();
    let (op, first) = space.call(who, down(1));
    space.input(Input::Detach(who));
    space.input(Input::Attach(who));
    assert_eq!(space.again(who, op, down(1)), first);
    let figures = match space.query(who, command::Query::Latch(target("l"), Query::Describe)) {
        Ok(command::Reply::Latch(Reply::Described(figures))) => *figures,
        other => panic!("not described: {other:?}"),
    };
    assert_eq!((figures.count, figures.options.count), (4, Some(5)));
}

#[test]
fn the_first_to_say_from_where_it_counts_is_right() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    for command in [down(1), wait(FOREVER), down(0)] {
        assert_eq!(reason(&space.ask(who, command)), Reason::InvalidArgument, "nobody has said");
    }
    assert_eq!(space.engine.status().objects, 0);
    space.ask(who, declare(0)).unwrap();
    assert_eq!(in_short(&space.ask(who, wait(NOW))), "true", "open from the start");
    assert_eq!(reason(&space.ask(who, declare(1))), Reason::ConfigMismatch);
}
