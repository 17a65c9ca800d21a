//! Unary calls that wait for the first of several.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::select_service_server::SelectService {
        select(SelectServiceSelectRequest) -> SelectServiceSelectResponse;
    }
}
