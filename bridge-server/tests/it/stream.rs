//! The session stream, by hand.

use std::collections::BTreeMap;

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::PROTOCOL_VERSION;
use syncbridge_proto::pieces::{Assembly, Pieces, Sizes};
use syncbridge_proto::v1 as pb;

use crate::common::*;

fn got(answer: pb::Answer) -> bytes::Bytes {
    match answer.body {
        Some(Answer::QueueGet(response)) => value(response.delivery),
        other => panic!("{other:?}"),
    }
}

fn done(first: u64, last: u64) -> pb::AttachRequest {
    pb::AttachRequest { done: vec![pb::OpRange { first, last }], ..Default::default() }
}

#[tokio::test]
async fn many_commands_in_one_frame_and_their_answers() {
    let server = serve();
    let mut a = connect(&server).await.attach(1).await;
    assert_eq!((a.welcome.resumed, a.welcome.protocol_version), (false, PROTOCOL_VERSION));
    let bodies =
        [Body::QueuePut(put("a")), Body::QueuePut(put("b")), Body::QueueGet(get()), Body::QueueGet(get())];
    let commands = bodies.into_iter().zip(1..).map(|(body, op)| pb::Command {
        op,
        body: Some(body),
        ..Default::default()
    });
    a.frame(pb::AttachRequest { commands: commands.collect(), ..Default::default() });
    let frame = a.next().await;
    assert_eq!(frame.received, 1);
    assert_eq!(frame.answers.iter().map(|answer| answer.op).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(got(frame.answers[3].clone()), "b");
}

#[tokio::test]
async fn a_parked_get_is_answered_by_anothers_put() {
    let server = serve();
    let mut a = connect(&server).await.attach(1).await;
    let mut c = connect(&server).await;
    a.ask(1, Body::QueueGet(get()));
    c.queue.put(put("a")).await.unwrap();
    let answer = a.answer().await;
    assert_eq!((answer.op, got(answer)), (1, "a".into()));
}

#[tokio::test]
async fn a_heartbeat_is_echoed() {
    let server = serve();
    let mut a = connect(&server).await.attach(1).await;
    a.frame(pb::AttachRequest { heartbeat: 5, ..Default::default() });
    let frame = a.next().await;
    assert_eq!((frame.heartbeat, frame.received, frame.answers.len()), (5, 1, 0));
}

#[tokio::test]
async fn absurd_ranges_cost_nothing() {
    let server = serve();
    let mut a = connect(&server).await.attach(1).await;
    a.ask(1, Body::QueueGet(get()));
    let all = pb::OpRange { first: 1, last: u64::MAX };
    let refused = vec![0, 1, u64::MAX];
    a.frame(pb::AttachRequest { done: vec![all; 100], refused, heartbeat: 1, ..Default::default() });
    assert_eq!(a.next().await.heartbeat, 1);
    connect(&server).await.queue.put(put("a")).await.unwrap();
    assert_eq!(got(a.answer().await), "a", "what is not answered yet cannot be settled");
}

#[tokio::test]
async fn several_serving_threads_share_the_node() {
    let server = serve_with(|options| options.threads = 3);
    let mut streams = Vec::new();
    for id in 1..=6 {
        let mut a = connect(&server).await.attach(id).await;
        a.ask(1, Body::QueueGet(get()));
        streams.push(a);
    }
    for _ in 1..=6 {
        connect(&server).await.queue.put(put("a")).await.unwrap();
    }
    for a in &mut streams {
        assert_eq!(got(a.answer().await), "a");
    }
}

#[tokio::test]
async fn cancel_has_a_definite_answer() {
    let server = serve();
    let mut a = connect(&server).await.attach(1).await;
    a.ask(1, Body::QueueGet(get()));
    a.ask(2, Body::Cancel(pb::CancelRequest { op: 1 }));
    let mut answers = BTreeMap::new();
    while answers.len() < 2 {
        answers.extend(a.next().await.answers.into_iter().map(|answer| (answer.op, answer.body.unwrap())));
    }
    assert!(matches!(&answers[&1], Answer::Error(error) if error.reason() == pb::Reason::Cancelled));
    assert!(matches!(&answers[&2], Answer::Cancel(cancel) if cancel.cancelled));
}

#[tokio::test]
async fn resume_replays_an_unsettled_grant() {
    let server = serve();
    let mut c = connect(&server).await;
    c.queue.put(put("a")).await.unwrap();
    let mut a = c.attach(1).await;
    a.ask(1, Body::QueueGet(get()));
    assert_eq!(got(a.answer().await), "a");
    drop(a);

    let mut resumed = connect(&server).await.attach(1).await;
    assert!(resumed.welcome.resumed);
    let again = resumed.answer().await;
    assert_eq!((again.op, got(again)), (1, "a".into()));
    resumed.sequence = 1;
    resumed.frame(done(1, 1));
    resumed.frame(pb::AttachRequest { heartbeat: 1, ..Default::default() });
    assert_eq!(resumed.next().await.heartbeat, 1);
    drop(resumed);

    let mut third = connect(&server).await.attach(1).await;
    third.frame(pb::AttachRequest { heartbeat: 2, ..Default::default() });
    assert_eq!(third.next().await.answers, []);
    assert_eq!(third.replayed, [], "what was accepted is not told again");
}

#[tokio::test]
async fn a_welcome_says_what_was_received() {
    let server = serve();
    let mut a = connect(&server).await.attach(1).await;
    a.ask(1, Body::QueuePut(put("a")));
    a.answer().await;
    let mut c = connect(&server).await;
    let mut b = c.attach_with(pb::AttachRequest { hello: Some(spec(1)), ..Default::default() }).await;
    let first = b.next().await;
    assert_eq!((first.welcome.unwrap().resumed, first.received), (true, 1));
}

#[tokio::test]
async fn a_second_stream_takes_the_session_over() {
    let server = serve();
    let mut first = connect(&server).await.attach(1).await;
    first.ask(1, Body::QueueGet(get()));
    let mut second = connect(&server).await.attach(1).await;
    assert!(second.welcome.resumed);
    assert_eq!(first.farewell().await, pb::Reason::Cancelled);
    connect(&server).await.queue.put(put("a")).await.unwrap();
    assert_eq!(got(second.answer().await), "a", "its wait has moved along");
}

#[tokio::test]
async fn a_lost_stream_keeps_its_place_and_others_are_served_first() {
    let server = serve();
    let mut c = connect(&server).await;
    let mut a = c.attach(1).await;
    a.ask(1, Body::QueueGet(get()));
    a.frame(pb::AttachRequest { heartbeat: 1, ..Default::default() });
    a.next().await;
    drop(a);
    let mut b = connect(&server).await.attach(2).await;
    b.ask(1, Body::QueueGet(get()));
    b.frame(pb::AttachRequest { heartbeat: 1, ..Default::default() });
    b.next().await;
    // The end of the first stream may still be on its way; then its offer comes to its resumed stream instead.
    c.queue.put(put("a")).await.unwrap();
    c.queue.put(put("b")).await.unwrap();
    let mut resumed = connect(&server).await.attach(1).await;
    let mut values = [got(b.answer().await), got(resumed.answer().await)];
    values.sort();
    assert_eq!(values, ["a", "b"]);
}

#[tokio::test]
async fn a_clean_close_says_farewell_and_gives_back() {
    let server = serve();
    let mut c = connect(&server).await;
    let mut a = c.attach(1).await;
    a.ask(1, Body::SemaphoreAcquire(acquire_now()));
    a.answer().await;
    let close = pb::CloseRequest { session_id: vec![1; 16].into(), secret: vec![1; 16].into() };
    c.session.close(close).await.unwrap();
    assert_eq!(a.farewell().await, pb::Reason::SessionExpired);
    let two = c.open(2).await;
    c.semaphore.acquire(with(acquire_now(), &[("syncbridge-session", &two)])).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_one_command_harms_no_other() {
    let server = serve();
    let mut a = connect(&server).await.attach(1).await;
    let nul = pb::QueueServiceGetRequest { queue: "a\0".into(), ..get() };
    let commands = vec![
        pb::Command { op: 1, body: Some(Body::QueueGet(nul)), ..Default::default() },
        pb::Command { op: 2, body: None, ..Default::default() },
        pb::Command { op: 3, body: Some(Body::QueuePut(put("a"))), ..Default::default() },
    ];
    a.frame(pb::AttachRequest { commands, ..Default::default() });
    let frame = a.next().await;
    let answers: BTreeMap<_, _> =
        frame.answers.into_iter().map(|answer| (answer.op, answer.body.unwrap())).collect();
    for op in [1, 2] {
        assert!(
            matches!(&answers[&op], Answer::Error(e) if e.reason() == pb::Reason::InvalidArgument),
            "{op}"
        );
    }
    assert!(matches!(answers[&3], Answer::QueuePut(_)));
}

#[tokio::test]
async fn a_stream_that_cannot_be_understood_ends_with_a_farewell() {
    let server = serve();
    let mut c = connect(&server).await;
    let mut no_hello = c.attach_with(pb::AttachRequest::default()).await;
    assert_eq!(no_hello.farewell().await, pb::Reason::InvalidArgument);

    let hello = Some(pb::SessionSpec { protocol_version: 2, ..spec(1) });
    let mut other_version = c.attach_with(pb::AttachRequest { hello, ..Default::default() }).await;
    assert_eq!(other_version.farewell().await, pb::Reason::ProtocolVersion);

    let stolen = Some(pb::SessionSpec { secret: vec![9; 16].into(), ..spec(1) });
    c.open(1).await;
    let mut denied = c.attach_with(pb::AttachRequest { hello: stolen, ..Default::default() }).await;
    assert_eq!(denied.farewell().await, pb::Reason::SessionDenied);

    for bad in [
        pb::AttachRequest { hello: Some(spec(1)), ..Default::default() },
        pb::AttachRequest { done: vec![pb::OpRange { first: 2, last: 1 }], ..Default::default() },
        pb::AttachRequest { commands: vec![pb::Command::default()], ..Default::default() },
    ] {
        let mut a = c.attach(1).await;
        a.frame(bad);
        assert_eq!(a.farewell().await, pb::Reason::InvalidArgument);
    }
}

/// A put of that value, in pieces.
fn in_pieces(op: u64, value: Vec<u8>) -> Vec<pb::Piece> {
    let payload = Some(pb::Payload { data: value.into(), ..Default::default() });
    let item = Some(pb::NewItem { payload, ..Default::default() });
    let body = Some(Body::QueuePut(pb::QueueServicePutRequest { item, ..put("") }));
    let mut pieces = Pieces::of(&pb::Command { op, body, ..Default::default() }, Sizes::default());
    std::iter::from_fn(|| (!pieces.is_over()).then(|| pieces.take())).collect()
}

fn with_piece(piece: pb::Piece) -> pb::AttachRequest {
    pb::AttachRequest { piece: Some(piece), ..Default::default() }
}

#[tokio::test]
async fn what_is_large_goes_and_comes_in_pieces_and_the_rest_between_them() {
    let server = serve();
    let hello = pb::AttachRequest {
        hello: Some(pb::SessionSpec { reads_pieces: true, ..spec(1) }),
        ..Default::default()
    };
    let mut a = connect(&server).await.attach_with(hello).await;
    assert!(a.next().await.welcome.is_some());
    let value: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    for piece in in_pieces(1, value.clone()) {
        a.frame(with_piece(piece));
    }
    assert_eq!(a.answer().await.op, 1);
    a.ask(2, Body::QueueGet(get()));
    let mut assembly = Assembly::default();
    let (mut between, mut pieces) = (Vec::new(), 0);
    let answer = loop {
        let frame = a.next().await;
        if pieces == 0 {
            a.ask(3, Body::SemaphoreAcquire(acquire_now()));
        }
        between.extend(frame.answers.iter().map(|answer| answer.op));
        let piece = frame.piece.expect("nothing but pieces is to come");
        pieces += 1;
        if let Some(answer) = assembly.add::<pb::Answer>(piece, usize::MAX).unwrap() {
            break answer;
        }
    };
    assert!(pieces > 10, "{pieces} pieces");
    assert!(between.is_empty() || between == [3]);
    assert_eq!((answer.op, got(answer) == value), (2, true));
}

#[tokio::test]
async fn pieces_that_do_not_fit_end_the_stream() {
    let server = serve();
    let mut c = connect(&server).await;
    let second = in_pieces(1, vec![7; 3_000_000]).swap_remove(1);
    let mut a = c.attach(1).await;
    a.frame(with_piece(second));
    assert_eq!(a.farewell().await, pb::Reason::InvalidArgument);
    let mut a = c.attach(1).await;
    a.frame(with_piece(pb::Piece { offset: 0, total: 1 << 40, data: vec![7; 10].into() }));
    assert_eq!(a.farewell().await, pb::Reason::LimitExceeded);
    let mut a = c.attach(1).await;
    a.frame(with_piece(pb::Piece { offset: 0, total: 3, data: vec![255; 3].into() }));
    assert_eq!(a.farewell().await, pb::Reason::InvalidArgument);
}

#[tokio::test]
async fn large_answers_come_in_frames() {
    let server = serve();
    let mut a = connect(&server).await.attach(1).await;
    let payload = |op: u8| pb::Payload { data: vec![op; 300 << 10].into(), ..Default::default() };
    for op in 1..=8u8 {
        let item = Some(pb::NewItem { payload: Some(payload(op)), ..Default::default() });
        a.ask(op.into(), Body::QueuePut(pb::QueueServicePutRequest { item, ..put("") }));
    }
    let mut answered = 0;
    while answered < 8 {
        answered += a.next().await.answers.len();
    }
    let many =
        (11..=18).map(|op| pb::Command { op, body: Some(Body::QueueGet(get())), ..Default::default() });
    a.frame(pb::AttachRequest { commands: many.collect(), ..Default::default() });
    for op in 11..=18 {
        let answer = a.answer().await;
        assert_eq!((answer.op, got(answer).len()), (op, 300 << 10), "one answer fills a frame");
    }
}

#[tokio::test]
async fn shutdown_ends_streams_and_waiting_calls() {
    let server = serve_with(|options| options.drain_seconds = 60.0);
    let mut c = connect(&server).await;
    let mut a = c.attach(1).await;
    a.ask(1, Body::QueueGet(get()));
    a.frame(pb::AttachRequest { heartbeat: 1, ..Default::default() });
    a.next().await;
    let mut event = c.event.clone();
    let blocked = tokio::spawn(async move { event.wait(wait_for_event()).await });
    let describe = pb::EventServiceDescribeRequest { event: "e".into(), handle: 0 };
    while c.event.describe(describe.clone()).await.unwrap().into_inner().waiting == 0 {
        tokio::task::yield_now().await;
    }
    let stopped = tokio::task::spawn_blocking(move || server.shutdown());
    assert_eq!(a.farewell().await, pb::Reason::Unavailable);
    assert_eq!(reason(&blocked.await.unwrap().unwrap_err()), "UNAVAILABLE");
    drop((a, c));
    tokio::time::timeout(SOON, stopped).await.unwrap().unwrap();
}
