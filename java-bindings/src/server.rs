//! A server inside the JVM, and the command line.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bridge_client::{Error, Reason};
use bridge_server::{ServeOptions, Server, cli};
use jni::EnvUnowned;
use jni::objects::{JClass, JObjectArray, JString};
use jni::sys::{jint, jlong};

use crate::errors::{Failure, native};
use crate::jvm;
use crate::table::Table;

/// How long a closing server waits for its clients: they are most often in this very process.
const DRAIN_SECONDS: f64 = 1.0;

static SERVERS: LazyLock<Table<Server>> = LazyLock::new(|| Table::new("server"));

/// Without `listen` it listens on no TCP port, without `unix` on no unix socket.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_serverStart<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    listen: JString<'local>,
    unix: JString<'local>,
) -> jlong {
    native(env, |env| {
        let options = ServeOptions {
            listen: jvm::text(env, &listen)?.into_iter().collect(),
            unix: jvm::text(env, &unix)?.map(PathBuf::from),
            drain_seconds: DRAIN_SECONDS,
            ..ServeOptions::default()
        };
        let server = Server::start(options)
            .map_err(|error| Failure::from(Error::new(Reason::Unavailable, error.to_string())))?;
        Ok(SERVERS.add(Arc::new(server)))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_serverUrls<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    server: jlong,
) -> JObjectArray<'local, JString<'local>> {
    native(env, |env| {
        let server = SERVERS.get(server)?;
        let urls: Vec<&str> = server.urls().iter().map(|url| &**url).collect();
        Ok(jvm::strings(env, &urls)?)
    })
}

/// Stops it; returns when it has stopped.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_serverStop<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    server: jlong,
) {
    native(env, |_| {
        drop(SERVERS.remove(server));
        Ok(())
    })
}

/// Runs the command line and answers with its exit code.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_commandLine<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    arguments: JObjectArray<'local, JString<'local>>,
) -> jint {
    native(env, |env| {
        let mut line = vec!["syncbridge".to_owned()];
        for i in 0..arguments.len(env)? {
            line.push(arguments.get_element(env, i)?.try_to_string(env)?);
        }
        Ok(cli::main(line).into())
    })
}
