//! Queues.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bridge_client::queue::{
    Batch, Browsed, Cursor, Delivery, Discipline, Mode, NewItem, Options, Page, Queue, Reentry, Shelf,
};
use bridge_client::{Error, ItemId, ParticipantId, Reason, Timeout, Token};
use jni::objects::{JByteArray, JClass, JLongArray, JObject, JObjectArray, JString};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned};
use parking_lot::Mutex;

use crate::errors::{Failure, native};
use crate::payload::{self, Passed};
use crate::table::Table;
use crate::{bridge, call, jvm};

static QUEUES: LazyLock<Table<Queue>> = LazyLock::new(|| Table::new("queue"));

/// Items of a put of many, on their way.
static BATCHES: LazyLock<Table<Mutex<Vec<NewItem>>>> = LazyLock::new(|| Table::new("batch"));

/// Who, as Java passes it.
pub(crate) fn who(id: jint) -> ParticipantId {
    ParticipantId(id.cast_unsigned())
}

/// Nanoseconds; negative is for ever.
pub(crate) fn timeout(nanos: jlong) -> Timeout {
    u64::try_from(nanos).map_or(Timeout::Never, |nanos| Timeout::After(Duration::from_nanos(nanos)))
}

/// An option; negative is no opinion.
pub(crate) fn option<T: TryFrom<jlong>>(value: jlong) -> Option<T> {
    if value < 0 { None } else { T::try_from(value).ok() }
}

fn count<T: TryFrom<jint>>(field: &'static str, value: jint) -> Result<T, Failure> {
    T::try_from(value)
        .map_err(|_| Error::invalid(field, format!("{field} is {value}; give a positive number")).into())
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(i64::MAX as u64)
}

fn tokens(env: &Env<'_>, tokens: &JLongArray<'_>) -> Result<Vec<Token>, Failure> {
    Ok(jvm::numbers(env, tokens)?.into_iter().map(|token| Token(token.cast_unsigned())).collect())
}

fn delivery<'local>(env: &mut Env<'local>, delivery: &Delivery) -> Result<JObject<'local>, Failure> {
    let given = payload::give(env, &delivery.payload)?;
    let item = jvm::Item {
        id: delivery.id.0,
        token: delivery.token.0,
        attempt: delivery.attempt,
        age_nanos: nanos(delivery.age),
        buffer: given.buffer,
        form: given.form,
        content_type: given.content_type,
        body: given.body,
    };
    Ok(jvm::item(env, &item)?)
}

fn browsed<'local>(env: &mut Env<'local>, browsed: &Browsed) -> Result<JObject<'local>, Failure> {
    let given = payload::give(env, &browsed.payload)?;
    let item = jvm::Item {
        id: browsed.id.0,
        token: 0,
        attempt: browsed.attempts,
        age_nanos: nanos(browsed.age),
        buffer: given.buffer,
        form: given.form,
        content_type: given.content_type,
        body: given.body,
    };
    jvm::browsed(env, &item, browsed)
}

/// An `Object[]`.
pub(crate) fn array<'local, T>(
    env: &mut Env<'local>,
    items: &[T],
    make: for<'frame> fn(&mut Env<'frame>, &T) -> Result<JObject<'frame>, Failure>,
) -> Result<JObjectArray<'local>, Failure> {
    let array = env.new_object_type_array::<JObject>(items.len(), JObject::null())?;
    for (i, item) in items.iter().enumerate() {
        env.with_local_frame(8, |env| -> Result<(), Failure> {
            let object = make(env, item)?;
            Ok(array.set_element(env, i, object)?)
        })?;
    }
    Ok(array)
}

fn one<'local>(env: &mut Env<'local>, deliveries: &[Delivery]) -> Result<JObject<'local>, Failure> {
    let [only] = deliveries else {
        return Err(Error::new(Reason::Internal, "a take of one item was not answered with one").into());
    };
    delivery(env, only)
}

