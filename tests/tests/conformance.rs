//! The conformance suite on every placement.

mod mem {
    fn url(case: &str) -> String {
        format!("mem:{case}")
    }

    syncbridge_tests::conformance!(super::url);
}

/// The server of the other placements, with its URLs: TCP first, then the unix socket.
fn server() -> &'static [String] {
    use bridge_server::{ServeOptions, Server};
    static SERVER: std::sync::OnceLock<Server> = std::sync::OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let socket = std::env::temp_dir().join(format!("syncbridge-conformance-{}.sock", std::process::id()));
        let options = ServeOptions {
            listen: vec!["127.0.0.1:0".into()],
            unix: Some(socket),
            no_local: true,
            ..ServeOptions::default()
        };
        Server::start(options).expect("the server starts")
    });
    server.urls()
}

mod grpc {
    fn url(case: &str) -> String {
        format!("{}/grpc-{case}", super::server()[0])
    }

    syncbridge_tests::conformance!(super::url);
}

mod unix {
    fn url(case: &str) -> String {
        format!("{}#unix-{case}", super::server()[1])
    }

    syncbridge_tests::conformance!(super::url);
}
