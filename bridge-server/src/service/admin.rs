//! What is going on, for operators and tools.

use std::sync::Arc;

use bridge_core::command::EndReason;
use bridge_core::error::Error;
use bridge_core::ids::{Kind, Name, Op, SessionId, Token};
use bridge_core::{Time, view, wire};
use bridge_node::Namespace;
use syncbridge_proto::v1 as pb;
use syncbridge_proto::v1::admin_service_server::AdminService;
use tonic::{Request, Response, Status};

use super::Shared;
use super::caller::DEFAULT_NAMESPACE;
use crate::VERSION;
use crate::errors::status;

/// The service.
pub(crate) struct Service(pub(crate) Shared);

#[tonic::async_trait]
impl AdminService for Service {
    async fn get_status(
        &self,
        _request: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        let node = &self.0.node;
        let namespaces = node.namespaces();
        let namespaces = namespaces.iter().map(|namespace| {
            let status = namespace.read(|engine, _| engine.status());
            pb::NamespaceStatus {
                name: namespace.name().to_string(),
                objects: status.objects,
                sessions: status.sessions,
                waits: status.waits,
                items: status.items,
                commands: namespace.commands(),
            }
        });
        Ok(Response::new(pb::GetStatusResponse {
            version: VERSION.to_owned(),
            uptime: Some(wire::duration_field(node.now().since(node.started()))),
            serving: !node.draining(),
            namespaces: namespaces.collect(),
        }))
    }

    async fn list_objects(
        &self,
        request: Request<pb::ListObjectsRequest>,
    ) -> Result<Response<pb::ListObjectsResponse>, Status> {
        let request = request.into_inner();
        let kind = wire::kind_or_any(request.kind).map_err(status)?;
        let after = object_after(&request.page_token).map_err(status)?;
        let Some(namespace) = self.namespace(&request.namespace).map_err(status)? else {
            return Ok(Response::new(Default::default()));
        };
        let size = wire::page_size(request.page_size);
        let (page, more) = namespace.read(|engine, _| {
            let page = engine.objects_page(kind, after.as_ref(), size);
            let last = page.last().map(|last| (last.kind, last.name.clone()));
            let more = last.is_some() && !engine.objects_page(kind, last.as_ref(), 1).is_empty();
            (page, more)
        });
        let last = page.last().filter(|_| more);
        Ok(Response::new(pb::ListObjectsResponse {
            next_page_token: last.map_or_else(String::new, |last| format!("{}/{}", last.kind, last.name)),
            objects: page.into_iter().map(summary).collect(),
        }))
    }

    async fn describe_object(
        &self,
        request: Request<pb::DescribeObjectRequest>,
    ) -> Result<Response<pb::DescribeObjectResponse>, Status> {
        let request = request.into_inner();
        let kind = wire::kind_or_any(request.kind).map_err(status)?;
        let kind = kind.ok_or_else(|| status(Error::invalid("kind", "say which kind of object it is")))?;
        let name = Name::parse("name", &request.name).map_err(status)?;
        let page = view::ObjectPage {
            size: wire::page_size(request.page_size),
            holders_after: number_after(&request.holders_page_token).map_err(status)?.map(Token),
            waiters_after: number_after(&request.waiters_page_token).map_err(status)?,
        };
        let namespace = self.namespace(&request.namespace).map_err(status)?;
        let found = namespace
            .and_then(|namespace| namespace.read(|engine, now| engine.object(now, kind, &name, page)));
        Ok(Response::new(found.map_or_else(Default::default, |found| pb::DescribeObjectResponse {
            object: Some(summary(found.summary)),
            holders: found.holders.into_iter().map(holder).collect(),
            waiters: found.waiters.into_iter().map(waiter).collect(),
            next_holders_page_token: found.next_holders.map_or_else(String::new, |token| token.0.to_string()),
            next_waiters_page_token: found.next_waiters.map_or_else(String::new, |place| place.to_string()),
        })))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let request = request.into_inner();
        let after = session_after(&request.page_token).map_err(status)?;
        let Some(namespace) = self.namespace(&request.namespace).map_err(status)? else {
            return Ok(Response::new(Default::default()));
        };
        let size = wire::page_size(request.page_size);
        let (page, more) = namespace.read(|engine, _| {
            let page = engine.sessions_page(after, size);
            let last = page.last().map(|last| last.id);
            let more = last.is_some() && !engine.sessions_page(last, 1).is_empty();
            (page, more)
        });
        let last = page.last().filter(|_| more);
        Ok(Response::new(pb::ListSessionsResponse {
            next_page_token: last.map_or_else(String::new, |last| last.id.to_string()),
            sessions: page.into_iter().map(session).collect(),
        }))
    }

