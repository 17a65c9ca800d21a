//! Bridges, and the thread of Java's own that collects what ended.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bridge_client::{Bridge, ConnectOptions, ParticipantId};
use jni::EnvUnowned;
use jni::objects::{JClass, JLongArray, JString};
use jni::sys::{jboolean, jint, jlong};

use crate::completions::Completions;
use crate::errors::{Failure, native};
use crate::table::Table;
use crate::{jvm, local};

/// A bridge and what ended on it.
pub(crate) struct Connection {
    pub(crate) bridge: Bridge,
    pub(crate) completions: Arc<Completions>,
}

static BRIDGES: LazyLock<Table<Connection>> = LazyLock::new(|| Table::new("bridge"));

/// The bridge of that number.
pub(crate) fn get(id: jlong) -> Result<Arc<Connection>, Failure> {
    BRIDGES.get(id)
}

/// Milliseconds as Java counts them.
pub(crate) fn millis(millis: jlong) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_bridgeConnect<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    url: JString<'local>,
    label: JString<'local>,
    session_ttl: jlong,
    connect_timeout: jlong,
) -> jlong {
    native(env, |env| {
        let options = ConnectOptions {
            label: jvm::text(env, &label)?,
            session_ttl: millis(session_ttl),
            connect_timeout: millis(connect_timeout),
            language: "java",
            ..ConnectOptions::default()
        };
        let bridge = Bridge::connect(&url.try_to_string(env)?, options)?;
        Ok(BRIDGES.add(Arc::new(Connection { bridge, completions: Arc::default() })))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_bridgeIsLocal<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    bridge: jlong,
) -> jboolean {
    native(env, |_| Ok(get(bridge)?.bridge.is_local()))
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_bridgeParticipant<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    bridge: jlong,
    label: JString<'local>,
) -> jint {
    native(env, |env| {
        let label = label.try_to_string(env)?;
        Ok(get(bridge)?.bridge.participant(&label).0.cast_signed())
    })
}

/// Gives a participant another label: its thread has ended, and another takes it over.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_bridgeRelabel<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    bridge: jlong,
    who: jint,
    label: JString<'local>,
) {
    native(env, |env| {
        let label = label.try_to_string(env)?;
        get(bridge)?.bridge.relabel(ParticipantId(who.cast_unsigned()), &label);
        Ok(())
    })
}

/// The numbers of calls that ended, none if the slice was over first; null once the bridge is closed.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_bridgeCollect<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    bridge: jlong,
    slice: jlong,
) -> JLongArray<'local> {
    native(env, |env| {
        local::sweep();
        let Ok(connection) = get(bridge) else { return Ok(JLongArray::default()) };
        let Some(ended) = connection.completions.collect(&connection.bridge, millis(slice)) else {
            return Ok(JLongArray::default());
        };
        let array = JLongArray::new(env, ended.len())?;
        array.set_region(env, 0, &ended)?;
        Ok(array)
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_bridgeFlush<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    bridge: jlong,
    at_most: jlong,
) {
    native(env, |_| Ok(get(bridge)?.bridge.flush(millis(at_most))?))
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_bridgeClose<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    bridge: jlong,
    at_most: jlong,
) {
    native(env, |_| {
        let connection = get(bridge)?;
        let closed = connection.bridge.close(millis(at_most));
        connection.completions.close();
        Ok(closed?)
    })
}

/// Forgets the bridge: the last step of the thread that collects.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_bridgeDrop<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    bridge: jlong,
) {
    native(env, |_| {
        drop(BRIDGES.remove(bridge));
        Ok(())
    })
}
