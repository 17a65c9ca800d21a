"""Queue, event and semaphore with what protoc generates for any language; no client of ours is involved."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status
from harness import Server, eventually
from syncbridge.v1 import (
    admin_service_pb2 as admin,
    admin_service_pb2_grpc as admin_grpc,
    event_service_pb2 as event,
    event_service_pb2_grpc as event_grpc,
    object_pb2 as objects,
    payload_pb2 as payload,
    queue_service_pb2 as queue,
    queue_service_pb2_grpc as queue_grpc,
    semaphore_service_pb2 as semaphore,
    semaphore_service_pb2_grpc as semaphore_grpc,
    session_service_pb2 as session,
    session_service_pb2_grpc as session_grpc,
)

Metadata = tuple[tuple[str, str], ...]


@pytest.fixture
def api(server: Server) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield SimpleNamespace(
            session=session_grpc.SessionServiceStub(channel),
            queue=queue_grpc.QueueServiceStub(channel),
            event=event_grpc.EventServiceStub(channel),
            semaphore=semaphore_grpc.SemaphoreServiceStub(channel),
            admin=admin_grpc.AdminServiceStub(channel),
            channel=channel,
        )


def seconds(value: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=value))
    return duration


def item(data: bytes) -> Any:
    return queue.NewItem(payload=payload.Payload(data=data, content_type="text/plain; charset=utf-8"))


def opened(api: Any, ttl: float = 15.0) -> tuple[Any, Metadata]:
    """A new session and the metadata that names it."""
    spec = session.SessionSpec(
        id=os.urandom(16), secret=os.urandom(16), ttl=seconds(ttl), label="any language", protocol_version=1
    )
    answer = api.session.Open(session.OpenRequest(session=spec))
    assert not answer.resumed
    assert answer.protocol_version == 1
    return spec, (("syncbridge-session", spec.id.hex()),)


def reason(error: grpc.RpcError) -> ErrorInfo:
    """The ErrorInfo that every error carries."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    infos = []
    for detail in status.details:
        info = ErrorInfo()
        if detail.Unpack(info):
            infos.append(info)
    assert len(infos) == 1
    assert infos[0].domain == "syncbridge.v1"
    return infos[0]


def test_items_go_through_a_queue_in_order(api: Any) -> None:
    ids = api.queue.PutMany(
        queue.QueueServicePutManyRequest(queue="jobs", items=[item(b"a"), item(b"b")])
    ).ids
    api.queue.Put(queue.QueueServicePutRequest(queue="jobs", item=item(b"c")))
    assert len(ids) == 2
    got = [api.queue.Get(queue.QueueServiceGetRequest(queue="jobs")).delivery for _ in range(3)]
    assert [one.payload.data for one in got] == [b"a", b"b", b"c"]
    assert got[0].id == ids[0]
    assert got[0].payload.content_type == "text/plain; charset=utf-8"
    assert got[0].token < got[1].token < got[2].token


def test_a_batch_may_be_put_in_columns(api: Any) -> None:
    values = [b"a", b"", b"ccc"]
    packed = queue.PackedItems(data=b"".join(values), sizes=map(len, values), content_type="application/cbor")
    ids = api.queue.PutMany(queue.QueueServicePutManyRequest(queue="jobs", packed=packed)).ids
    got = api.queue.GetMany(queue.QueueServiceGetManyRequest(queue="jobs", max=10))
    assert [one.payload.data for one in got.deliveries] == values
    assert [one.id for one in got.deliveries] == list(ids)
    assert {one.payload.content_type for one in got.deliveries} == {"application/cbor"}
    assert not got.HasField("packed")
    packed.sizes.append(1)
    with pytest.raises(grpc.RpcError) as wrong:
        api.queue.PutMany(queue.QueueServicePutManyRequest(queue="jobs", packed=packed))
    assert reason(wrong.value).metadata["field"] == "packed"


