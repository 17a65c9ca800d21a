//! Semantics 8: lists.

use bridge_core::command::list::{Command, Page, Query, Splice};
use bridge_core::command::value::{Datum, Guard, Reply};
use bridge_core::command::{self, Mode};
use bridge_core::ids::{SessionKey, Token};
use bridge_core::{Limits, Reason};

use crate::support::*;

fn splice(start: Option<i64>, remove: u64, texts: &[&str]) -> Splice {
    let items = texts.iter().map(|text| payload(text).into()).collect();
    Splice { start, remove, items, returning: true, ..Splice::default() }
}

fn on(splice: Splice) -> command::Command {
    on_list("l", Command::Splice(Box::new(splice)))
}

fn read(space: &Space, who: SessionKey, start: i64, page_size: u32) -> Page {
    ask(space, who, Query::Read { start, page_size, exact: false })
}

fn ask(space: &Space, who: SessionKey, read: Query) -> Page {
    match space.query(who, command::Query::List(target("l"), read)) {
        Ok(command::Reply::Value(Reply::Read(page))) => *page,
        other => panic!("not read: {other:?}"),
    }
}

fn all(space: &Space, who: SessionKey) -> String {
    let items: Vec<_> = read(space, who, 0, 1000).items.iter().map(datum_in_short).collect();
    items.join(" ")
}

#[test]
fn a_splice_does_what_lists_do() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let exact = |splice| Splice { exact: true, ..splice };
    assert_eq!(all(&space, who), "");
    assert_eq!(space.engine.status().objects, 0, "reading creates nothing");
    for (what, does, answer, left) in [
        ("pops of nothing", exact(splice(Some(-1), 1, &[])), "spliced false [] 0", ""),
        ("appends", splice(None, 0, &["a", "b", "c"]), "spliced true [] 3", "a b c"),
        ("inserts", splice(Some(1), 0, &["x"]), "spliced true [] 4", "a x b c"),
        ("inserts at the front", splice(Some(0), 0, &["y", "z"]), "spliced true [] 6", "y z a x b c"),
        ("inserts beyond", splice(Some(99), 0, &["d"]), "spliced true [] 7", "y z a x b c d"),
        ("pops", exact(splice(Some(-1), 1, &[])), "spliced true [d] 6", "y z a x b c"),
        ("pops the first", exact(splice(Some(0), 1, &[])), "spliced true [y] 5", "z a x b c"),
        ("sets", exact(splice(Some(-2), 1, &["B"])), "spliced true [b] 5", "z a x B c"),
        ("sets what is not there", exact(splice(Some(5), 1, &["?"])), "spliced false [] 5", "z a x B c"),
        ("sets before", exact(splice(Some(-6), 1, &["?"])), "spliced false [] 5", "z a x B c"),
        ("cuts a slice", splice(Some(-9), 2, &["s"]), "spliced true [z a] 4", "s x B c"),
        ("assigns a slice", splice(Some(1), 2, &["1", "2", "3"]), "spliced true [x B] 5", "s 1 2 3 c"),
        ("removes", splice(Some(3), u64::MAX, &[]), "LIMIT_EXCEEDED", "s 1 2 3 c"),
        (
            "removes unseen",
            Splice { returning: false, ..splice(Some(3), u64::MAX, &[]) },
            "spliced true [] 3",
            "s 1 2",
        ),
    ] {
        assert_eq!(in_short(&space.ask(who, on(does))), answer, "{what}");
        assert_eq!(all(&space, who), left, "{what}");
    }
    let page = read(&space, who, -2, 1);
    assert_eq!((page.items, page.start, page.length), (vec![payload("1").into()], 1, 3));
    for (start, found) in [(-3, 1), (2, 1), (-4, 0), (3, 0)] {
        let exact = ask(&space, who, Query::Read { start, page_size: 1, exact: true });
        assert_eq!(exact.items.len(), found, "{start}");
    }
    assert_eq!(in_short(&space.ask(who, on_list("l", Command::Clear { fence: None }))), "cleared 3");
    assert_eq!(space.engine.status().retained_bytes, 0);
}

