//! Unary calls to locks.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::lock_service_server::LockService {
        declare(LockServiceDeclareRequest) -> LockServiceDeclareResponse;
        acquire(LockServiceAcquireRequest) -> LockServiceAcquireResponse;
        release(LockServiceReleaseRequest) -> LockServiceReleaseResponse;
        extend(LockServiceExtendRequest) -> LockServiceExtendResponse;
        describe(LockServiceDescribeRequest) -> LockServiceDescribeResponse;
    }
}
