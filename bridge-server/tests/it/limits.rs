//! Limits of connections and messages.

use std::time::Duration;

use syncbridge_proto::v1 as pb;
use tonic::Code;

use crate::common::*;

#[tokio::test]
async fn waiting_calls_leave_streams_for_those_that_release() {
    let server = serve_with(|options| {
        options.limits.streams_per_connection_max = 8;
        options.limits.streams_reserved = 2;
    });
    let mut c = connect(&server).await;
    let mut parked = Vec::new();
    for _ in 0..6 {
        let mut event = c.event.clone();
        parked.push(tokio::spawn(async move { event.wait(wait_for_event()).await }));
    }
    let describe = pb::EventServiceDescribeRequest { event: "e".into(), handle: 0 };
    while c.event.describe(describe.clone()).await.unwrap().into_inner().waiting < 6 {
        tokio::task::yield_now().await;
    }
    let refused = c.event.wait(wait_for_event()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "LIMIT_EXCEEDED"));
    assert_eq!(detail(&refused, "value"), "6");
    assert_eq!(c.event.describe(describe).await.unwrap().into_inner().waiting, 6, "nothing was changed");
    c.event.set(pb::EventServiceSetRequest { event: "e".into(), handle: 0 }).await.unwrap();
    for wait in parked {
        assert!(wait.await.unwrap().unwrap().into_inner().is_set);
    }
    assert!(c.event.wait(wait_for_event()).await.unwrap().into_inner().is_set);
}

#[tokio::test]
async fn a_payload_beyond_the_limit_is_refused() {
    let server = serve_with(|options| options.limits.payload_bytes_max = 1_000);
    let mut c = connect(&server).await;
    let item = |bytes: usize| {
        let payload = pb::Payload { data: vec![0; bytes].into(), ..Default::default() };
        let item = Some(pb::NewItem { payload: Some(payload), ..Default::default() });
        pb::QueueServicePutRequest { item, ..put("") }
    };
    c.queue.put(item(1_000)).await.unwrap();
    let refused = c.queue.put(item(1_001)).await.unwrap_err();
    assert_eq!(reason(&refused), "LIMIT_EXCEEDED");
    assert_eq!(detail(&refused, "limit"), "payload_bytes_max");
    let absurd = c.queue.put(item(4 << 20)).await.unwrap_err();
    assert_eq!(absurd.code(), Code::OutOfRange, "beyond the message's size it is not even read");
    c.queue.get(get_now()).await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_one_that_ends() {
    let server = serve_with(|options| options.limits.connections_max = 1);
    let mut first = connect(&server).await;
    first.queue.put(put("a")).await.unwrap();
    let uri = format!("http://{}", address(&server));
    let second = tokio::spawn(async move {
        let mut second = connect_to(&uri).await;
        second.queue.get(get_now()).await.map(|got| value(got.into_inner().delivery))
    });
    first.queue.put(put("b")).await.unwrap();
    assert!(!second.is_finished());
    drop(first);
    assert_eq!(tokio::time::timeout(SOON, second).await.unwrap().unwrap().unwrap(), "a");
}

#[tokio::test]
async fn a_unix_socket_serves_as_well_and_leaves_no_file() {
    let dir = std::env::temp_dir().join(format!("syncbridge-test-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("socket");
    let at = path.clone();
    let server = serve_with(move |options| {
        options.listen = vec!["none".into()];
        options.unix = Some(at);
    });
    assert_eq!(server.urls(), [format!("unix://{}", path.display())]);
    let mut c = connect_to(&server.urls()[0]).await;
    c.queue.put(put("a")).await.unwrap();
    assert_eq!(value(c.queue.get(get_now()).await.unwrap().into_inner().delivery), "a");
    drop(c);
    tokio::time::timeout(Duration::from_secs(5), tokio::task::spawn_blocking(move || server.shutdown()))
        .await
        .unwrap()
        .unwrap();
    assert!(!path.exists());
    std::fs::remove_dir(&dir).unwrap();
}