    async fn get_wait_graph(
        &self,
        request: Request<pb::GetWaitGraphRequest>,
    ) -> Result<Response<pb::GetWaitGraphResponse>, Status> {
        let request = request.into_inner();
        let after = number_after(&request.page_token).map_err(status)?;
        let Some(namespace) = self.namespace(&request.namespace).map_err(status)? else {
            return Ok(Response::new(Default::default()));
        };
        let size = wire::page_size(request.page_size);
        let stall = namespace.stall();
        Ok(Response::new(namespace.read(|engine, now| {
            let page = engine.wait_graph(after, size);
            let last = page.last().map(|last| last.key);
            let more = last.is_some() && !engine.wait_graph(last, 1).is_empty();
            pb::GetWaitGraphResponse {
                waits: page.into_iter().map(|wait| edges(wait, now)).collect(),
                next_page_token: last.filter(|_| more).map_or_else(String::new, |last| last.to_string()),
                deadlocks: engine.deadlocks().map(|found| deadlock(found, now)).collect(),
                stall: stall.map(|(since, stall)| pb::StallReport {
                    ago: Some(wire::duration_field(now.since(since))),
                    participants: stall.participants,
                    waits: stall.to_string(),
                }),
            }
        })))
    }

    async fn explain(
        &self,
        request: Request<pb::ExplainRequest>,
    ) -> Result<Response<pb::ExplainResponse>, Status> {
        let request = request.into_inner();
        let session = u128::from_str_radix(&request.session_id, 16).map_err(|_| {
            let message = format!("{:?} is no session id; give 32 hexadecimal digits", request.session_id);
            status(Error::invalid("session_id", message))
        })?;
        let namespace = self.namespace(&request.namespace).map_err(status)?;
        let explained = namespace.map(|namespace| {
            namespace.read(|engine, now| {
                let explained = engine.explain(SessionId(session), Op(request.op));
                pb::ExplainResponse {
                    state: call_state(explained.standing).into(),
                    ahead: explained.ahead,
                    chain: explained.chain.into_iter().map(|wait| edges(wait, now)).collect(),
                    is_cycle: explained.is_cycle,
                    abandoned_cause: explained
                        .abandoned
                        .as_ref()
                        .map_or_else(pb::AbandonedCause::default, |(_, cause)| wire::abandoned_cause(*cause))
                        .into(),
                    abandoned_by: explained.abandoned.map(|(who, _)| who).unwrap_or_default(),
                    last_giver: explained.last.map(|last| pb::LastGiver {
                        who: last.who,
                        did: last.did.to_owned(),
                        closed: last.reason == EndReason::Closed,
                        ago: Some(wire::duration_field(now.since(last.at))),
                    }),
                }
            })
        });
        let unknown = || pb::ExplainResponse { state: pb::CallState::Unknown.into(), ..Default::default() };
        Ok(Response::new(explained.unwrap_or_else(unknown)))
    }
}

impl Service {
    /// The namespace of that name, if anybody has used it. Reads create nothing.
    fn namespace(&self, name: &str) -> Result<Option<Arc<Namespace>>, Error> {
        let name = if name.is_empty() { DEFAULT_NAMESPACE } else { name };
        Ok(self.0.node.existing(&Name::parse("namespace", name)?))
    }
}

