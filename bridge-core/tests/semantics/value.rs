//! Semantics 8: values and dicts.

use std::time::Duration;

use bridge_core::command::value::{Command, Guard, Item, Lifetime, Options, Page, Query, Reply, Version};
use bridge_core::command::{self, Input, Mode};
use bridge_core::ids::{SessionKey, Token};
use bridge_core::{Limits, Reason, Timeout};
use bytes::Bytes;

use crate::support::*;

fn read(space: &Space, who: SessionKey, key: &'static str) -> Item {
    let query = Query::Get { key: key.into(), version_only: false };
    match space.query(who, command::Query::Dict(target("d"), query)) {
        Ok(command::Reply::Value(Reply::Got(item))) => *item,
        other => panic!("not read: {other:?}"),
    }
}

fn text(space: &Space, who: SessionKey, key: &'static str) -> String {
    read(space, who, key).datum.as_ref().map_or_else(|| "-".into(), datum_in_short)
}

fn page(space: &Space, who: SessionKey, page_size: u32, after: Option<&'static str>) -> Page {
    let query = Query::Items { page_size, after: after.map(Bytes::from), keys_only: false };
    match space.query(who, command::Query::Dict(target("d"), query)) {
        Ok(command::Reply::Value(Reply::Items(page))) => *page,
        other => panic!("no page: {other:?}"),
    }
}

fn keys(page: &Page) -> Vec<&[u8]> {
    page.entries.iter().map(|entry| &entry.key[..]).collect()
}

fn delete(key: &'static str, guard: Guard) -> command::Command {
    on_dict("d", Command::Delete { key: key.into(), guard, returning: true })
}

fn increment(key: &'static str, by: impl Into<bridge_core::command::value::Datum>) -> command::Command {
    on_dict("d", Command::Increment { key: key.into(), by: by.into(), fence: None })
}

fn watch(key: Option<&'static str>, after: Version, timeout: Timeout) -> command::Command {
    on_dict("d", Command::Watch { key: key.map(Bytes::from), after, timeout })
}

fn if_version(version: Version) -> Guard {
    Guard { if_version: Some(version), fence: None }
}

fn fence(token: u64) -> Guard {
    Guard { if_version: None, fence: Some(Token(token)) }
}

#[test]
fn what_is_set_is_there_with_a_new_version() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    assert_eq!(read(&space, who, "a"), Item::default(), "reading creates nothing");
    assert_eq!(space.engine.status().objects, 0);
    assert_eq!(in_short(&space.ask(who, set_entry("a", payload("x")))), "set true -");
    let first = read(&space, who, "a");
    assert_eq!((text(&space, who, "a"), first.as_of), ("x".into(), first.version));
    assert_eq!(in_short(&space.ask(who, set_entry("a", 7))), "set true -");
    let second = read(&space, who, "a");
    assert!(second.version > first.version);
    assert_eq!(in_short(&space.ask(who, delete("a", Guard::default()))), "deleted true 7");
    assert_eq!(in_short(&space.ask(who, delete("a", Guard::default()))), "deleted false -");
    let absent = read(&space, who, "a");
    assert_eq!((absent.datum, absent.version), (None, 0));
    assert!(absent.as_of > second.version, "a deletion is a change");
    space.ask(who, set_entry("a", 7)).unwrap();
    assert!(read(&space, who, "a").version > absent.as_of, "no version is used again");
}

#[test]
fn a_value_is_one_entry() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let set = |datum: i64| {
        let write = command::value::Write {
            datum: datum.into(),
            guard: Guard::default(),
            lifetime: Lifetime::Lasting,
        };
        on_value("v", Command::Set { key: Bytes::new(), write: Box::new(write) })
    };
    space.ask(who, set(5)).unwrap();
    let get = Query::Get { key: Bytes::new(), version_only: false };
    assert_eq!(in_short(&space.query(who, command::Query::Value(target("v"), get.clone()))), "5");
    assert_eq!(in_short(&space.query(who, command::Query::Dict(target("v"), get))), "-", "a dict is another");
}

