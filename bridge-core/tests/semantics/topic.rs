//! Semantics 1: topics.

use bridge_core::command::queue::{self, Attributes, Dedupe, NewItem, Options as QueueOptions, Scope};
use bridge_core::command::topic::{Binding, Command as Do, Options, Publish, Query, Reached, Reply as R};
use bridge_core::command::{self, Command, Mode, Reply};
use bridge_core::ids::{SessionKey, Target};
use bridge_core::{Limits, Reason};
use proptest::prelude::*;

use crate::support::*;

fn to(command: Do) -> Command {
    Command::Topic(target("t"), command)
}

fn bind(queue: &str, pattern: &str) -> Command {
    to(Do::Bind { queue: target(queue), pattern: pattern.into() })
}

fn unbind(queue: &str, pattern: &str) -> Command {
    to(Do::Unbind { queue: name(queue), pattern: pattern.into() })
}

fn publish(key: &str, item: NewItem) -> Command {
    to(Do::Publish(Box::new(Publish { key: key.into(), item })))
}

fn reply(outcome: Result<Reply, bridge_core::Error>) -> R {
    match outcome {
        Ok(Reply::Topic(reply)) => reply,
        other => panic!("not of a topic: {other:?}"),
    }
}

/// The queues that "x" reaches with that key.
fn reached(space: &mut Space, who: SessionKey, key: &str) -> Vec<String> {
    match reply(space.ask(who, publish(key, item("x")))) {
        R::Published(reached) => reached.into_iter().map(|Reached { queue, .. }| queue.to_string()).collect(),
        other => panic!("not published: {other:?}"),
    }
}

fn bindings(space: &Space, who: SessionKey, page_size: u32) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let query = Query::ListBindings { page_size, after: after.take() };
        match reply(space.query(who, command::Query::Topic(target("t"), query))) {
            R::Bindings { bindings, more } => {
                all.extend(bindings.iter().map(|Binding { pattern, queue }| format!("{pattern}:{queue}")));
                after = bindings.last().cloned().filter(|_| more);
            }
            other => panic!("not listed: {other:?}"),
        }
        if after.is_none() {
            return all;
        }
    }
}

#[test]
fn what_is_published_reaches_every_queue_that_is_bound_for_its_key() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    for (queue, pattern) in [("a", "new"), ("b", "new"), ("c", "old"), ("d", "*"), ("a", "n*")] {
        assert_eq!(reply(space.ask(who, bind(queue, pattern))), R::Bound(true));
    }
    assert_eq!(reply(space.ask(who, bind("a", "new"))), R::Bound(false));
    let waiting = space.wait(who, get("b", FOREVER));
    let (outcome, answers) = space.ask_all(who, publish("new", item("x")));
    let R::Published(reached_) = reply(outcome) else { panic!("not published") };
    assert_eq!(
        reached_.iter().map(|one| one.queue.as_str()).collect::<Vec<_>>(),
        ["a", "b", "d"],
        "each once"
    );
    assert_eq!(short(&answers), [(waiting, "x".to_owned())], "who waits there is served");
    assert_eq!(["a", "c", "d"].map(|queue| space.queue(who, queue).ready), [1, 0, 1]);
    assert_eq!(reached(&mut space, who, "none"), ["a", "d"]);
    assert_eq!(reached(&mut space, who, ""), ["d"]);
    assert_eq!(reply(space.ask(who, unbind("d", "*"))), R::Unbound(true));
    assert_eq!(reply(space.ask(who, unbind("d", "*"))), R::Unbound(false));
    assert_eq!(reached(&mut space, who, "gone"), Vec::<String>::new(), "nobody is bound for it");
}

