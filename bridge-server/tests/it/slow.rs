//! A client that does not read its stream, and one whose bytes arrive slowly.

use std::time::Duration;

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::common::*;

const ITEM_BYTES: usize = 64 << 10;
const ITEMS: u64 = 200;

fn large() -> pb::QueueServicePutRequest {
    let payload = pb::Payload { data: vec![7; ITEM_BYTES].into(), ..Default::default() };
    pb::QueueServicePutRequest {
        item: Some(pb::NewItem { payload: Some(payload), ..Default::default() }),
        ..put("")
    }
}

async fn ready(clients: &mut Clients) -> u64 {
    let describe = pb::QueueServiceDescribeRequest { queue: "q".into(), handle: 0 };
    clients.queue.describe(describe).await.unwrap().into_inner().ready
}

/// Until it has nothing more to say about it.
async fn until(mut done: impl AsyncFnMut() -> bool) {
    let done = async { while !done().await {} };
    tokio::time::timeout(SOON, done).await.expect("it does not happen");
}

/// The one that does not read.
async fn slow_one(clients: &Clients) -> pb::SessionSummary {
    let mut admin = pb::admin_service_client::AdminServiceClient::new(clients.channel.clone());
    let sessions =
        admin.list_sessions(pb::ListSessionsRequest::default()).await.unwrap().into_inner().sessions;
    sessions.into_iter().find(|session| session.label == "test 1").unwrap()
}

#[tokio::test]
async fn one_that_does_not_read_can_release_and_holds_nobody_up() {
    let server = serve_with(|options| {
        options.limits.outbox_bytes_max = 1 << 20;
        options.limits.outbox_reserve_bytes = 1 << 20;
    });
    let mut c = connect(&server).await;
    let mut slow = connect(&server).await.attach(1).await;
    let mut other = connect(&server).await.attach(2).await;
    slow.ask(1, Body::SemaphoreAcquire(acquire_now()));
    assert!(matches!(slow.answer().await.body, Some(Answer::SemaphoreAcquire(_))));
    let commands =
        (2..2 + ITEMS).map(|op| pb::Command { op, body: Some(Body::QueueGet(get())), ..Default::default() });
    slow.frame(pb::AttachRequest {
        done: vec![pb::OpRange { first: 1, last: 1 }],
        commands: commands.collect(),
        ..Default::default()
    });
    until(async || slow_one(&c).await.waits == ITEMS).await;
    for _ in 0..ITEMS {
        c.queue.put(large()).await.unwrap();
    }
    assert!(slow_one(&c).await.paused);
    let left = ready(&mut c).await;
    assert!(left > ITEMS / 2, "{left} are left: about 1 MiB waits, and as much is on the wire");

    other.ask(1, Body::QueueGet(get()));
    assert!(matches!(other.answer().await.body, Some(Answer::QueueGet(_))));
    other.ask(
        2,
        Body::SemaphoreAcquire(pb::SemaphoreServiceAcquireRequest { timeout: None, ..acquire_now() }),
    );
    let release = pb::SemaphoreServiceReleaseRequest { semaphore: "s".into(), ..Default::default() };
    slow.ask(2 + ITEMS, Body::SemaphoreRelease(release));
    assert!(
        matches!(other.answer().await.body, Some(Answer::SemaphoreAcquire(_))),
        "the release got through"
    );

    let mut got = 0;
    while got < ITEMS - 1 {
        let answers = slow.next().await.answers;
        got +=
            answers.iter().filter(|answer| matches!(answer.body, Some(Answer::QueueGet(_)))).count() as u64;
    }
    assert_eq!(ready(&mut c).await, 0);
    until(async || !slow_one(&c).await.paused).await;
}

#[tokio::test]
async fn beyond_the_reserve_it_must_read_before_it_is_heard() {
    let server = serve_with(|options| {
        options.limits.outbox_bytes_max = 0;
        options.limits.outbox_reserve_bytes = 10_000;
    });
    let mut c = connect(&server).await;
    let mut slow = connect(&server).await.attach(1).await;
    for op in 1..=2_000 {
        slow.ask(op, Body::EventSet(pb::EventServiceSetRequest { event: "e".into(), handle: 0 }));
    }
    let describe = pb::EventServiceDescribeRequest { event: "e".into(), handle: 0 };
    let mut seen = 0;
    while seen < 2_000 {
        seen += slow.next().await.answers.len();
    }
    assert_eq!(
        c.event.describe(describe).await.unwrap().into_inner().version,
        2_000,
        "everything is heard in the end"
    );
}

/// Forwards to the server, `chunk` bytes every `pause` on the way there.
async fn throttle(server: String, chunk: usize, pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            tokio::spawn(async move {
                let mut buffer = vec![0; chunk];
                while let Ok(bytes @ 1..) = from_client.read(&mut buffer).await {
                    to_server.write_all(&buffer[..bytes]).await.unwrap();
                    tokio::time::sleep(pause).await;
                }
            });
        }
    });
    uri
}

#[tokio::test]
async fn a_slow_upload_keeps_its_session_alive() {
    let server = serve();
    let uri = throttle(address(&server), 4 << 10, Duration::from_millis(50)).await;
    let ttl = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let hello = pb::SessionSpec { ttl, ..spec(1) };
    let mut slow = connect_to(&uri)
        .await
        .attach_with(pb::AttachRequest { hello: Some(hello), ..Default::default() })
        .await;
    slow.next().await;
    slow.ask(1, Body::SemaphoreAcquire(acquire_now()));
    slow.answer().await;
    let began = std::time::Instant::now();
    let payload = pb::Payload { data: vec![7; 200 << 10].into(), ..Default::default() };
    let item = Some(pb::NewItem { payload: Some(payload), ..Default::default() });
    slow.ask(2, Body::QueuePut(pb::QueueServicePutRequest { item, ..put("") }));
    assert!(matches!(slow.answer().await.body, Some(Answer::QueuePut(_))));
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}: that was not slow", began.elapsed());
    let mut other = connect(&server).await.attach(2).await;
    other.ask(1, Body::SemaphoreAcquire(acquire_now()));
    assert!(matches!(other.answer().await.body, Some(Answer::Error(_))), "the permit is still held");
}
