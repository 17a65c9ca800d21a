//! Semantics 0: sessions, op ids, offer and accept, cancel, skipping, time, tokens, bounds.

use std::time::Duration;

use bridge_core::command::{Carrier, Command, Effect, EndReason, Input, Mode, SessionSpec, queue, semaphore};
use bridge_core::ids::{Handle, Kind, Op, OpRange, ParticipantId, Secret, SessionId, Target, Token};
use bridge_core::view::ObjectPage;
use bridge_core::{Limits, Reason};

use crate::support::*;

#[test]
fn an_item_goes_through_in_every_mode() {
    for mode in [Mode::Direct, Mode::Resumable, Mode::Sessionless] {
        let mut space = Space::default();
        let who = space.open(mode);
        space.ask(who, put("q", "a", NOW)).unwrap();
        let got = space.take_and_accept(who, get("q", NOW));
        assert_eq!(texts(&got), ["a"]);
        let waiting = space.wait(who, get("q", FOREVER));
        let (_, answers) = space.ask_all(who, put("q", "b", NOW));
        assert_eq!(short(&answers), [(waiting, "b".to_owned())]);
        space.done(who, waiting);
        let figures = space.queue(who, "q");
        assert_eq!((figures.ready, figures.offered, figures.unfinished), (0, 0, 2));
    }
}

#[test]
fn a_session_is_opened_once_and_found_again_with_its_secret() {
    let mut space = Space::default();
    let first = space.open_as(5, Mode::Resumable).unwrap();
    assert!(!first.resumed);
    let again = space.open_as(5, Mode::Resumable).unwrap();
    assert!(again.resumed && again.session == first.session);
    let spec = SessionSpec { secret: Secret(1), ..spec(5, Mode::Resumable) };
    let effects = space.input(Input::Open(spec));
    let [Effect::Opened(denied)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(reason(denied), Reason::SessionDenied);
}

#[test]
fn an_ended_session_is_answered_and_not_mistaken_for_its_successor() {
    let mut space = Space::default();
    let old = space.open(Mode::Resumable);
    space.close(old);
    let new = space.open(Mode::Resumable);
    assert_eq!((old.slot, space.engine.session(SessionId(2))), (new.slot, Some(new)));
    assert_eq!(reason(&space.ask(old, put("q", "a", NOW))), Reason::SessionExpired);
    assert_eq!(space.done(old, Op(1)), []);
    assert_eq!(space.queue(new, "q").ready, 0);
}

#[test]
fn a_retry_gets_the_first_answer_and_is_not_executed_again() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let (op, first) = space.call(who, put("q", "a", NOW));
    let again = space.again(who, op, put("q", "a", NOW));
    assert_eq!(first, again);
    assert_eq!(space.queue(who, "q").ready, 1);

    let (op, first) = space.call(who, get("q", NOW));
    space.now = space.now + Duration::from_secs(3);
    assert_eq!(first, space.again(who, op, get("q", NOW)), "an offer is repeated as it was");
}

#[test]
fn a_retry_of_a_waiting_command_goes_on_waiting_with_its_deadline() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let op = space.wait(who, get("q", seconds(5)));
    assert_eq!(space.pass_seconds(3), []);
    assert_eq!(space.again(who, op, get("q", seconds(5))), []);
    assert_eq!(space.queue(who, "q").waiting_to_get, 1);
    assert_eq!(short(&space.pass_seconds(2)), [(op, "EMPTY".to_owned())]);
}

#[test]
fn stored_answers_are_bounded_before_execution() {
    let limits = Limits { stored_answers_per_session_max: 2, ..Limits::default() };
    let mut space = Space::with(limits);
    let who = space.open(Mode::Resumable);
    let waiting = space.wait(who, get("other", FOREVER));
    let (first, _) = space.call(who, put("q", "a", NOW));
    space.ask(who, put("q", "b", NOW)).unwrap();
    let refused = space.ask(who, put("q", "c", NOW));
    assert_eq!(reason(&refused), Reason::LimitExceeded);
    assert_eq!(space.queue(who, "q").ready, 2);
    // One endless wait does not hold the rest.
    space.input(Input::Done(who, OpRange { first: waiting, last: first }));
    space.ask(who, put("q", "c", NOW)).unwrap();
    assert_eq!(space.queue(who, "other").waiting_to_get, 1);
}

