//! Plain unary calls, as any generated client makes them.

use syncbridge_proto::v1 as pb;
use tokio_stream::StreamExt;
use tonic::{Code, Request};

use crate::common::*;

#[tokio::test]
async fn without_a_session() {
    let server = serve();
    let mut c = connect(&server).await;
    c.queue.put(put("a")).await.unwrap();
    let got = c.queue.get(get_now()).await.unwrap();
    assert!(got.metadata().get("syncbridge-op").is_none(), "the grant is final");
    assert_eq!(value(got.into_inner().delivery), "a");

    assert!(c.event.set(pb::EventServiceSetRequest { event: "e".into(), handle: 0 }).await.is_ok());
    assert!(c.event.wait(wait_for_event()).await.unwrap().into_inner().is_set);

    let refused = c.semaphore.acquire(acquire_now()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "SESSION_REQUIRED"));
}

#[tokio::test]
async fn an_error_carries_its_reason_and_details() {
    let server = serve();
    let mut c = connect(&server).await;
    let empty = c.queue.get(get_now()).await.unwrap_err();
    assert_eq!((empty.code(), reason(&empty).as_str()), (Code::DeadlineExceeded, "EMPTY"));

    let nul = pb::QueueServiceGetRequest { queue: "a\0b".into(), ..get_now() };
    let invalid = c.queue.get(nul).await.unwrap_err();
    assert_eq!((invalid.code(), reason(&invalid).as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
    assert_eq!(detail(&invalid, "field"), "queue");

    let declare = |maxsize| pb::QueueServiceDeclareRequest {
        queue: "bounded".into(),
        options: Some(pb::QueueOptions { maxsize: Some(maxsize), ..Default::default() }),
    };
    c.queue.declare(declare(1)).await.unwrap();
    let mismatch = c.queue.declare(declare(2)).await.unwrap_err();
    assert_eq!((mismatch.code(), reason(&mismatch).as_str()), (Code::FailedPrecondition, "CONFIG_MISMATCH"));
    assert_eq!((detail(&mismatch, "declared").as_str(), detail(&mismatch, "asked").as_str()), ("1", "2"));

    let gone = pb::QueueServiceGetRequest { handle: u64::MAX, ..get_now() };
    let gone = c.queue.get(gone).await.unwrap_err();
    assert_eq!((gone.code(), reason(&gone).as_str()), (Code::NotFound, "OBJECT_GONE"));
}

#[tokio::test]
async fn in_a_session_a_grant_is_an_offer_until_it_is_accepted() {
    let server = serve();
    let mut c = connect(&server).await;
    let session = c.open(1).await;
    let mine = [("syncbridge-session", session.as_str())];
    for item in ["a", "b", "c"] {
        c.queue.put(put(item)).await.unwrap();
    }
    let mut ops = Vec::new();
    for expected in ["a", "b"] {
        let got = c.queue.get(with(get_now(), &mine)).await.unwrap();
        ops.push(got.metadata().get("syncbridge-op").unwrap().to_str().unwrap().to_owned());
        assert_eq!(value(got.into_inner().delivery), expected);
    }
    let accept = [mine[0], ("syncbridge-accept", ops[0].as_str())];
    c.queue
        .describe(with(pb::QueueServiceDescribeRequest { queue: "q".into(), handle: 0 }, &accept))
        .await
        .unwrap();
    let close = pb::CloseRequest { session_id: vec![1; 16].into(), secret: vec![1; 16].into() };
    let keep_alive = pb::KeepAliveRequest {
        session_id: vec![1; 16].into(),
        accepted: Vec::new(),
        refused: vec![ops[1].parse().unwrap()],
    };
    assert_eq!(c.session.keep_alive(keep_alive).await.unwrap().into_inner().ttl.unwrap().seconds, 15);
    assert_eq!(value(c.queue.get(get_now()).await.unwrap().into_inner().delivery), "b", "what was refused");
    c.session.close(close.clone()).await.unwrap();
    assert_eq!(value(c.queue.get(get_now()).await.unwrap().into_inner().delivery), "c");
    let again = c.session.close(close).await.unwrap_err();
    assert_eq!((again.code(), reason(&again).as_str()), (Code::NotFound, "SESSION_EXPIRED"));
    let late = c.queue.get(with(get_now(), &mine)).await.unwrap_err();
    assert_eq!(reason(&late), "SESSION_EXPIRED");
}

#[tokio::test]
async fn what_a_session_holds_comes_back_with_its_end() {
    let server = serve();
    let mut c = connect(&server).await;
    let (one, two) = (c.open(1).await, c.open(2).await);
    let token = c.semaphore.acquire(with(acquire_now(), &[("syncbridge-session", &one)])).await.unwrap();
    assert!(token.into_inner().token > 0);
    let waiting = c.semaphore.acquire(with(acquire_now(), &[("syncbridge-session", &two)])).await;
    assert_eq!(reason(&waiting.unwrap_err()), "TIMED_OUT");
    let close =
        |secret: u8| pb::CloseRequest { session_id: vec![1; 16].into(), secret: vec![secret; 16].into() };
    let denied = c.session.close(close(9)).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied).as_str()), (Code::PermissionDenied, "SESSION_DENIED"));
    c.session.close(close(1)).await.unwrap();
    c.semaphore.acquire(with(acquire_now(), &[("syncbridge-session", &two)])).await.unwrap();
}

