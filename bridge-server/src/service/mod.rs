//! The services: one file each, as everywhere. What they share is how a unary call travels.

mod acquire_all;
mod admin;
mod barrier;
mod caller;
mod condition;
mod event;
mod latch;
mod lock;
mod pipe;
mod queue;
mod rwlock;
mod select;
mod semaphore;
mod session;
mod timer;
mod topic;
mod transaction;
mod value;

use std::sync::Arc;

use bridge_core::command::{Command, Reply, Request, condition as conditions};
use bridge_core::error::{Error, Reason};
use bridge_core::time::Timeout;
use bridge_node::{Answer, Backlog, Namespace, Node, UnaryCall};
use syncbridge_proto::v1 as pb;
use tokio::sync::oneshot;
use tonic::service::Routes;
use tonic::{Response, Status};

use crate::errors::status;
use crate::listen::Connection;
use crate::options::LimitOptions;
use caller::Caller;

/// What every service has.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) node: Arc<Node>,
    outbox_bytes_max: usize,
    outbox_reserve_bytes: usize,
    message_bytes_max: usize,
}

/// All services that speak our protocol.
pub(crate) fn routes(node: Arc<Node>, limits: &LimitOptions) -> Routes {
    let shared = Shared {
        node,
        outbox_bytes_max: limits.outbox_bytes_max,
        outbox_reserve_bytes: limits.outbox_reserve_bytes,
        message_bytes_max: limits.message_bytes_max(),
    };
    let bytes = shared.message_bytes_max;
    let session = pb::session_service_server::SessionServiceServer::new(session::Service(shared.clone()));
    let queue = pb::queue_service_server::QueueServiceServer::new(queue::Service(shared.clone()));
    let event = pb::event_service_server::EventServiceServer::new(event::Service(shared.clone()));
    let semaphore =
        pb::semaphore_service_server::SemaphoreServiceServer::new(semaphore::Service(shared.clone()));
    let lock = pb::lock_service_server::LockServiceServer::new(lock::Service(shared.clone()));
    let rwlock =
        pb::read_write_lock_service_server::ReadWriteLockServiceServer::new(rwlock::Service(shared.clone()));
    let condition =
        pb::condition_service_server::ConditionServiceServer::new(condition::Service(shared.clone()));
    let barrier = pb::barrier_service_server::BarrierServiceServer::new(barrier::Service(shared.clone()));
    let latch = pb::latch_service_server::LatchServiceServer::new(latch::Service(shared.clone()));
    let value = pb::value_service_server::ValueServiceServer::new(value::Service(shared.clone()));
    let timer = pb::timer_service_server::TimerServiceServer::new(timer::Service(shared.clone()));
    let acquire_all =
        pb::acquire_all_service_server::AcquireAllServiceServer::new(acquire_all::Service(shared.clone()));
    let select = pb::select_service_server::SelectServiceServer::new(select::Service(shared.clone()));
    let topic = pb::topic_service_server::TopicServiceServer::new(topic::Service(shared.clone()));
    let pipe = pb::pipe_service_server::PipeServiceServer::new(pipe::Service(shared.clone()));
    let transaction =
        pb::transaction_service_server::TransactionServiceServer::new(transaction::Service(shared.clone()));
    let admin = pb::admin_service_server::AdminServiceServer::new(admin::Service(shared));
    Routes::new(session.max_decoding_message_size(bytes))
        .add_service(queue.max_decoding_message_size(bytes))
        .add_service(event.max_decoding_message_size(bytes))
        .add_service(semaphore.max_decoding_message_size(bytes))
        .add_service(lock.max_decoding_message_size(bytes))
        .add_service(rwlock.max_decoding_message_size(bytes))
        .add_service(condition.max_decoding_message_size(bytes))
        .add_service(barrier.max_decoding_message_size(bytes))
        .add_service(latch.max_decoding_message_size(bytes))
        .add_service(value.max_decoding_message_size(bytes))
        .add_service(timer.max_decoding_message_size(bytes))
        .add_service(acquire_all.max_decoding_message_size(bytes))
        .add_service(select.max_decoding_message_size(bytes))
        .add_service(topic.max_decoding_message_size(bytes))
        .add_service(pipe.max_decoding_message_size(bytes))
        .add_service(transaction.max_decoding_message_size(bytes))
        .add_service(admin.max_decoding_message_size(bytes))
}

