//! Events.

use std::sync::{Arc, LazyLock};

use bridge_client::event::{Event, Options};
use jni::EnvUnowned;
use jni::objects::{JClass, JString};
use jni::sys::{jboolean, jint, jlong};

use crate::errors::native;
use crate::queue::{option, timeout, who};
use crate::table::Table;
use crate::{bridge, call, jvm};

static EVENTS: LazyLock<Table<Event>> = LazyLock::new(|| Table::new("event"));

/// Answers with the event's number, once it is declared.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_eventOpen<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    bridge: jlong,
    name: JString<'local>,
    auto_reset: jint,
    ephemeral: jboolean,
) -> jlong {
    native(env, |env| {
        let options = Options {
            auto_reset: option::<u8>(auto_reset.into()).map(|flag| flag != 0),
            ephemeral: ephemeral.then_some(true),
        };
        let name = jvm::text(env, &name)?;
        let (event, declared) = bridge::get(bridge)?.bridge.declare_event(name.as_deref(), options)?;
        Ok(call::add(declared, move |env, ()| jvm::longs(env, &[EVENTS.add(Arc::new(event.clone()))])))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_eventName<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    event: jlong,
) -> JString<'local> {
    native(env, |env| Ok(env.new_string(EVENTS.get(event)?.name())?))
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_eventDrop<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    event: jlong,
) {
    native(env, |_| {
        drop(EVENTS.remove(event));
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_eventSet<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    event: jlong,
    participant: jint,
) -> jlong {
    native(env, |_| {
        Ok(call::add(EVENTS.get(event)?.set(who(participant)), |env, version| {
            jvm::longs(env, &[version.cast_signed()])
        }))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_eventClear<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    event: jlong,
    participant: jint,
) -> jlong {
    native(env, |_| {
        Ok(call::add(EVENTS.get(event)?.clear(who(participant)), |env, version| {
            jvm::longs(env, &[version.cast_signed()])
        }))
    })
}

/// is set, version.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_eventWait<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    event: jlong,
    participant: jint,
    patience: jlong,
    after: jlong,
) -> jlong {
    native(env, |_| {
        let wait = EVENTS.get(event)?.wait(who(participant), timeout(patience), option(after));
        Ok(call::add(wait, |env, waited| {
            jvm::longs(env, &[waited.is_set.into(), waited.version.cast_signed()])
        }))
    })
}

/// is set, version, waiting.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_eventDescribe<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    event: jlong,
    participant: jint,
) -> jlong {
    native(env, |_| {
        Ok(call::add(EVENTS.get(event)?.describe(who(participant)), |env, f| {
            jvm::longs(env, &[f.is_set.into(), f.version.cast_signed(), f.waiting.cast_signed()])
        }))
    })
}