#[tokio::test]
async fn a_close_accepts_what_unary_calls_were_granted() {
    let server = serve();
    let mut c = connect(&server).await;
    let session = c.open(1).await;
    c.queue.put(put("a")).await.unwrap();
    c.queue.get(with(get_now(), &[("syncbridge-session", &session)])).await.unwrap();
    let close = pb::CloseRequest { session_id: vec![1; 16].into(), secret: vec![1; 16].into() };
    c.session.close(close).await.unwrap();
    assert_eq!(reason(&c.queue.get(get_now()).await.unwrap_err()), "EMPTY");
}

#[tokio::test]
async fn leases_and_tokens() {
    let server = serve();
    let mut c = connect(&server).await;
    let session = c.open(1).await;
    let mine = [("syncbridge-session", session.as_str())];
    c.queue.put(put("a")).await.unwrap();
    let lease = pb::QueueServiceLeaseRequest { queue: "q".into(), timeout: now(), ..Default::default() };
    let delivery = c.queue.lease(with(lease, &mine)).await.unwrap().into_inner().delivery.unwrap();
    let ack = |token| pb::QueueServiceAckRequest { queue: "q".into(), handle: 0, tokens: vec![token] };
    let stale = c.queue.ack(with(ack(delivery.token + 1), &mine)).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::FailedPrecondition, "STALE"));
    c.queue.ack(with(ack(delivery.token), &mine)).await.unwrap();
    c.queue.ack(with(ack(delivery.token), &mine)).await.unwrap();
    let close = pb::CloseRequest { session_id: vec![1; 16].into(), secret: vec![1; 16].into() };
    c.session.close(close).await.unwrap();
    let empty = c.queue.get(get_now()).await.unwrap_err();
    assert_eq!(reason(&empty), "EMPTY", "the ack was the acceptance");
}

#[tokio::test]
async fn a_retry_with_its_own_number_is_not_executed_again() {
    let server = serve();
    let mut c = connect(&server).await;
    let session = c.open(1).await;
    let seven = [("syncbridge-session", session.as_str()), ("syncbridge-op", "7")];
    let first = c.queue.put(with(put("a"), &seven)).await.unwrap().into_inner().id;
    let second = c.queue.put(with(put("a"), &seven)).await.unwrap().into_inner().id;
    assert_eq!(first, second);
    let describe = pb::QueueServiceDescribeRequest { queue: "q".into(), handle: 0 };
    assert_eq!(c.queue.describe(describe).await.unwrap().into_inner().ready, 1);
}

#[tokio::test]
async fn a_blocked_call_that_is_cancelled_takes_nothing() {
    let server = serve();
    let mut c = connect(&server).await;
    let session = c.open(1).await;
    for metadata in [Vec::new(), vec![("syncbridge-session", session.as_str())]] {
        let mut blocked = c.queue.clone();
        let call = tokio::spawn({
            let request = with(get(), &metadata);
            async move { blocked.get(request).await }
        });
        until(&mut c, |figures| figures.waiting_to_get == 1).await;
        call.abort();
        until(&mut c, |figures| figures.waiting_to_get == 0).await;
        c.queue.put(put("a")).await.unwrap();
        assert_eq!(value(c.queue.get(get_now()).await.unwrap().into_inner().delivery), "a");
    }
}

#[tokio::test]
async fn a_deadline_of_the_call_withdraws_its_wait() {
    let server = serve();
    let mut c = connect(&server).await;
    let mut request = Request::new(get());
    request.set_timeout(std::time::Duration::from_millis(50));
    assert!(c.queue.get(request).await.is_err());
    until(&mut c, |figures| figures.waiting_to_get == 0).await;
}