#[test]
fn nothing_is_stored_for_direct_callers() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    space.ask(who, put("q", "a", NOW)).unwrap();
    let (op, answers) = space.call(who, get("q", NOW));
    assert!(!answers[0].offered, "granted inside the caller's own call: accepted in that step");
    assert_eq!(space.refuse(who, op), []);
    assert_eq!(space.queue(who, "q").ready, 0);

    let op = space.wait(who, get("q", FOREVER));
    let (_, answers) = space.ask_all(who, put("q", "b", NOW));
    assert!(answers[0].offered, "a grant to a parked waiter is an offer in its slot");
    space.refuse(who, op);
    assert_eq!(space.queue(who, "q").ready, 1);
}

#[test]
fn what_is_refused_returns_to_its_place() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    for text in ["a", "b", "c"] {
        space.ask(who, put("q", text, NOW)).unwrap();
    }
    let (first, _) = space.call(who, get("q", NOW));
    let (second, _) = space.call(who, get("q", NOW));
    space.refuse(who, second);
    space.refuse(who, first);
    for text in ["a", "b", "c"] {
        let got = space.take_and_accept(who, get("q", NOW));
        assert_eq!(texts(&got), [text]);
        assert_eq!(deliveries(&got)[0].attempt, 1, "the delivery count is unchanged");
    }
}

#[test]
fn an_offer_outlives_a_lost_stream_and_is_made_again() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let other = space.open(Mode::Resumable);
    space.ask(who, put("q", "a", NOW)).unwrap();
    let (op, offered) = space.call(who, lease("q", NOW));
    space.input(Input::Detach(who));
    assert_eq!(space.pass_seconds(3600), [], "an offer has no timeout");
    assert_eq!(reason(&space.ask(other, get("q", NOW))), Reason::Empty);
    let again = space.answers(Input::Attach(who));
    assert_eq!(again.iter().filter(|answer| answer.op == op).collect::<Vec<_>>(), [&offered[0]]);
    space.done(who, op);
    assert_eq!(space.queue(who, "q").leased, 1);
    assert!(space.answers(Input::Attach(who)).iter().all(|answer| answer.op != op), "settled is settled");
}

#[test]
fn the_waiter_of_a_detached_session_is_passed_over_and_keeps_its_place() {
    let mut space = Space::default();
    let [first, second] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    let early = space.wait(first, get("q", FOREVER));
    let late = space.wait(second, get("q", FOREVER));
    let later = space.wait(second, get("q", FOREVER));
    space.input(Input::Detach(first));
    let (_, answers) = space.ask_all(second, put("q", "a", NOW));
    assert_eq!(short(&answers), [(late, "a".to_owned())]);
    space.input(Input::Attach(first));
    let (_, answers) = space.ask_all(second, put("q", "b", NOW));
    assert_eq!(short(&answers), [(early, "b".to_owned())]);
    let (_, answers) = space.ask_all(second, put("q", "c", NOW));
    assert_eq!(short(&answers), [(later, "c".to_owned())]);
}

#[test]
fn a_detached_session_is_served_what_it_missed_when_it_comes_back() {
    let mut space = Space::default();
    let [away, here] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    let waiting = space.wait(away, get("q", FOREVER));
    space.input(Input::Detach(away));
    space.ask(here, put("q", "a", NOW)).unwrap();
    assert_eq!(short(&space.answers(Input::Attach(away))), [(waiting, "a".to_owned())]);
}

#[test]
fn the_wait_of_an_open_unary_call_is_not_passed_over() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let (op, _) = space.call_by(who, 0, Carrier::Call, get("q", FOREVER));
    space.input(Input::Detach(who));
    let other = space.open(Mode::Resumable);
    let (_, answers) = space.ask_all(other, put("q", "a", NOW));
    assert_eq!(short(&answers), [(op, "a".to_owned())]);
}

#[test]
fn a_time_out_settles_the_detached_too() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let op = space.wait(who, get("q", seconds(5)));
    space.input(Input::Detach(who));
    assert_eq!(short(&space.pass_seconds(5)), [(op, "EMPTY".to_owned())]);
    assert_eq!(short(&space.answers(Input::Attach(who))), [(op, "EMPTY".to_owned())], "it learns at resume");
}

#[test]
fn a_detached_head_of_the_line_does_not_hold_up_the_others() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, permits("s", 1)).unwrap();
    let big = space.wait(who, acquire("s", 2, FOREVER));
    let small = space.wait(other, acquire("s", 1, FOREVER));
    assert_eq!(short(&space.answers(Input::Detach(who))), [(small, "acquired".to_owned())]);
    let _ = big;
}

