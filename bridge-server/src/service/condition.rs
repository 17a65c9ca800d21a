//! Unary calls to conditions.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::condition_service_server::ConditionService {
        declare(ConditionServiceDeclareRequest) -> ConditionServiceDeclareResponse;
        wait(ConditionServiceWaitRequest) -> ConditionServiceWaitResponse;
        notify(ConditionServiceNotifyRequest) -> ConditionServiceNotifyResponse;
        notify_all(ConditionServiceNotifyAllRequest) -> ConditionServiceNotifyAllResponse;
        describe(ConditionServiceDescribeRequest) -> ConditionServiceDescribeResponse;
    }
}