#[test]
fn all_get_it_or_none() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    for queue in ["a", "b"] {
        space.ask(who, declare(queue, QueueOptions { maxsize: Some(1), ..Default::default() })).unwrap();
        space.ask(who, bind(queue, "*")).unwrap();
    }
    space.ask(who, put("b", "y", NOW)).unwrap();
    let error = space.ask(who, publish("k", item("x"))).expect_err("no room");
    assert_eq!((error.reason, error.detail("queue")), (Reason::Full, Some("b")));
    assert_eq!(space.queue(who, "a").ready, 0);
    space.ask(who, on("b", queue::Command::Shutdown { immediate: true })).unwrap();
    assert_eq!(reached(&mut space, who, "k"), ["a"], "what was shut down is passed over");
    let keyed = NewItem { key: "k".into(), ..item("x") };
    assert_eq!(reason(&space.ask(who, publish("k", keyed))), Reason::InvalidArgument);
}

#[test]
fn a_repeated_publish_is_answered_and_not_executed() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, bind("a", "*")).unwrap();
    let (op, first) = space.call(who, publish("k", item("x")));
    assert_eq!(space.again(who, op, publish("k", item("x"))), first);
    assert_eq!(space.queue(who, "a").ready, 1);
}

#[test]
fn a_binding_lives_as_long_as_its_queue_and_its_topic() {
    let mut space = Space::default();
    let [who, passing] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    let ephemeral = || QueueOptions { ephemeral: Some(true), ..Default::default() };
    space.ask(passing, declare("a", ephemeral())).unwrap();
    space.ask(who, bind("a", "*")).unwrap();
    assert_eq!(bindings(&space, who, 9), ["*:a"]);
    space.close(passing);
    assert_eq!(bindings(&space, who, 9), Vec::<String>::new());
    space.ask(who, put("a", "new", NOW)).unwrap();
    assert_eq!(reached(&mut space, who, "k"), Vec::<String>::new(), "another queue of that name");
    assert_eq!(reply(space.ask(who, unbind("a", "*"))), R::Unbound(false));
    assert_eq!(reply(space.ask(who, bind("a", "*"))), R::Bound(true));
    let passing = space.open(Mode::Resumable);
    let mut on_other = |command| space.ask(passing, Command::Topic(target("passing"), command));
    on_other(Do::Declare(Options { ephemeral: Some(true) })).unwrap();
    on_other(Do::Bind { queue: target("a"), pattern: "*".into() }).unwrap();
    space.close(passing);
    let described = space.query(who, command::Query::Topic(target("passing"), Query::Describe));
    assert!(matches!(reply(described), R::Described(figures) if figures.bindings == 0));
}

#[test]
fn bindings_come_page_by_page() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    for (queue, pattern) in [("b", "x"), ("a", "*"), ("a", "x"), ("c", "a*"), ("a", "y")] {
        space.ask(who, bind(queue, pattern)).unwrap();
    }
    for page_size in 1..7 {
        assert_eq!(bindings(&space, who, page_size), ["x:a", "x:b", "y:a", "*:a", "a*:c"]);
    }
    let none = command::Query::Topic(target("t"), Query::ListBindings { page_size: 0, after: None });
    assert_eq!(reason(&space.query(who, none)), Reason::InvalidArgument);
}

#[test]
fn bounds() {
    let limits =
        Limits { topic_bindings_max: 2, key_bytes_max: 4, items_max: 3, objects_max: 4, ..Limits::default() };
    let mut space = Space::with(limits);
    let [who, passing] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    let limit = |space: &mut Space, command: Command| {
        let error = space.ask(who, command).expect_err("too many");
        assert_eq!(error.reason, Reason::LimitExceeded);
        error.detail("limit").map(str::to_owned).expect("it has a name")
    };
    space.ask(passing, declare("b", QueueOptions { ephemeral: Some(true), ..Default::default() })).unwrap();
    space.ask(who, bind("a", "k")).unwrap();
    space.ask(who, bind("b", "*")).unwrap();
    assert_eq!(limit(&mut space, bind("c", "k")), "topic_bindings_max");
    assert_eq!(limit(&mut space, bind("a", "12345")), "key_bytes_max");
    assert_eq!(limit(&mut space, publish("12345", item("x"))), "key_bytes_max");
    assert_eq!(reached(&mut space, who, "k"), ["b", "a"]);
    assert_eq!(limit(&mut space, publish("k", item("x"))), "items_max");
    space.close(passing);
    space.ask(who, bind("c", "k")).expect("what is gone makes room");
    let dedupe = Some(Dedupe { key: "k".into(), scope: Scope::Queued, refuse: false });
    let attributes = Some(Box::new(Attributes { dedupe, ..Default::default() }));
    let keyed = publish("none", NewItem { attributes, ..item("x") });
    assert_eq!(reason(&space.ask(who, keyed)), Reason::InvalidArgument);
    let absent = to(Do::Bind { queue: Target::Existing(name("z")), pattern: "k".into() });
    assert_eq!(reason(&space.ask(who, absent)), Reason::ObjectGone);
}