#[test]
fn cancel_ends_a_wait_and_says_so_after_its_own_answer() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let op = space.wait(who, get("q", FOREVER));
    let answers = space.cancel(who, op);
    assert_eq!(in_order(&answers), ["CANCELLED", "cancelled true"]);
    assert_eq!(answers[0].op, op);
    let answers = space.cancel(who, op);
    assert_eq!(in_order(&answers), ["cancelled false"], "it has ended");
    assert_eq!(in_order(&space.cancel(who, Op(999))), ["cancelled false"]);
}

#[test]
fn cancel_withdraws_an_admitted_put_that_nobody_has_seen() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let (op, _) = space.call(who, put("q", "a", NOW));
    assert_eq!(in_order(&space.cancel(who, op)), ["CANCELLED", "cancelled true"]);
    assert_eq!((space.queue(who, "q").ready, space.queue(who, "q").unfinished), (0, 0));

    let (op, _) = space.call(who, put_many("q", &["a", "b"], NOW));
    let (got, _) = space.call(who, get("q", NOW));
    assert_eq!(in_order(&space.cancel(who, op)), ["cancelled false"], "one of them is offered");
    space.refuse(who, got);
    assert_eq!(in_order(&space.cancel(who, op)), ["cancelled false"], "one of them has been offered");
    let (op, _) = space.call(who, put("q", "c", NOW));
    space.done(who, op);
    assert_eq!(in_order(&space.cancel(who, op)), ["cancelled false"], "its answer is done");
    assert_eq!(space.queue(who, "q").ready, 3);
}

#[test]
fn a_withdrawn_put_makes_room() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, declare("q", queue::Options { maxsize: Some(1), ..Default::default() })).unwrap();
    let (op, _) = space.call(who, put("q", "a", NOW));
    let blocked = space.wait(who, put("q", "b", FOREVER));
    let answers = space.cancel(who, op);
    assert_eq!(in_order(&answers), ["CANCELLED", "cancelled true", "put"]);
    assert_eq!(answers[2].op, blocked);
}

#[test]
fn the_end_of_a_session_gives_everything_back_in_one_step() {
    for reason in [EndReason::Closed, EndReason::Expired] {
        let mut space = Space::default();
        let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
        for text in ["a", "b", "c"] {
            space.ask(other, put("q", text, NOW)).unwrap();
        }
        space.ask(who, permits("s", 2)).unwrap();
        space.take_and_accept(who, lease("q", NOW)).unwrap();
        space.call(who, get("q", NOW));
        space.take_and_accept(who, acquire("s", 1, NOW)).unwrap();
        space.call(who, acquire("s", 1, NOW));
        let waiting = space.wait(who, acquire("s", 1, FOREVER));
        let next = space.wait(other, acquire("s", 2, FOREVER));
        let effects = space.input(Input::End(who, reason));
        assert!(effects.contains(&Effect::Ended { session: who, reason }));
        let answers = answers(effects);
        let expected = [(waiting, "SESSION_EXPIRED".to_owned()), (next, "acquired".to_owned())];
        assert_eq!(short(&answers), expected);
        let got = [NOW; 3].map(|now| space.take_and_accept(other, get("q", now)));
        assert_eq!(got.each_ref().map(|got| texts(got).join("")), ["a", "b", "c"], "in the old order");
        assert_eq!(got.each_ref().map(|got| deliveries(got)[0].attempt), [2, 1, 1]);
    }
}

#[test]
fn closing_accepts_what_unary_calls_were_answered() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    space.call_by(who, 0, Carrier::Call, get("q", NOW));
    space.call_by(who, 0, Carrier::Call, lease("q", NOW));
    space.close(who);
    let other = space.open(Mode::Resumable);
    let (_, got) = space.call(other, get("q", NOW));
    assert_eq!((texts(&got[0].outcome), deliveries(&got[0].outcome)[0].attempt), (vec!["b".to_owned()], 2));
    assert_eq!(reason(&space.ask(other, get("q", NOW))), Reason::Empty);
}