/// Asks until the queue is as it should be.
async fn until(c: &mut Clients, done: impl Fn(&pb::QueueServiceDescribeResponse) -> bool) {
    let describe = pb::QueueServiceDescribeRequest { queue: "q".into(), handle: 0 };
    tokio::time::timeout(SOON, async {
        while !done(c.queue.describe(describe.clone()).await.unwrap().get_ref()) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn metadata_that_makes_no_sense() {
    let server = serve();
    let mut c = connect(&server).await;
    let session = c.open(1).await;
    for (metadata, expected) in [
        (vec![("syncbridge-session", "zz")], "INVALID_ARGUMENT"),
        (vec![("syncbridge-session", "+0000000000000000000000000000000")], "INVALID_ARGUMENT"),
        (vec![("syncbridge-session", "00000000000000000000000000000000")], "SESSION_EXPIRED"),
        (vec![("syncbridge-session", "ffffffffffffffffffffffffffffffff")], "SESSION_EXPIRED"),
        (vec![("syncbridge-namespace", "a/b")], "INVALID_ARGUMENT"),
        (vec![("syncbridge-op", "1")], "SESSION_REQUIRED"),
        (vec![("syncbridge-session", session.as_str()), ("syncbridge-op", "0")], "INVALID_ARGUMENT"),
        (
            vec![("syncbridge-session", session.as_str()), ("syncbridge-op", "9223372036854775808")],
            "INVALID_ARGUMENT",
        ),
        (vec![("syncbridge-session", session.as_str()), ("syncbridge-op", "x")], "INVALID_ARGUMENT"),
        (vec![("syncbridge-session", session.as_str()), ("syncbridge-accept", "1,,2")], "INVALID_ARGUMENT"),
        (
            vec![("syncbridge-session", session.as_str()), ("syncbridge-participant", "4294967296")],
            "INVALID_ARGUMENT",
        ),
    ] {
        let error = c.queue.get(with(get_now(), &metadata)).await.unwrap_err();
        assert_eq!(reason(&error), expected, "{metadata:?}");
    }
}

#[tokio::test]
async fn namespaces_are_apart() {
    let server = serve();
    let mut c = connect(&server).await;
    c.queue.put(with(put("a"), &[("syncbridge-namespace", "other")])).await.unwrap();
    assert_eq!(reason(&c.queue.get(get_now()).await.unwrap_err()), "EMPTY");
    let got = c.queue.get(with(get_now(), &[("syncbridge-namespace", "other")])).await.unwrap();
    assert_eq!(value(got.into_inner().delivery), "a");
}

#[tokio::test]
async fn a_client_of_another_version_is_told() {
    let server = serve();
    let mut c = connect(&server).await;
    let session = Some(pb::SessionSpec { protocol_version: 99, ..spec(1) });
    let error = c.session.open(pb::OpenRequest { session }).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::FailedPrecondition, "PROTOCOL_VERSION"));
    assert_eq!((detail(&error, "client").as_str(), detail(&error, "server").as_str()), ("99", "1"));
}

#[tokio::test]
async fn sessions_with_bad_ids_and_secrets() {
    let server = serve();
    let mut c = connect(&server).await;
    for bad in [
        pb::SessionSpec { id: vec![1; 15].into(), ..spec(1) },
        pb::SessionSpec { id: vec![0; 16].into(), ..spec(1) },
        pb::SessionSpec { secret: Default::default(), ..spec(1) },
        pb::SessionSpec { namespace: "a/b".into(), ..spec(1) },
        pb::SessionSpec { ttl: Some(prost_types::Duration { seconds: -1, nanos: 0 }), ..spec(1) },
    ] {
        let error = c.session.open(pb::OpenRequest { session: Some(bad.clone()) }).await.unwrap_err();
        assert_eq!(reason(&error), "INVALID_ARGUMENT", "{bad:?}");
    }
    c.open(1).await;
    let stolen = pb::SessionSpec { secret: vec![9; 16].into(), ..spec(1) };
    let denied = c.session.open(pb::OpenRequest { session: Some(stolen) }).await.unwrap_err();
    assert_eq!(reason(&denied), "SESSION_DENIED");
    let resumed = c.session.open(pb::OpenRequest { session: Some(spec(1)) }).await.unwrap();
    assert!(resumed.into_inner().resumed);
}

#[tokio::test]
async fn health_and_reflection() {
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let server = serve();
    let c = connect(&server).await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(c.channel.clone());
    for service in ["", "syncbridge.v1.QueueService", "syncbridge.v1.SessionService"] {
        let check = tonic_health::pb::HealthCheckRequest { service: service.into() };
        assert_eq!(health.check(check).await.unwrap().into_inner().status(), ServingStatus::Serving);
    }
    let mut reflection =
        tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(c.channel);
    let ask = |message_request| tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    };
    let requests = tokio_stream::iter([
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("syncbridge.v1.QueueService".into())),
    ]);
    let mut answers = reflection.server_reflection_info(requests).await.unwrap().into_inner();
    match answers.next().await.unwrap().unwrap().message_response.unwrap() {
        MessageResponse::ListServicesResponse(list) => {
            let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
            for name in
                ["syncbridge.v1.SessionService", "syncbridge.v1.AdminService", "grpc.health.v1.Health"]
            {
                assert!(names.iter().any(|found| found == name), "{names:?}");
            }
        }
        other => panic!("{other:?}"),
    }
    let file = answers.next().await.unwrap().unwrap().message_response.unwrap();
    assert!(matches!(file, MessageResponse::FileDescriptorResponse(_)));
}