#[test]
fn compare_and_set_does_nothing_to_another_version_and_says_what_is_there() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let cas = |space: &mut Space, version, datum: i64| {
        in_short(&space.ask(who, guarded("a", datum, if_version(version), Lifetime::Lasting)))
    };
    assert_eq!(cas(&mut space, 77, 1), "set false -");
    assert_eq!(cas(&mut space, 0, 1), "set true -", "0: only if there is nothing");
    let version = read(&space, who, "a").version;
    assert_eq!(cas(&mut space, 0, 2), "set false 1");
    assert_eq!(cas(&mut space, version, 2), "set true -");
    assert_eq!(cas(&mut space, version, 3), "set false 2");
    assert_eq!(in_short(&space.ask(who, delete("a", if_version(version)))), "deleted false 2");
    let version = read(&space, who, "a").version;
    assert_eq!(in_short(&space.ask(who, delete("a", if_version(version)))), "deleted true 2");
}

#[test]
fn a_command_that_arrives_again_counts_once() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let (op, first) = space.call(who, increment("n", 1));
    assert_eq!(space.again(who, op, increment("n", 1)), first);
    assert_eq!(text(&space, who, "n"), "1");
}

#[test]
fn numbers_are_added_in_one_step() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let sum = |space: &mut Space, command| in_short(&space.ask(who, command));
    assert_eq!(sum(&mut space, increment("n", 2)), "sum 2", "what is absent counts as 0");
    assert_eq!(sum(&mut space, increment("n", -5)), "sum -3");
    assert_eq!(sum(&mut space, increment("n", 0.5)), "sum -2.5", "with a real it becomes one");
    assert_eq!(sum(&mut space, increment("n", 1)), "sum -1.5");
    space.ask(who, set_entry("max", i64::MAX)).unwrap();
    space.ask(who, set_entry("text", payload("7"))).unwrap();
    for (key, by) in [("max", 1.into()), ("text", 1.into()), ("n", payload("1").into())] {
        let by: command::value::Datum = by;
        let error = space.ask(who, increment(key, by)).expect_err("it is refused");
        assert_eq!((error.reason, error.detail("field")), (Reason::InvalidArgument, Some("by")), "{key}");
    }
    assert_eq!(text(&space, who, "max"), i64::MAX.to_string(), "nothing was changed");
}

#[test]
fn a_fence_lower_than_the_last_is_refused() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let set = |fence| guarded("a", 1, fence, Lifetime::Lasting);
    let refused = |space: &mut Space, command| reason(&space.ask(who, command)) == Reason::Fenced;
    space.ask(who, set(fence(7))).unwrap();
    space.ask(who, set(fence(7))).unwrap();
    space.ask(who, set(Guard::default())).expect("no token, no opinion");
    assert!(refused(&mut space, set(fence(6))));
    assert!(refused(&mut space, delete("a", fence(6))));
    let add = on_dict("d", Command::Increment { key: "a".into(), by: 1.into(), fence: Some(Token(6)) });
    assert!(refused(&mut space, add));
    space.ask(who, guarded("b", 1, fence(2), Lifetime::Lasting)).expect("each entry has its own");
    space.ask(who, delete("a", fence(8))).unwrap();
    assert!(refused(&mut space, set(fence(7))), "it is remembered when the entry is gone");
    assert!(refused(&mut space, on_dict("d", Command::Clear { fence: Some(Token(7)) })));
    space.ask(who, on_dict("d", Command::Clear { fence: Some(Token(9)) })).unwrap();
    assert!(refused(&mut space, guarded("never seen", 1, fence(8), Lifetime::Lasting)));
    let stale = guarded("b", 1, Guard { if_version: Some(1), fence: Some(Token(12)) }, Lifetime::Lasting);
    assert_eq!(in_short(&space.ask(who, stale)), "set false -");
    space.ask(who, guarded("b", 1, fence(10), Lifetime::Lasting)).expect("what did nothing was not seen");
}

