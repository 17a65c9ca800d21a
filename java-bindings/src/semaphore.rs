//! Semaphores.

use std::sync::{Arc, LazyLock};

use bridge_client::semaphore::{Acquire, Holder, Options, Ownership, Semaphore};
use bridge_client::{Error, Token};
use jni::objects::{JClass, JObject, JString};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned};

use crate::errors::{Failure, native};
use crate::queue::{array, nanos, option, timeout, who};
use crate::table::Table;
use crate::{bridge, call, jvm};

static SEMAPHORES: LazyLock<Table<Semaphore>> = LazyLock::new(|| Table::new("semaphore"));

/// `Long.MIN_VALUE` is no opinion about the limit: negative ones are legal.
const NO_LIMIT: jlong = jlong::MIN;

fn permits(count: jint) -> Result<u32, Failure> {
    u32::try_from(count)
        .map_err(|_| Error::invalid("permits", format!("permits is {count}; give a positive number")).into())
}

fn holder<'local>(env: &mut Env<'local>, holder: &Holder) -> Result<JObject<'local>, Failure> {
    let held_for = nanos(holder.held_for).cast_signed();
    let (token, permits) = (holder.token.0.cast_signed(), holder.permits.cast_signed());
    let numbers = [token, permits, holder.by_token.into(), held_for];
    jvm::holder(env, numbers, &holder.participant, &holder.session)
}

/// Answers with the semaphore's number, once it is declared.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_semaphoreOpen<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    bridge: jlong,
    name: JString<'local>,
    limit: jlong,
    bounded: jint,
    owned: jint,
    ephemeral: jboolean,
) -> jlong {
    native(env, |env| {
        let options = Options {
            limit: (limit != NO_LIMIT).then_some(limit),
            bounded: option::<u8>(bounded.into()).map(|flag| flag != 0),
            ownership: match owned {
                0 => Some(Ownership::None),
                1 => Some(Ownership::Session),
                _ => None,
            },
            ephemeral: ephemeral.then_some(true),
            ..Options::default()
        };
        let name = jvm::text(env, &name)?;
        let (semaphore, declared) =
            bridge::get(bridge)?.bridge.declare_semaphore(name.as_deref(), options)?;
        Ok(call::add(declared, move |env, ()| {
            jvm::longs(env, &[SEMAPHORES.add(Arc::new(semaphore.clone()))])
        }))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_semaphoreName<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    semaphore: jlong,
) -> JString<'local> {
    native(env, |env| Ok(env.new_string(SEMAPHORES.get(semaphore)?.name())?))
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_semaphoreDrop<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    semaphore: jlong,
) {
    native(env, |_| {
        drop(SEMAPHORES.remove(semaphore));
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_semaphoreAcquire<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    semaphore: jlong,
    participant: jint,
    count: jint,
    by_token: jboolean,
    barge: jboolean,
    patience: jlong,
) -> jlong {
    native(env, |_| {
        let acquire = Acquire { permits: permits(count)?, by_token, barge, timeout: timeout(patience) };
        Ok(call::add(SEMAPHORES.get(semaphore)?.acquire(who(participant), acquire), |env, token| {
            jvm::longs(env, &[token.0.cast_signed()])
        }))
    })
}

/// With a token (not 0) exactly that grant.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_semaphoreRelease<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    semaphore: jlong,
    participant: jint,
    count: jint,
    token: jlong,
) -> jlong {
    native(env, |_| {
        let token = (token != 0).then(|| Token(token.cast_unsigned()));
        let release = SEMAPHORES.get(semaphore)?.release(who(participant), permits(count)?, token);
        Ok(call::add(release, call::nothing))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_semaphoreDrain<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    semaphore: jlong,
    participant: jint,
) -> jlong {
    native(env, |_| {
        Ok(call::add(SEMAPHORES.get(semaphore)?.drain(who(participant)), |env, drained| {
            jvm::longs(env, &[drained.drained])
        }))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_semaphoreReduce<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    semaphore: jlong,
    participant: jint,
    count: jint,
) -> jlong {
    native(env, |_| {
        Ok(call::add(SEMAPHORES.get(semaphore)?.reduce(who(participant), permits(count)?), call::nothing))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_semaphoreSetLimit<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    semaphore: jlong,
    participant: jint,
    limit: jlong,
) -> jlong {
    native(env, |_| {
        Ok(call::add(SEMAPHORES.get(semaphore)?.set_limit(who(participant), limit), call::nothing))
    })
}

/// available, limit, signals, held, waiting.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_semaphoreDescribe<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    semaphore: jlong,
    participant: jint,
) -> jlong {
    native(env, |_| {
        Ok(call::add(SEMAPHORES.get(semaphore)?.describe(who(participant)), |env, f| {
            jvm::longs(env, &[f.available, f.limit, f.signals, f.held, f.waiting.cast_signed()])
        }))
    })
}

/// `FromNative.holder`s.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_semaphoreHolders<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    semaphore: jlong,
    participant: jint,
) -> jlong {
    native(env, |_| {
        Ok(call::add(SEMAPHORES.get(semaphore)?.holders(who(participant)), |env, holders| {
            Ok(array(env, holders, holder)?.into())
        }))
    })
}
