//! Unary calls to values, lists and dicts.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::value_service_server::ValueService {
        declare(ValueServiceDeclareRequest) -> ValueServiceDeclareResponse;
        get(ValueServiceGetRequest) -> ValueServiceGetResponse;
        set(ValueServiceSetRequest) -> ValueServiceSetResponse;
        delete(ValueServiceDeleteRequest) -> ValueServiceDeleteResponse;
        increment(ValueServiceIncrementRequest) -> ValueServiceIncrementResponse;
        watch(ValueServiceWatchRequest) -> ValueServiceWatchResponse;
        list_items(ValueServiceListItemsRequest) -> ValueServiceListItemsResponse;
        clear(ValueServiceClearRequest) -> ValueServiceClearResponse;
        describe(ValueServiceDescribeRequest) -> ValueServiceDescribeResponse;
        read(ValueServiceReadRequest) -> ValueServiceReadResponse;
        splice(ValueServiceSpliceRequest) -> ValueServiceSpliceResponse;
    }
}