#[test]
fn entries_go_with_their_time() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let ttl = |seconds| Lifetime::Limited { ttl: Some(Duration::from_secs(seconds)), bound: false };
    let set = |key, lifetime| guarded(key, 1, Guard::default(), lifetime);
    assert_eq!(reason(&space.ask(who, set("a", ttl(0)))), Reason::InvalidArgument);
    for (key, lifetime) in [("a", ttl(2)), ("b", ttl(2)), ("c", ttl(2)), ("d", Lifetime::Kept)] {
        space.ask(who, set(key, lifetime)).unwrap();
    }
    space.pass_seconds(1);
    assert_eq!(page(&space, who, 9, None).entries[0].remaining, Some(Duration::from_secs(1)));
    space.ask(who, set("a", Lifetime::Kept)).unwrap();
    space.ask(who, set("b", Lifetime::Lasting)).unwrap();
    space.ask(who, increment("c", 1)).unwrap();
    let op = space.wait(who, watch(Some("a"), read(&space, who, "a").version, FOREVER));
    assert_eq!(short(&space.pass_seconds(1)), [(op, "changed -".into())]);
    assert_eq!(keys(&page(&space, who, 9, None)), [b"b", b"d"], "kept, and counted on, is until then");
    space.ask(who, set("b", ttl(1))).unwrap();
    space.ask(who, delete("b", Guard::default())).unwrap();
    space.ask(who, set("b", Lifetime::Lasting)).unwrap();
    space.pass_seconds(2);
    assert_eq!(text(&space, who, "b"), "1", "the time was that of another");
}

#[test]
fn entries_go_with_their_session() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    let nobody = space.open(Mode::Sessionless);
    let bound = Lifetime::Limited { ttl: None, bound: true };
    let set = |key, lifetime| guarded(key, 1, Guard::default(), lifetime);
    assert_eq!(reason(&space.ask(nobody, set("a", bound))), Reason::SessionRequired);
    for key in ["a", "b", "c"] {
        space.ask(who, set(key, bound)).unwrap();
    }
    space.ask(other, set("b", Lifetime::Kept)).unwrap();
    space.ask(other, set("c", Lifetime::Lasting)).unwrap();
    space.input(Input::Detach(who));
    assert!(page(&space, other, 9, None).entries[0].bound);
    let op = space.wait(other, watch(None, read(&space, other, "a").as_of, FOREVER));
    assert_eq!(short(&space.expire(who)), [(op, "changed -".into())]);
    assert_eq!(keys(&page(&space, other, 9, None)), [b"c"]);
    space.ask(other, set("d", bound)).unwrap();
    space.ask(other, command::Command::Discard(bridge_core::ids::Kind::Dict, target("d"))).unwrap();
    assert_eq!(keys(&page(&space, nobody, 9, None)), [b"c"], "who uses it no more has nothing in it");
}

#[test]
fn a_watch_ends_with_what_is_newer() {
    let mut space = Space::default();
    let [who, away] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    let (a, all) = (space.wait(who, watch(Some("a"), 0, FOREVER)), space.wait(away, watch(None, 0, FOREVER)));
    space.input(Input::Detach(away));
    let (_, told) = space.ask_all(who, set_entry("b", 1));
    assert_eq!(short(&told), [(all, "changed -".into())], "of anything; the detached learn it too");
    let (_, told) = space.ask_all(who, set_entry("a", 2));
    assert_eq!(short(&told), [(a, "changed 2".into())]);
    assert!(told.iter().all(|answer| !answer.offered));
    let Item { version, as_of, .. } = read(&space, who, "a");
    assert_eq!(in_short(&space.ask(who, watch(Some("a"), version - 1, NOW))), "changed 2");
    assert_eq!(in_short(&space.ask(who, watch(Some("a"), version, NOW))), "unchanged");
    assert_eq!(in_short(&space.ask(who, watch(None, as_of, NOW))), "unchanged");
    let op = space.wait(who, watch(Some("a"), version, seconds(1)));
    assert_eq!(short(&space.pass_seconds(1)), [(op, "unchanged".into())]);
    let op = space.wait(who, watch(Some("a"), version, FOREVER));
    let (_, told) = space.ask_all(who, delete("a", Guard::default()));
    assert_eq!(short(&told), [(op, "changed -".into())], "a deletion is a change");
    assert_eq!(in_short(&space.ask(who, watch(Some("a"), version, NOW))), "changed -", "and is not missed");
    let as_of = read(&space, who, "a").as_of;
    assert_eq!(in_short(&space.ask(who, watch(Some("a"), as_of, NOW))), "unchanged");
    assert_eq!(in_short(&space.ask(who, watch(Some("a"), 0, NOW))), "unchanged", "there is still nothing");
}