#[tokio::test]
async fn a_lock_goes_from_session_to_session_and_says_who_died_holding_it() {
    let server = serve();
    let mut c = connect(&server).await;
    let (one, two) = (c.open(1).await, c.open(2).await);
    let (one, two) = ([("syncbridge-session", one.as_str())], [("syncbridge-session", two.as_str())]);
    let acquire = |timeout| pb::LockServiceAcquireRequest { lock: "l".into(), timeout, ..Default::default() };
    let release =
        |token| pb::LockServiceReleaseRequest { lock: "l".into(), token: Some(token), ..Default::default() };

    let refused = c.lock.acquire(acquire(now())).await.unwrap_err();
    assert_eq!(reason(&refused), "SESSION_REQUIRED");
    let held = c.lock.acquire(with(acquire(now()), &one)).await.unwrap().into_inner().token;
    let late = c.lock.acquire(with(acquire(now()), &two)).await.unwrap_err();
    assert_eq!((late.code(), reason(&late).as_str()), (Code::DeadlineExceeded, "TIMED_OUT"));
    let not_mine = c.lock.release(with(release(held), &two)).await.unwrap_err();
    assert_eq!((not_mine.code(), reason(&not_mine).as_str()), (Code::FailedPrecondition, "NOT_OWNER"));
    assert!(detail(&not_mine, "holder").starts_with("test 1@"));
    c.lock.release(with(release(held), &one)).await.unwrap();

    let held = c.lock.acquire(with(acquire(now()), &one)).await.unwrap().into_inner().token;
    let mut waiter = c.clone();
    let waiting = with(acquire(None), &two);
    let waiting = tokio::spawn(async move { waiter.lock.acquire(waiting).await });
    let describe = || pb::LockServiceDescribeRequest { lock: "l".into(), handle: 0 };
    while c.lock.describe(describe()).await.unwrap().into_inner().waiting == 0 {}
    let close = pb::CloseRequest { session_id: vec![1; 16].into(), secret: vec![1; 16].into() };
    c.session.close(close).await.unwrap();
    let granted = waiting.await.unwrap().unwrap().into_inner();
    assert!(granted.token > held);
    assert_eq!(granted.abandoned.unwrap().token, held);
    let stale = c.lock.release(with(release(held), &two)).await.unwrap_err();
    assert_eq!(reason(&stale), "STALE");
}

#[tokio::test]
async fn a_condition_is_waited_for_and_notified_by_unary_calls() {
    let server = serve();
    let mut c = connect(&server).await;
    let (one, two) = (c.open(1).await, c.open(2).await);
    let (one, two) = ([("syncbridge-session", one.as_str())], [("syncbridge-session", two.as_str())]);
    let acquire = || pb::LockServiceAcquireRequest { lock: "l".into(), ..Default::default() };
    let declare =
        pb::ConditionServiceDeclareRequest { condition: "c".into(), lock: "l".into(), ..Default::default() };
    c.condition.declare(declare).await.unwrap();
    let wait = || pb::ConditionServiceWaitRequest { condition: "c".into(), ..Default::default() };
    let refused = c.condition.wait(with(wait(), &one)).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_OWNER");

    let first = c.lock.acquire(with(acquire(), &one)).await.unwrap().into_inner().token;
    let mut waiter = c.clone();
    let waiting = with(wait(), &one);
    let waiting = tokio::spawn(async move { waiter.condition.wait(waiting).await });
    let held = c.lock.acquire(with(acquire(), &two)).await.unwrap().into_inner().token;
    let notify = pb::ConditionServiceNotifyAllRequest { condition: "c".into(), handle: 0 };
    assert_eq!(c.condition.notify_all(with(notify, &two)).await.unwrap().into_inner().count, 1);
    let release = pb::LockServiceReleaseRequest { lock: "l".into(), token: Some(held), ..Default::default() };
    c.lock.release(with(release, &two)).await.unwrap();
    let woken = waiting.await.unwrap().unwrap().into_inner();
    assert_eq!(woken.woken(), pb::Woken::Notified);
    assert!(woken.token > held && held > first);
}