fn bad_token(token: &str) -> Error {
    Error::invalid(
        "page_token",
        format!("{token:?} is no page token; send next_page_token of the page before"),
    )
}

fn number_after(token: &str) -> Result<Option<u64>, Error> {
    (!token.is_empty()).then(|| token.parse().map_err(|_| bad_token(token))).transpose()
}

fn object_after(token: &str) -> Result<Option<(Kind, Name)>, Error> {
    if token.is_empty() {
        return Ok(None);
    }
    let parse = || {
        let (kind, name) = token.split_once('/')?;
        let kind = Kind::ALL.into_iter().find(|k| k.to_string() == kind)?;
        Some((kind, Name::parse("page_token", name).ok()?))
    };
    parse().map(Some).ok_or_else(|| bad_token(token))
}

fn session_after(token: &str) -> Result<Option<SessionId>, Error> {
    if token.is_empty() {
        return Ok(None);
    }
    u128::from_str_radix(token, 16).map(|id| Some(SessionId(id))).map_err(|_| bad_token(token))
}

fn summary(object: view::ObjectSummary) -> pb::ObjectSummary {
    pb::ObjectSummary {
        kind: pb::ObjectKind::from(object.kind).into(),
        name: object.name.to_string(),
        holders: object.holders,
        waiters: object.waiters,
        state: object.state,
    }
}

fn who(participant: view::Participant) -> pb::ParticipantIdentity {
    pb::ParticipantIdentity {
        session_id: participant.session.to_string(),
        session_label: participant.session_label,
        participant: participant.participant.0,
        participant_label: participant.participant_label,
        host: participant.host,
        language: participant.language,
        pid: participant.pid,
    }
}

fn holder(holder: view::Holder) -> pb::Holder {
    pb::Holder {
        participant: Some(who(holder.who)),
        token: holder.token.0,
        count: holder.count,
        held_for: Some(wire::duration_field(holder.held_for)),
        offered: holder.offered,
        item_id: holder.item.map(|item| item.0),
    }
}

fn waiter(waiter: view::Waiter) -> pb::Waiter {
    pb::Waiter {
        participant: Some(who(waiter.who)),
        op: waiter.op.0,
        wants: waiter.wants,
        waiting_for: Some(wire::duration_field(waiter.waiting_for)),
        remaining: waiter.remaining.map(wire::duration_field),
    }
}

fn edges(edges: view::Edges, now: Time) -> pb::WaitEdges {
    let view::Wait { who: waits, op, kind, object, wants, since, until } = edges.wait;
    pb::WaitEdges {
        participant: Some(who(waits)),
        op: op.0,
        kind: pb::ObjectKind::from(kind).into(),
        name: object.to_string(),
        wants,
        waiting_for: Some(wire::duration_field(now.since(since))),
        remaining: until.map(|until| wire::duration_field(until.since(now))),
        owners: edges.owners.into_iter().map(who).collect(),
        owned_by: edges.owned_by,
    }
}

fn deadlock(found: &view::Deadlock, now: Time) -> pb::DeadlockReport {
    pb::DeadlockReport {
        ago: Some(wire::duration_field(now.since(found.at))),
        raised: found.raised,
        participants: found.participants,
        cycle: found.to_string(),
    }
}

fn call_state(standing: view::CallStanding) -> pb::CallState {
    match standing {
        view::CallStanding::Waiting => pb::CallState::Waiting,
        view::CallStanding::Offered => pb::CallState::Offered,
        view::CallStanding::Answered => pb::CallState::Answered,
        view::CallStanding::Unknown => pb::CallState::Unknown,
    }
}

fn session(session: view::SessionSummary) -> pb::SessionSummary {
    pb::SessionSummary {
        session_id: session.id.to_string(),
        label: session.label,
        attached: session.attached,
        paused: session.paused,
        ttl: Some(wire::duration_field(session.ttl)),
        holds: session.holds,
        waits: session.waits,
        stored_answers: session.stored_answers,
        host: session.host,
        language: session.language,
        pid: session.pid,
    }
}
