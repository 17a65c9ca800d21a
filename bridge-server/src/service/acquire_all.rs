//! Unary calls that acquire several things, all or none.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::acquire_all_service_server::AcquireAllService {
        acquire_all(AcquireAllServiceAcquireAllRequest) -> AcquireAllServiceAcquireAllResponse;
    }
}