def test_a_lease_comes_back_unless_it_is_acknowledged(api: Any) -> None:
    _, me = opened(api)
    api.queue.PutMany(queue.QueueServicePutManyRequest(queue="jobs", items=[item(b"a"), item(b"b")]))
    lease = queue.QueueServiceLeaseRequest(queue="jobs", timeout=seconds(0))
    first = api.queue.Lease(lease, metadata=me).delivery
    api.queue.Nack(
        queue.QueueServiceNackRequest(queue="jobs", tokens=[first.token], error="not today"), metadata=me
    )
    again = api.queue.Lease(lease, metadata=me).delivery
    assert (again.id, again.attempt) == (first.id, 2)
    api.queue.Ack(queue.QueueServiceAckRequest(queue="jobs", tokens=[again.token]), metadata=me)
    with pytest.raises(grpc.RpcError) as stale:
        api.queue.Ack(queue.QueueServiceAckRequest(queue="jobs", tokens=[first.token]), metadata=me)
    assert reason(stale.value).reason == "STALE"
    counts = api.queue.Describe(queue.QueueServiceDescribeRequest(queue="jobs"))
    assert (counts.ready, counts.leased, counts.unfinished) == (1, 0, 1)


def test_closing_a_session_gives_back_what_it_held(api: Any) -> None:
    spec, me = opened(api)
    declare = semaphore.SemaphoreServiceDeclareRequest(
        semaphore="gpu", options=semaphore.SemaphoreOptions(limit=2)
    )
    assert api.semaphore.Declare(declare).options.limit == 2
    acquire = semaphore.SemaphoreServiceAcquireRequest(semaphore="gpu", permits=2, timeout=seconds(0))
    token = api.semaphore.Acquire(acquire, metadata=me).token
    assert token > 0
    describe = semaphore.SemaphoreServiceDescribeRequest(semaphore="gpu")
    assert api.semaphore.Describe(describe).available == 0

    holder = api.admin.DescribeObject(
        admin.DescribeObjectRequest(
            namespace="default", kind=objects.ObjectKind.OBJECT_KIND_SEMAPHORE, name="gpu"
        )
    ).holders[0]
    assert (holder.count, holder.participant.session_id) == (2, spec.id.hex())

    api.session.Close(session.CloseRequest(session_id=spec.id, secret=spec.secret))
    counts = api.semaphore.Describe(describe)
    assert (counts.available, counts.held) == (2, 0)


def test_a_release_by_token_is_told_when_it_is_stale(api: Any) -> None:
    _, me = opened(api)
    acquire = semaphore.SemaphoreServiceAcquireRequest(semaphore="one", timeout=seconds(0), by_token=True)
    api.semaphore.Declare(
        semaphore.SemaphoreServiceDeclareRequest(semaphore="one", options=semaphore.SemaphoreOptions(limit=1))
    )
    old = api.semaphore.Acquire(acquire, metadata=me).token
    release = semaphore.SemaphoreServiceReleaseRequest(semaphore="one", token=old)
    api.semaphore.Release(release, metadata=me)
    assert api.semaphore.Acquire(acquire, metadata=me).token > old
    with pytest.raises(grpc.RpcError) as stale:
        api.semaphore.Release(semaphore.SemaphoreServiceReleaseRequest(semaphore="one", token=1), metadata=me)
    assert reason(stale.value).reason == "STALE"
    assert api.semaphore.Describe(semaphore.SemaphoreServiceDescribeRequest(semaphore="one")).held == 1


def test_a_session_that_nobody_renews_expires(api: Any) -> None:
    spec, me = opened(api, ttl=1.0)
    api.queue.Put(queue.QueueServicePutRequest(queue="jobs", item=item(b"a")))
    api.queue.Lease(queue.QueueServiceLeaseRequest(queue="jobs"), metadata=(*me, ("syncbridge-op", "1")))
    api.session.KeepAlive(session.KeepAliveRequest(session_id=spec.id, accepted=[1]))
    got = api.queue.Get(queue.QueueServiceGetRequest(queue="jobs", timeout=seconds(5)))
    assert got.delivery.attempt == 2
    with pytest.raises(grpc.RpcError) as expired:
        api.session.KeepAlive(session.KeepAliveRequest(session_id=spec.id))
    assert reason(expired.value).reason == "SESSION_EXPIRED"