fn several<'local>(env: &mut Env<'local>, deliveries: &[Delivery]) -> Result<JObject<'local>, Failure> {
    Ok(array(env, deliveries, delivery)?.into())
}

fn page<'local>(env: &mut Env<'local>, page: &Page) -> Result<JObject<'local>, Failure> {
    let items = array(env, &page.items, browsed)?;
    jvm::page(env, &items, page.next.as_ref().map(|next| (&next.key[..], next.arrival)))
}

fn ids<'local>(env: &mut Env<'local>, ids: &[ItemId]) -> Result<JObject<'local>, Failure> {
    let ids: Vec<jlong> = ids.iter().map(|id| id.0.cast_signed()).collect();
    jvm::longs(env, &ids)
}

/// Answers with the queue's number, once it is declared.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueOpen<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    bridge: jlong,
    name: JString<'local>,
    discipline: jint,
    maxsize: jlong,
    max_deliveries: jlong,
    dead_letters: JString<'local>,
    ephemeral: jboolean,
) -> jlong {
    native(env, |env| {
        let dead_letters = jvm::text(env, &dead_letters)?;
        let options = Options {
            discipline: match discipline {
                0 => Some(Discipline::Fifo),
                1 => Some(Discipline::Lifo),
                2 => Some(Discipline::Priority),
                _ => None,
            },
            maxsize: option(maxsize),
            max_deliveries: option(max_deliveries),
            dead_letters: dead_letters
                .map(|name| bridge_core::ids::Name::parse("dead_letters", &name))
                .transpose()?,
            ephemeral: ephemeral.then_some(true),
            ..Options::default()
        };
        let name = jvm::text(env, &name)?;
        let (queue, declared) = bridge::get(bridge)?.bridge.declare_queue(name.as_deref(), options)?;
        Ok(call::add(declared, move |env, ()| jvm::longs(env, &[QUEUES.add(Arc::new(queue.clone()))])))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueName<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
) -> JString<'local> {
    native(env, |env| Ok(env.new_string(QUEUES.get(queue)?.name())?))
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueDrop<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
) {
    native(env, |_| {
        drop(QUEUES.remove(queue));
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queuePut<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
    form: jint,
    content_type: JString<'local>,
    body: JObject<'local>,
    offset: jint,
    length: jint,
    key: JByteArray<'local>,
    patience: jlong,
    slice: jlong,
) -> jlong {
    native(env, |env| {
        let passed = Passed { form, content_type, body, offset, length };
        let item =
            NewItem { key: payload::bytes(env, &key)?.into(), ..NewItem::new(payload::read(env, passed)?) };
        call::finish(QUEUES.get(queue)?.put(who(participant), item, timeout(patience)), slice)
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_batchNew<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
) -> jlong {
    native(env, |_| Ok(BATCHES.add(Arc::default())))
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_batchAdd<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    batch: jlong,
    form: jint,
    content_type: JString<'local>,
    body: JObject<'local>,
    offset: jint,
    length: jint,
    key: JByteArray<'local>,
) {
    native(env, |env| {
        let passed = Passed { form, content_type, body, offset, length };
        let item =
            NewItem { key: payload::bytes(env, &key)?.into(), ..NewItem::new(payload::read(env, passed)?) };
        BATCHES.get(batch)?.lock().push(item);
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_batchDrop<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    batch: jlong,
) {
    native(env, |_| {
        drop(BATCHES.remove(batch));
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queuePutMany<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
    batch: jlong,
    patience: jlong,
) -> jlong {
    native(env, |_| {
        let items = std::mem::take(&mut *BATCHES.get(batch)?.lock());
        Ok(call::add(QUEUES.get(queue)?.put_many(who(participant), items, timeout(patience)), |env, put| {
            ids(env, put)
        }))
    })
}

/// An item, or an array of them where `max` is not 1.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueTake<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
    lease: jboolean,
    max: jint,
    min: jint,
    linger: jlong,
    patience: jlong,
    slice: jlong,
    started: JLongArray<'local>,
) -> JObject<'local> {
    native(env, |env| {
        let mode = if lease { Mode::Lease } else { Mode::Get };
        let linger = Duration::from_nanos(u64::try_from(linger).unwrap_or(0));
        let batch = Batch { max: count("max", max)?, min: count("min", min)?, linger };
        let take = QUEUES.get(queue)?.take(who(participant), mode, batch, timeout(patience));
        if max == 1 {
            call::offer(env, &started, take, slice, |env, got| one(env, got))
        } else {
            call::offer(env, &started, take, slice, |env, got| several(env, got))
        }
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueAck<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
    held: JLongArray<'local>,
) -> jlong {
    native(env, |env| {
        Ok(call::add(QUEUES.get(queue)?.ack(who(participant), tokens(env, &held)?), call::nothing))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueNack<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
    held: JLongArray<'local>,
    reentry: jint,
    error: JString<'local>,
) -> jlong {
    native(env, |env| {
        let reentry = match reentry {
            1 => Reentry::Front,
            2 => Reentry::Back,
            _ => Reentry::Place,
        };
        let (held, error) = (tokens(env, &held)?, jvm::text(env, &error)?.unwrap_or_default());
        Ok(call::add(QUEUES.get(queue)?.nack(who(participant), held, reentry, error), call::nothing))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueReject<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
    held: JLongArray<'local>,
    reason: JString<'local>,
) -> jlong {
    native(env, |env| {
        let (held, reason) = (tokens(env, &held)?, jvm::text(env, &reason)?.unwrap_or_default());
        Ok(call::add(QUEUES.get(queue)?.reject(who(participant), held, reason), call::nothing))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueTaskDone<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
    done: jint,
) -> jlong {
    native(env, |_| {
        Ok(call::add(QUEUES.get(queue)?.task_done(who(participant), count("count", done)?), call::nothing))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueJoin<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
    patience: jlong,
) -> jlong {
    native(env, |_| {
        Ok(call::add(QUEUES.get(queue)?.join(who(participant), timeout(patience)), call::nothing))
    })
}

/// ready, delayed, maxsize, discipline.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueDescribe<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
) -> jlong {
    native(env, |_| {
        Ok(call::add(QUEUES.get(queue)?.describe(who(participant)), |env, f| {
            let figures = [
                f.ready,
                f.delayed,
                f.options.maxsize.unwrap_or(0),
                f.options.discipline.unwrap_or_default() as u64,
            ];
            jvm::longs(env, &figures.map(u64::cast_signed))
        }))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueBrowse<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
    dead: jboolean,
    page_size: jint,
    after_key: JByteArray<'local>,
    after_arrival: jlong,
) -> jlong {
    native(env, |env| {
        let shelf = if dead { Shelf::Dead } else { Shelf::Ready };
        let after = if after_key.is_null() {
            None
        } else {
            Some(Cursor { key: payload::bytes(env, &after_key)?.into(), arrival: after_arrival })
        };
        let page_size = count("page_size", page_size)?;
        Ok(call::add(QUEUES.get(queue)?.browse(who(participant), shelf, page_size, after), page))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueRemove<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
    wanted: JLongArray<'local>,
) -> jlong {
    native(env, |env| {
        let wanted = jvm::numbers(env, &wanted)?.into_iter().map(|id| ItemId(id.cast_unsigned())).collect();
        Ok(call::add(QUEUES.get(queue)?.remove(who(participant), wanted), |env, went| ids(env, went)))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queuePurge<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
) -> jlong {
    native(env, |_| {
        Ok(call::add(QUEUES.get(queue)?.purge(who(participant)), |env, count| {
            jvm::longs(env, &[count.cast_signed()])
        }))
    })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_queueShutdown<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    queue: jlong,
    participant: jint,
    immediate: jboolean,
) -> jlong {
    native(env, |_| Ok(call::add(QUEUES.get(queue)?.shutdown(who(participant), immediate), call::nothing)))
}