/// The names under which the services report their health.
pub(crate) const NAMES: [&str; 17] = [
    pb::session_service_server::SERVICE_NAME,
    pb::queue_service_server::SERVICE_NAME,
    pb::event_service_server::SERVICE_NAME,
    pb::semaphore_service_server::SERVICE_NAME,
    pb::lock_service_server::SERVICE_NAME,
    pb::read_write_lock_service_server::SERVICE_NAME,
    pb::condition_service_server::SERVICE_NAME,
    pb::barrier_service_server::SERVICE_NAME,
    pb::latch_service_server::SERVICE_NAME,
    pb::value_service_server::SERVICE_NAME,
    pb::timer_service_server::SERVICE_NAME,
    pb::acquire_all_service_server::SERVICE_NAME,
    pb::select_service_server::SERVICE_NAME,
    pb::topic_service_server::SERVICE_NAME,
    pb::pipe_service_server::SERVICE_NAME,
    pb::transaction_service_server::SERVICE_NAME,
    pb::admin_service_server::SERVICE_NAME,
];

impl Shared {
    /// The bounds of one stream.
    fn backlog(&self) -> Backlog {
        Backlog::new(self.outbox_bytes_max, self.outbox_reserve_bytes)
    }

    /// One command or query as a call of its own. When tonic drops the future, because the client cancelled, its
    /// deadline passed or its connection broke, the call is withdrawn.
    async fn unary<Message, Out>(&self, request: tonic::Request<Message>) -> Result<Response<Out>, Status>
    where
        Request: TryFrom<Message, Error = Error>,
        Out: TryFrom<Reply, Error = Error>,
    {
        let (metadata, extensions, message) = request.into_parts();
        let caller = Caller::read(&self.node, &metadata).map_err(status)?;
        let mut request = Request::try_from(message).map_err(status)?;
        let waiting = match extensions.get::<Arc<Connection>>() {
            Some(connection) if may_wait(&mut request) => Some(connection.wait().map_err(status)?),
            _ => None,
        };
        let answer = caller.call(request).await.map_err(status)?;
        drop(waiting);
        let message = Out::try_from(answer.outcome.map_err(status)?).map_err(status)?;
        let mut response = Response::new(message);
        if answer.offered {
            response.metadata_mut().insert(caller::OP, answer.op.0.into());
        }
        Ok(response)
    }
}

impl Caller {
    async fn call(&self, request: Request) -> Result<Answer, Error> {
        let (sender, receiver) = oneshot::channel();
        let answered = move |answer| {
            // Nobody listens any more where the call was dropped, and then it is withdrawn.
            let _ = sender.send(answer);
        };
        let call = self.namespace.unary(self.session, self.op, self.participant, request, answered);
        let mut open = OpenCall { namespace: &self.namespace, call: Some(call) };
        let answer = receiver.await;
        open.call = None;
        answer.map_err(|_| Error::new(Reason::Internal, "the call was dropped without an answer"))
    }
}

/// Withdraws its call when dropped before the answer.
struct OpenCall<'a> {
    namespace: &'a Namespace,
    call: Option<UnaryCall>,
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.namespace.cancel(call);
        }
    }
}

/// Whether a request can be parked, and so keep its stream for long.
fn may_wait(request: &mut Request) -> bool {
    match request {
        // Whatever its timeout, it waits for the lock.
        Request::Command(Command::Condition(_, conditions::Command::Wait { .. })) => true,
        Request::Command(command) => command.timeout_mut().is_some_and(|timeout| *timeout != Timeout::NOW),
        Request::Query(_) => false,
    }
}

/// Implements a service whose methods are all unary calls of our vocabulary.
macro_rules! unary_service {
    ($service:path { $($method:ident($request:ident) -> $response:ident;)* }) => {
        /// The service; see the proto file of the same name.
        pub(crate) struct Service(pub(crate) crate::service::Shared);

        #[tonic::async_trait]
        impl $service for Service {
            $(async fn $method(
                &self,
                request: tonic::Request<syncbridge_proto::v1::$request>,
            ) -> Result<tonic::Response<syncbridge_proto::v1::$response>, tonic::Status> {
                self.0.unary(request).await
            })*
        }
    };
}
use unary_service;
