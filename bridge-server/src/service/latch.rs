//! Unary calls to latches.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::latch_service_server::LatchService {
        declare(LatchServiceDeclareRequest) -> LatchServiceDeclareResponse;
        count_down(LatchServiceCountDownRequest) -> LatchServiceCountDownResponse;
        wait(LatchServiceWaitRequest) -> LatchServiceWaitResponse;
        describe(LatchServiceDescribeRequest) -> LatchServiceDescribeResponse;
    }
}
