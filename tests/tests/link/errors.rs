//! Addresses where no server of ours is: one clear line, in time.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use bridge_client::Reason;
use syncbridge_proto::v1::session_service_server::{SessionService, SessionServiceServer};
use syncbridge_proto::v1::{self as pb};
use tonic::{Request, Response, Status, Streaming};

use super::served::Served;
use super::*;

fn refused(url: &str, at_most: Duration) -> Error {
    let options = ConnectOptions { connect_timeout: at_most, ..ConnectOptions::default() };
    let start = Instant::now();
    let Err(error) = Bridge::connect(url, options) else { panic!("connected to {url}") };
    let took = start.elapsed();
    assert!(took < at_most + Duration::from_millis(500), "{took:?}: {error}");
    assert!(!error.message.contains('\n') && error.message.len() < 300, "{error}");
    error
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refused(&format!("grpc://127.0.0.1:{port}"), Duration::from_secs(5));
    assert_eq!(error.reason, Reason::Unavailable);
    assert!(error.message.contains("nothing listens there"), "{error}");
    let error = refused("unix:///nonexistent.sock", Duration::from_secs(5));
    assert!(error.message.contains("there is no such socket"), "{error}");
}

#[test]
fn somebody_listens_and_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = refused(&format!("grpc://{}", listener.local_addr().unwrap()), Duration::from_millis(300));
    assert_eq!(error.reason, Reason::Unavailable);
    assert!(error.message.contains("has not answered within 300ms"), "{error}");
}

#[test]
fn somebody_speaks_another_protocol() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let _ = client.read(&mut [0; 1024]);
        let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let error = refused(&url, Duration::from_secs(5));
    assert_eq!(error.reason, Reason::Unavailable);
    assert!(error.message.starts_with(&format!("the connection to {url} was lost")), "{error}");
}

#[test]
fn a_session_that_is_refused_says_why() {
    let served = Served::start();
    let options =
        ConnectOptions { session_ttl: Duration::from_secs(365 * 86_400), ..ConnectOptions::default() };
    let Err(error) = Bridge::connect(&served.tcp, options) else { panic!("connected") };
    assert!(matches!(error.reason, Reason::InvalidArgument | Reason::LimitExceeded), "{error}");
}

/// A server of the future.
struct Newer;

#[tonic::async_trait]
impl SessionService for Newer {
    type AttachStream = tonic::codegen::BoxStream<pb::AttachResponse>;

    async fn attach(
        &self,
        _: Request<Streaming<pb::AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let welcome = pb::Welcome { protocol_version: 2, server_version: "9.0".into(), ..Default::default() };
        let frame = pb::AttachResponse { welcome: Some(welcome), ..Default::default() };
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(frame)))))
    }

    async fn open(&self, _: Request<pb::OpenRequest>) -> Result<Response<pb::OpenResponse>, Status> {
        Err(Status::unimplemented("open"))
    }

    async fn keep_alive(
        &self,
        _: Request<pb::KeepAliveRequest>,
    ) -> Result<Response<pb::KeepAliveResponse>, Status> {
        Err(Status::unimplemented("keep_alive"))
    }

    async fn close(&self, _: Request<pb::CloseRequest>) -> Result<Response<pb::CloseResponse>, Status> {
        Err(Status::unimplemented("close"))
    }
}

#[test]
fn a_server_of_another_version_is_named() {
    let runtime = Arc::new(tokio::runtime::Runtime::new().unwrap());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    runtime.spawn(
        tonic::transport::Server::builder()
            .add_service(SessionServiceServer::new(Newer))
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
    );
    let error = refused(&url, Duration::from_secs(5));
    assert_eq!(error.reason, Reason::ProtocolVersion, "{error}");
    assert!(error.message.contains("9.0"), "{error}");
}
