//! Unary calls to barriers.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::barrier_service_server::BarrierService {
        declare(BarrierServiceDeclareRequest) -> BarrierServiceDeclareResponse;
        wait(BarrierServiceWaitRequest) -> BarrierServiceWaitResponse;
        action_done(BarrierServiceActionDoneRequest) -> BarrierServiceActionDoneResponse;
        reset(BarrierServiceResetRequest) -> BarrierServiceResetResponse;
        abort(BarrierServiceAbortRequest) -> BarrierServiceAbortResponse;
        describe(BarrierServiceDescribeRequest) -> BarrierServiceDescribeResponse;
    }
}
