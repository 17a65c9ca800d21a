//! Unary calls to several queues at once.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::transaction_service_server::TransactionService {
        commit(TransactionServiceCommitRequest) -> TransactionServiceCommitResponse;
    }
}
