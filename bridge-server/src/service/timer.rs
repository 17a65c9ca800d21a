//! Unary calls to timers.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::timer_service_server::TimerService {
        declare(TimerServiceDeclareRequest) -> TimerServiceDeclareResponse;
        schedule(TimerServiceScheduleRequest) -> TimerServiceScheduleResponse;
        cancel(TimerServiceCancelRequest) -> TimerServiceCancelResponse;
        describe(TimerServiceDescribeRequest) -> TimerServiceDescribeResponse;
        list(TimerServiceListRequest) -> TimerServiceListResponse;
    }
}