/// Whether the pattern means the key, naively.
fn means(pattern: &[u8], key: &[u8]) -> bool {
    match pattern.split_first() {
        None => key.is_empty(),
        Some((b'*', rest)) => (0..=key.len()).any(|skip| means(rest, &key[skip..])),
        Some((byte, rest)) => key.first() == Some(byte) && means(rest, &key[1..]),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Bind(usize, String),
    Unbind(usize, String),
    Publish(String),
    Take(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pattern = || "[ab*]{0,4}";
    let step = prop_oneof![
        3 => (0_usize..3, pattern()).prop_map(|(queue, pattern)| Step::Bind(queue, pattern)),
        1 => (0_usize..3, pattern()).prop_map(|(queue, pattern)| Step::Unbind(queue, pattern)),
        4 => "[ab*]{0,5}".prop_map(Step::Publish),
        2 => (0_usize..3).prop_map(Step::Take),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    /// The model is a list of pairs, and a count for each queue.
    #[test]
    fn as_a_list_of_bindings(steps in steps(), maxsize in 0_u64..4) {
        let names = ["a", "b", "c"];
        let mut space = Space::default();
        let who = space.open(Mode::Direct);
        for queue in names {
            space.ask(who, declare(queue, QueueOptions { maxsize: Some(maxsize), ..Default::default() })).expect("declared");
        }
        let (mut bound, mut ready): (Vec<(usize, String)>, _) = (Vec::new(), [0_u64; 3]);
        for step in steps {
            match step {
                Step::Bind(queue, pattern) => {
                    let is_new = !bound.contains(&(queue, pattern.clone()));
                    prop_assert_eq!(reply(space.ask(who, bind(names[queue], &pattern))), R::Bound(is_new));
                    bound.retain(|other| *other != (queue, pattern.clone()));
                    bound.push((queue, pattern));
                }
                Step::Unbind(queue, pattern) => {
                    let was = bound.contains(&(queue, pattern.clone()));
                    prop_assert_eq!(reply(space.ask(who, unbind(names[queue], &pattern))), R::Unbound(was));
                    bound.retain(|other| *other != (queue, pattern.clone()));
                }
                Step::Publish(key) => {
                    let is_bound = |queue: &usize| {
                        bound.iter().any(|(of, pattern)| of == queue && means(pattern.as_bytes(), key.as_bytes()))
                    };
                    let all: Vec<usize> = (0..3).filter(is_bound).collect();
                    if all.iter().any(|queue| maxsize > 0 && ready[*queue] >= maxsize) {
                        prop_assert_eq!(reason(&space.ask(who, publish(&key, item("x")))), Reason::Full);
                    } else {
                        let expected: Vec<_> = all.iter().map(|queue| names[*queue].to_owned()).collect();
                        prop_assert_eq!(reached(&mut space, who, &key), expected);
                        all.into_iter().for_each(|queue| ready[queue] += 1);
                    }
                }
                Step::Take(queue) => {
                    let taken = space.ask(who, get(names[queue], NOW)).is_ok();
                    prop_assert_eq!(taken, ready[queue] > 0);
                    ready[queue] -= u64::from(taken);
                }
            }
            prop_assert_eq!(names.map(|queue| space.queue(who, queue).ready), ready);
            prop_assert_eq!(bindings(&space, who, 2).len(), bound.len());
        }
    }
}