#[test]
fn one_version_stands_for_the_whole_list() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let guarded = |if_version, fence: Option<u64>| Splice {
        guard: Guard { if_version: Some(if_version), fence: fence.map(Token) },
        ..splice(None, 0, &["x"])
    };
    let op = space.wait(who, on_list("l", Command::Watch { after: 0, timeout: FOREVER }));
    let (outcome, told) = space.ask_all(who, on(guarded(0, None)));
    assert_eq!(in_short(&outcome), "spliced true [] 1");
    assert_eq!(short(&told), [(op, "changed -".into())]);
    let version = read(&space, who, 0, 1).version;
    let watch = |timeout| on_list("l", Command::Watch { after: version, timeout });
    assert_eq!(in_short(&space.ask(who, watch(NOW))), "unchanged");
    let op = space.wait(who, watch(seconds(1)));
    assert_eq!(in_short(&space.ask(who, on(guarded(0, None)))), "spliced false [] 1", "another version");
    assert_eq!(short(&space.pass_seconds(1)), [(op, "unchanged".into())]);
    assert_eq!(in_short(&space.ask(who, on(guarded(version, Some(5))))), "spliced true [] 2");
    assert_eq!(reason(&space.ask(who, on(guarded(version, Some(4))))), Reason::Fenced);
    let clear = on_list("l", Command::Clear { fence: Some(Token(4)) });
    assert_eq!(reason(&space.ask(who, clear)), Reason::Fenced);
}

#[test]
fn an_item_is_counted_up_in_one_step() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let items: Vec<Datum> = vec![1.into(), payload("x").into()];
    space.ask(who, on(Splice { items, ..Splice::default() })).unwrap();
    let add = |index, by: i64| on_list("l", Command::Increment { index, by: by.into(), fence: None });
    assert_eq!(in_short(&space.ask(who, add(0, 4))), "sum 5");
    assert_eq!(in_short(&space.ask(who, add(-2, 1))), "sum 6");
    for index in [-1, 2, -3] {
        assert_eq!(reason(&space.ask(who, add(index, 1))), Reason::InvalidArgument);
    }
    assert_eq!(all(&space, who), "6 x");
}

#[test]
fn what_is_stored_is_bounded() {
    let limits = Limits { entries_max: 5, list_items_max: 3, batch_max: 2, ..Limits::default() };
    let mut space = Space::with(Limits { payload_bytes_max: 9, retained_bytes_max: 14, ..limits });
    let who = space.open(Mode::Direct);
    let limit = |space: &mut Space, command| {
        let error = space.ask(who, command).expect_err("beyond a limit");
        error.detail("limit").unwrap_or_default().to_owned()
    };
    assert_eq!(limit(&mut space, on(splice(None, 0, &["1", "2", "3"]))), "batch_max");
    space.ask(who, on(splice(None, 0, &["123456", "123456"]))).unwrap();
    assert_eq!(limit(&mut space, on(splice(None, 0, &["123"]))), "retained_bytes_max");
    assert_eq!(limit(&mut space, on(splice(Some(0), 2, &[]))), "payload_bytes_max");
    assert_eq!(read(&space, who, 0, 9).items.len(), 1, "no page has more than a payload");
    space.ask(who, on(splice(Some(0), 1, &["12345", "1"]))).expect("what goes makes room");
    assert_eq!(limit(&mut space, on(splice(None, 0, &["", ""]))), "list_items_max");
    space.ask(who, set_entry("a", payload(""))).unwrap();
    space.ask(who, set_entry("b", payload(""))).unwrap();
    space.ask(who, on(splice(Some(0), 1, &[""]))).expect("as many as before");
    assert_eq!(limit(&mut space, set_entry("c", payload(""))), "entries_max");
}