#[test]
fn a_restart_detaches_every_session() {
    let mut space = Space::default();
    let [who, local] = [space.open(Mode::Resumable), space.open(Mode::Direct)];
    let waiting = space.wait(who, get("q", FOREVER));
    let (unary, _) = space.call_by(who, 0, Carrier::Call, get("q", FOREVER));
    let effects = space.input(Input::Restart);
    assert!(effects.contains(&Effect::Ended { session: local, reason: EndReason::Expired }));
    assert_eq!(short(&answers(effects)), [(unary, "CANCELLED".to_owned())], "its connection is gone");
    let other = space.open(Mode::Resumable);
    space.ask(other, put("q", "a", NOW)).unwrap();
    assert_eq!(space.queue(other, "q").ready, 1);
    let answers = space.answers(Input::Attach(who));
    assert_eq!(short(&answers), [(unary, "CANCELLED".to_owned()), (waiting, "a".to_owned())]);
}

#[test]
fn in_a_restart_nobody_is_given_what_the_one_before_cannot_have() {
    let mut space = Space::default();
    let [holder, first, second] = [(); 3].map(|()| space.open(Mode::Resumable));
    space.ask(holder, permits("s", 2)).unwrap();
    let (op, _) = space.call(holder, acquire("s", 1, NOW));
    space.done(holder, op);
    space.wait(first, acquire("s", 2, FOREVER));
    let waiting = space.wait(second, acquire("s", 1, FOREVER));
    assert_eq!(space.answers(Input::Restart), [], "nobody is there");
    assert_eq!(space.answers(Input::Attach(second))[0].op, waiting);
}

#[test]
fn what_is_held_needs_a_session() {
    let mut space = Space::default();
    let nobody = space.open(Mode::Sessionless);
    space.ask(nobody, put("q", "a", NOW)).unwrap();
    assert_eq!(reason(&space.ask(nobody, lease("q", NOW))), Reason::SessionRequired);
    assert_eq!(reason(&space.ask(nobody, acquire("s", 1, NOW))), Reason::SessionRequired);
    let drain = on_semaphore("s", semaphore::Command::Drain);
    assert_eq!(reason(&space.ask(nobody, drain)), Reason::SessionRequired);
    let (_, got) = space.call(nobody, get("q", NOW));
    assert!(!got[0].offered, "get is at most once");
    space.ask(nobody, release("s", 1)).unwrap();
    assert_eq!(space.semaphore(nobody, "s").signals, 1);
}

#[test]
fn zero_does_not_wait_and_does_not_pass_who_could_be_served() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(who, permits("s", 1)).unwrap();
    let head = space.wait(who, acquire("s", 2, FOREVER));
    assert_eq!(reason(&space.ask(other, acquire("s", 1, NOW))), Reason::TimedOut);
    space.input(Input::Detach(who));
    space.take_and_accept(other, acquire("s", 1, NOW)).unwrap();
    let _ = head;
}

#[test]
fn tokens_strictly_increase_across_kinds_and_objects() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put_many("q", &["a", "b"], NOW)).unwrap();
    space.ask(who, permits("s", 2)).unwrap();
    let commands = [lease("q", NOW), acquire("s", 1, NOW), get("q", NOW), acquire("s", 1, NOW)];
    let tokens = commands.map(|command| token(&space.take_and_accept(who, command)));
    assert!(tokens.windows(2).all(|pair| pair[0] < pair[1]), "{tokens:?}");
    assert!(tokens[0] >= Token(1000), "above the seed");
}

#[test]
fn the_first_opinion_counts_and_another_is_a_mismatch() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, put("q", "a", NOW)).unwrap();
    let maxsize = |maxsize| declare("q", queue::Options { maxsize: Some(maxsize), ..Default::default() });
    space.ask(who, declare("q", queue::Options::default())).unwrap();
    space.ask(who, maxsize(3)).unwrap();
    space.ask(who, maxsize(3)).unwrap();
    let error = space.ask(who, maxsize(4)).unwrap_err();
    assert_eq!(error.reason, Reason::ConfigMismatch);
    let details =
        ["option", "declared", "asked"].map(|name| error.detail(name).unwrap_or_default().to_owned());
    assert_eq!(details, ["maxsize", "3", "4"]);
    // What set_limit made of it does not matter.
    space.ask(who, permits("s", 2)).unwrap();
    space.ask(who, on_semaphore("s", semaphore::Command::SetLimit { limit: 9 })).unwrap();
    space.ask(who, permits("s", 2)).unwrap();
    assert_eq!(reason(&space.ask(who, permits("s", 9))), Reason::ConfigMismatch);
}

