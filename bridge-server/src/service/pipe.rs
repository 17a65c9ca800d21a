//! Unary calls to pipes.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::pipe_service_server::PipeService {
        declare(PipeServiceDeclareRequest) -> PipeServiceDeclareResponse;
        attach(PipeServiceAttachRequest) -> PipeServiceAttachResponse;
        send(PipeServiceSendRequest) -> PipeServiceSendResponse;
        receive(PipeServiceReceiveRequest) -> PipeServiceReceiveResponse;
        poll(PipeServicePollRequest) -> PipeServicePollResponse;
        close(PipeServiceCloseRequest) -> PipeServiceCloseResponse;
        describe(PipeServiceDescribeRequest) -> PipeServiceDescribeResponse;
    }
}