#[test]
fn what_an_earlier_dict_of_that_name_had_counts_as_changed() {
    let mut space = Space::default();
    let [first, second] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(first, on_dict("d", Command::Declare(Options { ephemeral: Some(true) }))).unwrap();
    space.ask(first, set_entry("a", 1)).unwrap();
    let version = read(&space, second, "a").version;
    space.expire(first);
    assert_eq!(space.engine.status().objects, 0);
    assert_eq!(space.engine.status().retained_bytes, 0);
    assert_eq!(in_short(&space.ask(second, watch(Some("a"), version, NOW))), "changed -");
    assert_eq!(in_short(&space.ask(second, watch(None, version, NOW))), "changed -");
}

#[test]
fn items_come_in_the_order_of_their_keys() {
    let mut space = Space::with(Limits { payload_bytes_max: 10, ..Limits::default() });
    let who = space.open(Mode::Direct);
    for key in ["b", "a", "d", "c"] {
        space.ask(who, set_entry(key, payload("1234"))).unwrap();
    }
    let first = page(&space, who, 3, None);
    assert_eq!((keys(&first), first.more), (vec![&b"a"[..], b"b"], true), "no page has more than a payload");
    let rest = page(&space, who, 1, Some("b"));
    assert_eq!((keys(&rest), rest.more), (vec![&b"c"[..]], true));
    assert_eq!((page(&space, who, 1, Some("d")).more, rest.as_of), (false, first.as_of));
    assert_eq!(in_short(&space.ask(who, on_dict("d", Command::Clear { fence: None }))), "cleared 4");
    assert_eq!(page(&space, who, 3, None).entries, []);
}

#[test]
fn what_is_stored_is_bounded_and_counted() {
    let mut space =
        Space::with(Limits { entries_max: 3, retained_bytes_max: 20, key_bytes_max: 4, ..Limits::default() });
    let who = space.open(Mode::Direct);
    let limit = |space: &mut Space, command| {
        let error = space.ask(who, command).expect_err("beyond a limit");
        assert_eq!(error.reason, Reason::LimitExceeded);
        error.detail("limit").unwrap_or_default().to_owned()
    };
    space.ask(who, set_entry("a", payload("123456789"))).unwrap();
    assert_eq!(space.engine.status().retained_bytes, 10);
    assert_eq!(limit(&mut space, set_entry("b", payload("1234567890"))), "retained_bytes_max");
    assert_eq!(limit(&mut space, set_entry("long!", 1)), "key_bytes_max");
    space.ask(who, set_entry("a", payload("1234567890123456789"))).expect("it replaces what is there");
    space.ask(who, set_entry("a", payload(""))).unwrap();
    space.ask(who, guarded("b", payload(""), fence(1), Lifetime::Lasting)).unwrap();
    assert_eq!(space.engine.status().entries, 3, "two entries and a fence");
    assert_eq!(limit(&mut space, set_entry("c", payload(""))), "entries_max");
    assert_eq!(limit(&mut space, guarded("a", payload(""), fence(1), Lifetime::Lasting)), "entries_max");
    space.ask(who, on_dict("d", Command::Clear { fence: Some(Token(2)) })).unwrap();
    assert_eq!(space.engine.status().entries, 0);
    assert_eq!(space.engine.status().retained_bytes, 0);
}
