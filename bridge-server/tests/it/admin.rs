//! What operators see.

use syncbridge_proto::v1 as pb;
use syncbridge_proto::v1::admin_service_client::AdminServiceClient;

use crate::common::*;

#[tokio::test]
async fn objects_holders_waiters_and_sessions() {
    let server = serve();
    let mut c = connect(&server).await;
    let mut admin = AdminServiceClient::new(c.channel.clone());
    let session = c.open(1).await;
    c.queue.put(put("a")).await.unwrap();
    let token = c.semaphore.acquire(with(acquire_now(), &[("syncbridge-session", &session)])).await.unwrap();
    let mut a = c.attach(2).await;
    let acquire = pb::SemaphoreServiceAcquireRequest { timeout: None, ..acquire_now() };
    a.frame(pb::AttachRequest {
        participants: vec![pb::Participant { id: 3, label: "worker".into() }],
        commands: vec![pb::Command {
            op: 1,
            participant: 3,
            body: Some(pb::command::Body::SemaphoreAcquire(acquire)),
            ..Default::default()
        }],
        heartbeat: 1,
        ..Default::default()
    });
    a.next().await;

    let status = admin.get_status(pb::GetStatusRequest {}).await.unwrap().into_inner();
    assert!(status.serving);
    let [namespace] = &status.namespaces[..] else { panic!("{status:?}") };
    assert_eq!(
        (namespace.name.as_str(), namespace.objects, namespace.waits, namespace.items),
        ("default", 2, 1, 1)
    );

    let list = |page_token: &str| pb::ListObjectsRequest {
        page_size: 1,
        page_token: page_token.into(),
        ..Default::default()
    };
    let first = admin.list_objects(list("")).await.unwrap().into_inner();
    let second = admin.list_objects(list(&first.next_page_token)).await.unwrap().into_inner();
    assert_eq!((first.objects[0].name.as_str(), second.objects[0].name.as_str()), ("q", "s"));
    assert_eq!(second.next_page_token, "");

    let describe = |name: &str| pb::DescribeObjectRequest {
        kind: pb::ObjectKind::Semaphore.into(),
        name: name.into(),
        ..Default::default()
    };
    let found = admin.describe_object(describe("s")).await.unwrap().into_inner();
    let holder = &found.holders[0];
    assert_eq!((holder.token, holder.offered, holder.count), (token.into_inner().token, true, 1));
    assert_eq!(holder.participant.as_ref().unwrap().session_id, session);
    let waiter = &found.waiters[0];
    assert_eq!((waiter.wants.as_str(), waiter.op), ("acquire 1", 1));
    assert_eq!(waiter.participant.as_ref().unwrap().participant_label, "worker");
    assert!(admin.describe_object(describe("nobody's")).await.unwrap().into_inner().object.is_none());

    let mut sessions = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListSessionsRequest { page_size: 1, page_token, ..Default::default() };
        let page = admin.list_sessions(request).await.unwrap().into_inner();
        sessions.extend(page.sessions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let attached: Vec<_> =
        sessions.iter().filter(|s| s.label.starts_with("test")).map(|s| s.attached).collect();
    assert_eq!(attached, [false, true]);
}

#[tokio::test]
async fn reading_creates_nothing_and_bad_requests_are_errors() {
    let server = serve();
    let mut admin = AdminServiceClient::new(connect(&server).await.channel);
    assert!(
        admin.list_objects(pb::ListObjectsRequest::default()).await.unwrap().into_inner().objects.is_empty()
    );
    assert!(admin.get_status(pb::GetStatusRequest {}).await.unwrap().into_inner().namespaces.is_empty());
    for bad in [
        pb::ListObjectsRequest { kind: 99, ..Default::default() },
        pb::ListObjectsRequest { page_token: "noise".into(), ..Default::default() },
        pb::ListObjectsRequest { namespace: "a/b".into(), ..Default::default() },
    ] {
        let error = admin.list_objects(bad).await.unwrap_err();
        assert_eq!(reason(&error), "INVALID_ARGUMENT");
    }
    let unspecified = pb::DescribeObjectRequest { name: "q".into(), ..Default::default() };
    assert_eq!(reason(&admin.describe_object(unspecified).await.unwrap_err()), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn holders_and_waiters_come_page_by_page() {
    let server = serve();
    let mut c = connect(&server).await;
    let mut admin = AdminServiceClient::new(c.channel.clone());
    let mut a = c.attach(1).await;
    let body = |acquire| Some(pb::command::Body::SemaphoreAcquire(acquire));
    let options = Some(pb::SemaphoreOptions { limit: Some(3), ..Default::default() });
    c.semaphore.declare(pb::SemaphoreServiceDeclareRequest { semaphore: "s".into(), options }).await.unwrap();
    let acquire = || pb::SemaphoreServiceAcquireRequest { timeout: None, ..acquire_now() };
    let commands = (1..=6)
        .map(|op| pb::Command { op, participant: 0, body: body(acquire()), ..Default::default() })
        .collect();
    a.frame(pb::AttachRequest { commands, heartbeat: 1, ..Default::default() });
    assert_eq!(a.next().await.answers.len(), 3);

    let mut request = pb::DescribeObjectRequest {
        kind: pb::ObjectKind::Semaphore.into(),
        name: "s".into(),
        page_size: 2,
        ..Default::default()
    };
    let first = admin.describe_object(request.clone()).await.unwrap().into_inner();
    request.holders_page_token = first.next_holders_page_token;
    request.waiters_page_token = first.next_waiters_page_token;
    let second = admin.describe_object(request.clone()).await.unwrap().into_inner();
    assert_eq!((second.next_holders_page_token.as_str(), second.next_waiters_page_token.as_str()), ("", ""));
    let tokens: Vec<_> = first.holders.iter().chain(&second.holders).map(|holder| holder.token).collect();
    assert!(tokens.len() == 3 && tokens.is_sorted(), "{tokens:?}");
    let waiting: Vec<_> = first.waiters.iter().chain(&second.waiters).map(|waiter| waiter.op).collect();
    assert_eq!(waiting, [4, 5, 6]);

    let list =
        pb::SemaphoreServiceListHoldersRequest { semaphore: "s".into(), page_size: 2, ..Default::default() };
    a.frame(pb::AttachRequest { done: vec![pb::OpRange { first: 1, last: 3 }], ..Default::default() });
    let first = c.semaphore.list_holders(list.clone()).await.unwrap().into_inner();
    let rest = pb::SemaphoreServiceListHoldersRequest { page_token: first.next_page_token, ..list.clone() };
    let rest = c.semaphore.list_holders(rest).await.unwrap().into_inner();
    assert_eq!((first.holders.len(), rest.holders.len(), rest.next_page_token.as_str()), (2, 1, ""));
    let noise = pb::SemaphoreServiceListHoldersRequest { page_token: "noise".into(), ..list };
    assert_eq!(reason(&c.semaphore.list_holders(noise).await.unwrap_err()), "INVALID_ARGUMENT");
    request.waiters_page_token = "noise".into();
    assert_eq!(reason(&admin.describe_object(request).await.unwrap_err()), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn who_waits_for_whom_and_why() {
    use pb::command::Body;
    let server = serve();
    let mut c = connect(&server).await;
    let mut admin = AdminServiceClient::new(c.channel.clone());
    let (mut a, mut b) = (c.attach(1).await, c.attach(2).await);
    let locks = |op, lock: &str, timeout: Option<i64>| pb::Command {
        op,
        participant: 7,
        body: Some(Body::LockAcquire(pb::LockServiceAcquireRequest {
            lock: lock.into(),
            timeout: timeout.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
            ..Default::default()
        })),
        ..Default::default()
    };
    // Whoever asks for the second has accepted the first.
    let done = vec![pb::OpRange { first: 1, last: 1 }];
    let frame =
        |commands| pb::AttachRequest { commands, done: done.clone(), heartbeat: 1, ..Default::default() };
    a.frame(frame(vec![locks(1, "m", Some(0))]));
    b.frame(frame(vec![locks(1, "n", Some(0))]));
    assert_eq!((a.next().await.answers.len(), b.next().await.answers.len()), (1, 1));
    a.frame(frame(vec![locks(2, "n", Some(600))]));
    a.next().await;
    b.frame(frame(vec![locks(2, "m", None)]));
    b.next().await;

    let graph = admin.get_wait_graph(pb::GetWaitGraphRequest::default()).await.unwrap().into_inner();
    assert_eq!((graph.waits.len(), graph.deadlocks.len(), graph.stall), (2, 1, None));
    assert!(!graph.deadlocks[0].raised && graph.deadlocks[0].cycle.contains("waits for lock m"));
    let wait = &graph.waits[0];
    let owner = &wait.owners[0];
    assert_eq!((wait.name.as_str(), owner.participant, wait.owned_by), ("n", 7, 1));

    let session_id = wait.participant.clone().unwrap().session_id;
    let request = pb::ExplainRequest { session_id: session_id.clone(), op: 2, ..Default::default() };
    let explained = admin.explain(request).await.unwrap().into_inner();
    assert_eq!((explained.state(), explained.is_cycle), (pb::CallState::Waiting, true));
    assert_eq!(explained.chain.len(), 2);
    assert_eq!(explained.last_giver, None);
    let bad = pb::ExplainRequest { session_id: "noise".into(), ..Default::default() };
    assert_eq!(reason(&admin.explain(bad).await.unwrap_err()), "INVALID_ARGUMENT");

    let url = server.urls()[0].clone();
    let call = format!("{session_id}/2");
    let shown = tokio::task::spawn_blocking(move || {
        let run = |args: &[&str]| crate::cli::run(&[args, &["--url", &url]].concat()).1;
        [
            run(&["graph"]),
            run(&["graph", "--dot"]),
            run(&["graph", "--json"]),
            run(&["explain", &call]),
            run(&["explain", &call, "--json"]),
        ]
    });
    let [text, dot, json, explained, explained_json] = shown.await.unwrap();
    assert!(text.contains("waits for lock n") && text.contains("deadlock, reported"), "{text}");
    assert!(dot.starts_with("digraph waits {") && dot.matches(" -> ").count() == 2, "{dot}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["waits"].as_array().map(Vec::len), &json["complete"]), (Some(2), &true.into()));
    assert!(explained.starts_with("waiting\n") && explained.contains("nobody in here"), "{explained}");
    let json: serde_json::Value = serde_json::from_str(&explained_json).unwrap();
    assert_eq!(json["is_cycle"], true);
}
