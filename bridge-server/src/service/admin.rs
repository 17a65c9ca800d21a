//! What is going on, for operators and tools.

use bridge_core::wire;
use syncbridge_proto::v1 as pb;
use syncbridge_proto::v1::admin_service_server::AdminService;
use tonic::{Request, Response, Status};

use super::Shared;
use crate::VERSION;

/// The service.
pub(crate) struct Service(pub(crate) Shared);

#[tonic::async_trait]
impl AdminService for Service {
    async fn get_status(
        &self,
        _request: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        let node = &self.0.node;
        let namespaces = node.namespaces();
        let namespaces = namespaces.iter().map(|namespace| pb::NamespaceStatus {
            name: namespace.name().to_string(),
            commands: namespace.commands(),
            ..Default::default()
        });
        Ok(Response::new(pb::GetStatusResponse {
            version: VERSION.to_owned(),
            uptime: Some(wire::duration_field(node.now().since(node.started()))),
            serving: !node.draining(),
            namespaces: namespaces.collect(),
        }))
    }

    async fn list_objects(
        &self,
        _request: Request<pb::ListObjectsRequest>,
    ) -> Result<Response<pb::ListObjectsResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn describe_object(
        &self,
        _request: Request<pb::DescribeObjectRequest>,
    ) -> Result<Response<pb::DescribeObjectResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn list_sessions(
        &self,
        _request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}
