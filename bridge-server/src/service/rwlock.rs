//! Unary calls to read-write locks.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::read_write_lock_service_server::ReadWriteLockService {
        declare(ReadWriteLockServiceDeclareRequest) -> ReadWriteLockServiceDeclareResponse;
        acquire(ReadWriteLockServiceAcquireRequest) -> ReadWriteLockServiceAcquireResponse;
        release(ReadWriteLockServiceReleaseRequest) -> ReadWriteLockServiceReleaseResponse;
        extend(ReadWriteLockServiceExtendRequest) -> ReadWriteLockServiceExtendResponse;
        describe(ReadWriteLockServiceDescribeRequest) -> ReadWriteLockServiceDescribeResponse;
    }
}
