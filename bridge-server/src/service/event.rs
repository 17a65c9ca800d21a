//! Unary calls to events.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::event_service_server::EventService {
        declare(EventServiceDeclareRequest) -> EventServiceDeclareResponse;
        set(EventServiceSetRequest) -> EventServiceSetResponse;
        clear(EventServiceClearRequest) -> EventServiceClearResponse;
        wait(EventServiceWaitRequest) -> EventServiceWaitResponse;
        describe(EventServiceDescribeRequest) -> EventServiceDescribeResponse;
    }
}
