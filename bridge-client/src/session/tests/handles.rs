//! Anonymous objects, shared ones, and handles that attach.

use std::sync::Arc;

use bridge_core::command::{Command, queue};
use bridge_core::ids::{Name, ParticipantId};
use bridge_core::payload::ContentType;
use bridge_core::view::ObjectPage;
use bridge_core::{Error, Outcome, Payload, Reason, Request, Timeout};

use super::super::{Slot, Submission};
use super::world::{TTL, World};
use crate::fork;
use crate::object::{Declaration, Object, Origin};

fn queue_named(name: &str, options: queue::Options, origin: Origin) -> Arc<Object> {
    let name = Name::parse("queue", name).unwrap();
    let options = queue::Options { ephemeral: Some(true), ..options };
    Arc::new(Object::new(name, Declaration::Queue(options), origin))
}

/// Declared by client 0, and nothing has left.
fn anonymous(world: &mut World, options: queue::Options) -> Arc<Object> {
    let object = queue_named("anonymous-1", options, Origin::Anonymous { generation: fork::generation() });
    let now = world.now();
    world.clients[0].session.declare(now, &object);
    object
}

fn put(world: &mut World, object: &Arc<Object>) -> Arc<Slot> {
    let item = queue::NewItem::new(Payload::new(ContentType::Text, "a"));
    let put = queue::Command::Put { item, timeout: Timeout::NOW };
    let request = Request::Command(Command::Queue(object.target(), put));
    let now = world.now();
    world.clients[0]
        .session
        .submit(now, Submission { who: ParticipantId(0), object: object.clone(), request })
}

fn exists(world: &World, object: &Object) -> bool {
    world
        .namespace
        .read(|engine, now| engine.object(now, object.kind(), object.name(), ObjectPage::default()).is_some())
}

fn error(outcome: Option<Outcome>) -> Error {
    outcome.expect("it has ended").expect_err("it went well")
}

#[test]
fn a_declaration_that_nobody_waits_for_leaves_with_the_first_call() {
    let mut world = World::ready(1);
    let object = anonymous(&mut world, queue::Options::default());
    let now = world.now();
    assert!(world.clients[0].session.next_deadline().unwrap() > now, "nothing is in a hurry");
    let slot = put(&mut world, &object);
    let frame = world.clients[0].session.next_frame(now).unwrap();
    assert_eq!(frame.commands.len(), 2);
    assert!(frame.commands[1].must_exist);
    world.cut(0);
    world.connect(0);
    world.exchange(0);
    world.accept(0, &slot).unwrap().unwrap();
    assert!(exists(&world, &object));
}

#[test]
fn a_refused_declaration_is_told_by_every_call_and_creates_nothing() {
    let mut world = World::ready(1);
    let itself = Name::parse("queue", "anonymous-1").unwrap();
    let wrong = queue::Options { dead_letters: Some(itself), ..Default::default() };
    let object = anonymous(&mut world, wrong);
    let slots = [put(&mut world, &object), put(&mut world, &object)];
    world.exchange(0);
    let later = put(&mut world, &object);
    world.exchange(0);
    for slot in slots.iter().chain([&later]) {
        let error = error(world.accept(0, slot));
        assert_eq!(error.reason, Reason::InvalidArgument);
        assert!(error.message.starts_with("the queue anonymous-1 could not be opened: "), "{error}");
    }
    assert!(!exists(&world, &object));
}

#[test]
fn what_was_refused_for_a_while_opens_with_a_later_call() {
    let mut world = World::ready(1);
    let object = anonymous(&mut world, queue::Options::default());
    object.refuse(Error::limit("objects_max", 1));
    let slot = put(&mut world, &object);
    world.exchange(0);
    world.accept(0, &slot).unwrap().unwrap();
    assert_eq!(object.refusal(), None);
}

#[test]
fn an_attached_handle_creates_nothing_in_a_new_session() {
    let mut world = World::ready(1);
    let attached = queue_named("elsewhere", queue::Options::default(), Origin::Attached);
    let (slot, asked) = (put(&mut world, &attached), attached.name().clone());
    world.exchange(0);
    let gone = error(world.accept(0, &slot));
    assert_eq!(gone.reason, Reason::ObjectGone);
    assert!(gone.message.contains(asked.as_str()), "{gone}");
    world.restart();
    world.connect(0);
    let slot = put(&mut world, &attached);
    world.exchange(0);
    assert_eq!(error(world.accept(0, &slot)).reason, Reason::ObjectGone);
    assert!(!exists(&world, &attached));
}

#[test]
fn an_inherited_anonymous_object_is_not_made_anew() {
    let mut world = World::ready(1);
    let origin = Origin::Anonymous { generation: fork::generation() + 1 };
    let inherited = queue_named("anonymous-9", queue::Options::default(), origin);
    let slot = put(&mut world, &inherited);
    world.exchange(0);
    assert_eq!(error(world.accept(0, &slot)).reason, Reason::ObjectGone);
    assert!(!exists(&world, &inherited));
}

#[test]
fn sharing_all_is_said_once_and_again_in_a_new_session() {
    let mut world = World::ready(1);
    let object = anonymous(&mut world, queue::Options::default());
    let now = world.now();
    let session = &mut world.clients[0].session;
    assert!(session.share_all(now));
    assert!(!session.share_all(now), "the named ones need no sharing");
    session.flush();
    world.exchange(0);
    assert!(world.clients[0].session.is_flushed());
    world.restart();
    world.connect(0);
    world.exchange(0);
    let now = world.now();
    let session = &mut world.clients[0].session;
    session.discard(now, &object);
    session.flush();
    world.exchange(0);
    assert!(exists(&world, &object), "it waits for who was told of it");
    world.advance(TTL);
    assert!(!exists(&world, &object));
}

#[test]
fn a_wait_goes_on_in_each_new_session_though_its_first_stream_breaks() {
    let mut world = World::ready(1);
    let object = anonymous(&mut world, queue::Options::default());
    let taking = queue::Taking::new(queue::Mode::Get, queue::Batch::ONE);
    let take = queue::Command::Take { taking, timeout: Timeout::Never };
    let request = Request::Command(Command::Queue(object.target(), take));
    let now = world.now();
    let slot = world.clients[0]
        .session
        .submit(now, Submission { who: ParticipantId(0), object: object.clone(), request });
    world.exchange(0);
    for _ in 0..3 {
        world.restart_and_break(0);
        assert!(!slot.is_ready(), "{:?}", slot.take());
    }
    put(&mut world, &object);
    world.exchange(0);
    assert!(world.accept(0, &slot).unwrap().is_ok());
}