def test_an_event_wakes_who_waits(api: Any) -> None:
    answers = []
    wait = event.EventServiceWaitRequest(event="ready", timeout=seconds(10))
    waiting = [threading.Thread(target=lambda: answers.append(api.event.Wait(wait))) for _ in range(3)]
    for thread in waiting:
        thread.start()
    describe = event.EventServiceDescribeRequest(event="ready")
    eventually(lambda: bool(api.event.Describe(describe).waiting == 3), within=5)
    version = api.event.Set(event.EventServiceSetRequest(event="ready")).version
    for thread in waiting:
        thread.join(5)
    assert [(answer.is_set, answer.version) for answer in answers] == [(True, version)] * 3
    api.event.Clear(event.EventServiceClearRequest(event="ready"))
    assert not api.event.Wait(event.EventServiceWaitRequest(event="ready", timeout=seconds(0))).is_set
    assert api.event.Wait(event.EventServiceWaitRequest(event="ready", after=version - 1)).version == version


def test_a_call_that_is_cancelled_waits_no_longer(api: Any) -> None:
    _, me = opened(api)
    call = api.queue.Lease.future(queue.QueueServiceLeaseRequest(queue="jobs"), metadata=me)
    describe = queue.QueueServiceDescribeRequest(queue="jobs")
    eventually(lambda: bool(api.queue.Describe(describe).waiting_to_get == 1), within=5)
    call.cancel()
    eventually(lambda: bool(api.queue.Describe(describe).waiting_to_get == 0), within=2)
    api.queue.Put(queue.QueueServicePutRequest(queue="jobs", item=item(b"a")))
    assert api.queue.Get(queue.QueueServiceGetRequest(queue="jobs", timeout=seconds(0))).delivery.attempt == 1


def test_the_grpc_deadline_withdraws_a_wait_too(api: Any) -> None:
    with pytest.raises(grpc.RpcError) as late:
        api.queue.Get(queue.QueueServiceGetRequest(queue="jobs"), timeout=0.2)
    # tonic watches the deadline too; where its clock is first it calls that CANCELLED.
    assert late.value.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
    describe = queue.QueueServiceDescribeRequest(queue="jobs")
    eventually(lambda: bool(api.queue.Describe(describe).waiting_to_get == 0), within=2)


def test_errors_say_why_in_their_error_info(api: Any) -> None:
    with pytest.raises(grpc.RpcError) as empty:
        api.queue.Get(queue.QueueServiceGetRequest(queue="jobs", timeout=seconds(0)))
    assert empty.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert reason(empty.value).reason == "EMPTY"

    options = queue.QueueOptions(maxsize=1)
    api.queue.Declare(queue.QueueServiceDeclareRequest(queue="small", options=options))
    put = queue.QueueServicePutRequest(queue="small", item=item(b"a"), timeout=seconds(0))
    api.queue.Put(put)
    with pytest.raises(grpc.RpcError) as full:
        api.queue.Put(put)
    assert reason(full.value).reason == "FULL"

    with pytest.raises(grpc.RpcError) as other:
        api.queue.Declare(
            queue.QueueServiceDeclareRequest(queue="small", options=queue.QueueOptions(maxsize=2))
        )
    info = reason(other.value)
    assert info.reason == "CONFIG_MISMATCH"
    assert (info.metadata["option"], info.metadata["declared"], info.metadata["asked"]) == (
        "maxsize",
        "1",
        "2",
    )

    with pytest.raises(grpc.RpcError) as homeless:
        api.queue.Lease(queue.QueueServiceLeaseRequest(queue="jobs", timeout=seconds(0)))
    assert reason(homeless.value).reason == "SESSION_REQUIRED"


def test_another_protocol_version_is_refused_by_name(api: Any) -> None:
    spec = session.SessionSpec(id=os.urandom(16), secret=os.urandom(16), protocol_version=99)
    with pytest.raises(grpc.RpcError) as other:
        api.session.Open(session.OpenRequest(session=spec))
    info = reason(other.value)
    assert info.reason == "PROTOCOL_VERSION"
    assert (info.metadata["server"], info.metadata["client"]) == ("1", "99")


def test_health_and_reflection_are_on(api: Any) -> None:
    health = api.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert health(b"") == b"\x08\x01"
    reflect = api.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    list_services = b"\x3a\x01*"
    answer = next(reflect(iter([list_services])))
    for service in ("Session", "Queue", "Event", "Semaphore", "Admin"):
        assert f"syncbridge.v1.{service}Service".encode() in answer