#[test]
fn reads_create_nothing_and_failed_commands_neither() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    assert_eq!(space.queue(who, "q").ready, 0);
    assert_eq!(space.semaphore(who, "s").available, 1);
    assert!(!space.event(who, "e").is_set);
    assert_eq!(reason(&space.ask(who, ack("q", &[Token(5)]))), Reason::Stale);
    assert_eq!(reason(&space.ask(who, acquire("s", 0, NOW))), Reason::InvalidArgument);
    assert_eq!(space.engine.status().objects, 0);
}

#[test]
fn ephemeral_objects_go_with_the_last_session_that_uses_them() {
    let mut space = Space::default();
    let [who, other, nobody] =
        [Mode::Resumable, Mode::Direct, Mode::Sessionless].map(|mode| space.open(mode));
    let ephemeral = queue::Options { ephemeral: Some(true), ..Default::default() };
    let declared = space.ask(who, declare("q", ephemeral)).unwrap();
    let bridge_core::Reply::Queue(queue::Reply::Declared { handle, .. }) = declared else { panic!() };
    space.ask(other, put("q", "a", NOW)).unwrap();
    let waiting = space.wait(nobody, on("q", queue::Command::Join { timeout: FOREVER }));
    space.close(who);
    assert_eq!(space.queue(nobody, "q").ready, 1);
    assert_eq!(short(&space.close(other)), [(waiting, "OBJECT_GONE".to_owned())]);
    let status = space.engine.status();
    assert_eq!((status.objects, status.items, status.retained_bytes), (0, 0, 0));
    let by_handle = Command::Queue(Target::Handle(handle), queue::Command::Purge);
    assert_eq!(reason(&space.ask(nobody, by_handle)), Reason::ObjectGone);
    space.ask(nobody, put("q", "new", NOW)).unwrap();
    let next = Handle { slot: handle.slot, generation: handle.generation + 1 };
    space.ask(nobody, Command::Queue(Target::Handle(next), queue::Command::Purge)).unwrap();
}

#[test]
fn what_is_due_happens_first_and_in_order() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    let later = space.wait(who, get("q", seconds(2)));
    let first = space.wait(who, get("q", seconds(1)));
    let same = space.wait(who, get("q", seconds(2)));
    assert_eq!(space.engine.next_deadline(), Some(space.now + Duration::from_secs(1)));
    space.now = space.now + Duration::from_secs(2);
    let (_, answers) = space.call(who, put("q", "a", NOW));
    let expected = [(first, "EMPTY"), (later, "EMPTY"), (same, "EMPTY")];
    assert_eq!(short(&answers[..3]), expected.map(|(op, text)| (op, text.to_owned())));
    assert_eq!(space.engine.next_deadline(), None);
}

#[test]
fn admins_see_who_holds_and_who_waits() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.input(Input::Label(who, ParticipantId(0), "main".into()));
    space.ask(who, put("q", "a", NOW)).unwrap();
    space.take_and_accept(who, lease("q", NOW)).unwrap();
    let waiting = space.wait(who, get_many("q", 5, 2, 0, seconds(9)));
    space.pass_seconds(2);
    let view = space.object(Kind::Queue, "q", ObjectPage::default());
    assert_eq!(view.summary.state, "ready=0 delayed=0 offered=0 leased=1 dead=0 unfinished=1");
    assert_eq!((view.holders[0].who.participant_label.as_str(), view.holders[0].offered), ("main", false));
    let waiter = &view.waiters[0];
    assert_eq!((waiter.op, waiter.wants.as_str()), (waiting, "get 2 to 5"));
    assert_eq!((waiter.waiting_for.as_secs(), waiter.remaining.unwrap().as_secs()), (2, 7));
    let [session] = &space.engine.sessions_page(None, 10)[..] else { panic!() };
    assert_eq!((session.holds, session.waits, session.attached), (1, 1, true));
    space.ask(who, set("a")).unwrap();
    space.ask(who, permits("s", 1)).unwrap();
    let all: Vec<_> = space.engine.objects_page(None, None, 10);
    let last = (all[0].kind, all[0].name.clone());
    assert_eq!(all.len(), 3);
    assert_eq!(space.engine.objects_page(None, Some(&last), 10), all[1..]);
    assert_eq!(space.engine.objects_page(Some(Kind::Event), None, 10), all[1..2]);
}

fn in_order(answers: &[Answer]) -> Vec<String> {
    answers.iter().map(|answer| in_short(&answer.outcome)).collect()
}
