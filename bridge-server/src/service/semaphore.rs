//! Unary calls to semaphores.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::semaphore_service_server::SemaphoreService {
        declare(SemaphoreServiceDeclareRequest) -> SemaphoreServiceDeclareResponse;
        acquire(SemaphoreServiceAcquireRequest) -> SemaphoreServiceAcquireResponse;
        release(SemaphoreServiceReleaseRequest) -> SemaphoreServiceReleaseResponse;
        drain(SemaphoreServiceDrainRequest) -> SemaphoreServiceDrainResponse;
        reduce(SemaphoreServiceReduceRequest) -> SemaphoreServiceReduceResponse;
        set_limit(SemaphoreServiceSetLimitRequest) -> SemaphoreServiceSetLimitResponse;
        describe(SemaphoreServiceDescribeRequest) -> SemaphoreServiceDescribeResponse;
        list_holders(SemaphoreServiceListHoldersRequest) -> SemaphoreServiceListHoldersResponse;
    }
}
