//! Unary calls to queues.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::queue_service_server::QueueService {
        declare(QueueServiceDeclareRequest) -> QueueServiceDeclareResponse;
        put(QueueServicePutRequest) -> QueueServicePutResponse;
        put_many(QueueServicePutManyRequest) -> QueueServicePutManyResponse;
        get(QueueServiceGetRequest) -> QueueServiceGetResponse;
        get_many(QueueServiceGetManyRequest) -> QueueServiceGetManyResponse;
        lease(QueueServiceLeaseRequest) -> QueueServiceLeaseResponse;
        lease_many(QueueServiceLeaseManyRequest) -> QueueServiceLeaseManyResponse;
        ack(QueueServiceAckRequest) -> QueueServiceAckResponse;
        nack(QueueServiceNackRequest) -> QueueServiceNackResponse;
        reject(QueueServiceRejectRequest) -> QueueServiceRejectResponse;
        extend(QueueServiceExtendRequest) -> QueueServiceExtendResponse;
        task_done(QueueServiceTaskDoneRequest) -> QueueServiceTaskDoneResponse;
        join(QueueServiceJoinRequest) -> QueueServiceJoinResponse;
        forgive(QueueServiceForgiveRequest) -> QueueServiceForgiveResponse;
        describe(QueueServiceDescribeRequest) -> QueueServiceDescribeResponse;
        browse(QueueServiceBrowseRequest) -> QueueServiceBrowseResponse;
        remove(QueueServiceRemoveRequest) -> QueueServiceRemoveResponse;
        purge(QueueServicePurgeRequest) -> QueueServicePurgeResponse;
        redrive(QueueServiceRedriveRequest) -> QueueServiceRedriveResponse;
        r#move(QueueServiceMoveRequest) -> QueueServiceMoveResponse;
        shutdown(QueueServiceShutdownRequest) -> QueueServiceShutdownResponse;
    }
}
