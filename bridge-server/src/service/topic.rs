//! Unary calls to topics.

use crate::service::unary_service;

unary_service! {
    syncbridge_proto::v1::topic_service_server::TopicService {
        declare(TopicServiceDeclareRequest) -> TopicServiceDeclareResponse;
        bind(TopicServiceBindRequest) -> TopicServiceBindResponse;
        unbind(TopicServiceUnbindRequest) -> TopicServiceUnbindResponse;
        publish(TopicServicePublishRequest) -> TopicServicePublishResponse;
        describe(TopicServiceDescribeRequest) -> TopicServiceDescribeResponse;
        list_bindings(TopicServiceListBindingsRequest) -> TopicServiceListBindingsResponse;
    }
}
