//! Calls under way: awaited in slices, watched, withdrawn, read, accepted.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bridge_client::{Call, Error, Granted, Reason};
use jni::objects::{JClass, JLongArray, JObject};
use jni::sys::{jboolean, jint, jlong};
use jni::{Env, EnvUnowned};
use parking_lot::Mutex;

use crate::errors::{Failure, native};
use crate::table::Table;
use crate::{bridge, completions};

/// How a call stands, as `io.syncbridge.Call` knows it.
#[derive(Clone, Copy)]
enum Status {
    Waiting = 0,
    Ended = 1,
    /// FULL, EMPTY or TIMED_OUT.
    NotInTime = 2,
    Withdrawn = 3,
    Failed = 4,
    /// Ended, and made Java's own: nothing of it remains here.
    Accepted = 5,
}

/// Added to a status: calls have ended that somebody must collect. Whoever drove the connection does so at once,
/// rather than leave it to the collector, who may be asleep as a follower.
const COLLECT: jint = 16;

/// A call's number stands above its status where one native method answers with both.
const STATUS_BITS: u32 = 5;

/// The number of a call that is over.
const NO_CALL: jlong = 0;

/// Makes a Java value of what a call was granted.
pub(crate) trait ToJava<T>:
    for<'local> Fn(&mut Env<'local>, &T) -> Result<JObject<'local>, Failure> + Send + 'static
{
}

impl<T, F> ToJava<T> for F where
    F: for<'local> Fn(&mut Env<'local>, &T) -> Result<JObject<'local>, Failure> + Send + 'static
{
}

/// A call, whatever it is granted.
trait Operation: Send {
    fn wait(&mut self, slice: Duration) -> Status;
    fn cancel(&mut self);
    fn give_up(&mut self) -> Status;
    fn on_ready(&self, fire: Box<dyn FnOnce() + Send>);
    fn value<'local>(&self, env: &mut Env<'local>) -> Result<JObject<'local>, Failure>;
    fn accept(&mut self) -> Result<(), Failure>;
}

struct Running<T, F> {
    state: State<T>,
    to_java: F,
}

enum State<T> {
    Waiting(Call<T>),
    Ended(Granted<T>),
    Failed(Error),
    Over,
}

impl<T: Send + 'static, F: ToJava<T>> Running<T, F> {
    /// A call that was just started, waited for during `slice` nanoseconds; not at all, not even for one that has ended,
    /// if that is negative.
    fn led(call: Call<T>, slice: jlong, to_java: F) -> Self {
        let mut running = Running { state: State::Waiting(call), to_java };
        if let Ok(slice) = u64::try_from(slice) {
            running.wait(Duration::from_nanos(slice));
        }
        running
    }

    /// Gives it its number.
    fn add(self) -> jlong {
        CALLS.add(Arc::new(Mutex::new(self)))
    }
}

impl<T, F> Running<T, F> {
    fn end(&mut self, result: Result<Granted<T>, Error>) {
        self.state = match result {
            Ok(granted) => State::Ended(granted),
            Err(error) => State::Failed(error),
        };
    }

    fn status(&self) -> Status {
        match &self.state {
            State::Waiting(_) => Status::Waiting,
            State::Ended(_) => Status::Ended,
            State::Failed(error) => match error.reason {
                Reason::Full | Reason::Empty | Reason::TimedOut => Status::NotInTime,
                Reason::Cancelled => Status::Withdrawn,
                _ => Status::Failed,
            },
            State::Over => Status::Withdrawn,
        }
    }
}

impl<T: Send + 'static, F: ToJava<T>> Operation for Running<T, F> {
    fn wait(&mut self, slice: Duration) -> Status {
        if let State::Waiting(call) = &mut self.state
            && let Some(result) = call.wait(slice)
        {
            self.end(result);
        }
        self.status()
    }

    fn cancel(&mut self) {
        self.wait(Duration::ZERO);
        match &self.state {
            State::Waiting(call) => call.request_cancel(),
            // Not accepted yet: dropped, it goes back.
            State::Ended(granted) if !granted.is_final() => self.state = State::Over,
            _ => {}
        }
    }

    fn give_up(&mut self) -> Status {
        self.wait(Duration::ZERO);
        if let State::Waiting(_) = self.state
            && let State::Waiting(call) = std::mem::replace(&mut self.state, State::Over)
        {
            self.state = State::Failed(call.give_up());
        }
        self.status()
    }

    fn on_ready(&self, fire: Box<dyn FnOnce() + Send>) {
        match &self.state {
            State::Waiting(call) => call.on_ready(fire),
            _ => fire(),
        }
    }

    fn value<'local>(&self, env: &mut Env<'local>) -> Result<JObject<'local>, Failure> {
        match &self.state {
            State::Ended(granted) => (self.to_java)(env, granted),
            State::Failed(error) => Err(error.clone().into()),
            State::Waiting(_) | State::Over => Err(Failure::Gone("call")),
        }
    }

    fn accept(&mut self) -> Result<(), Failure> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Ended(granted) => granted.accept().map(drop).map_err(Failure::from),
            State::Failed(error) => Err(error.into()),
            State::Waiting(_) | State::Over => Err(Failure::Gone("call")),
        }
    }
}

static CALLS: LazyLock<Table<Mutex<dyn Operation>>> = LazyLock::new(|| Table::new("call"));

/// Gives a started call its number.
pub(crate) fn add<T: Send + 'static>(call: Call<T>, to_java: impl ToJava<T>) -> jlong {
    Running { state: State::Waiting(call), to_java }.add()
}

/// Waits for a started call that grants nothing Java asks for, and accepts, if it ends within `slice` nanoseconds.
/// Otherwise it is given a number. The answer is number and status.
pub(crate) fn finish<T: Send + 'static>(call: Call<T>, slice: jlong) -> Result<jlong, Failure> {
    let mut running = Running::led(call, slice, nothing);
    if let State::Ended(_) = running.state {
        running.accept()?;
        return Ok(with_status(NO_CALL, Status::Accepted));
    }
    let status = running.status();
    Ok(with_status(running.add(), status))
}

/// Gives a started call its number and waits for it during `slice` nanoseconds. What it is granted by then is answered
/// with, as an offer still; null otherwise. `started[0]` becomes number and status.
pub(crate) fn offer<'local, T: Send + 'static>(
    env: &mut Env<'local>,
    started: &JLongArray<'_>,
    call: Call<T>,
    slice: jlong,
    to_java: impl ToJava<T>,
) -> Result<JObject<'local>, Failure> {
    let running = Running::led(call, slice, to_java);
    let status = running.status();
    let value = if let Status::Ended = status { running.value(env)? } else { JObject::null() };
    started.set_region(env, 0, &[with_status(running.add(), status)])?;
    Ok(value)
}

fn with_status(call: jlong, status: Status) -> jlong {
    call << STATUS_BITS | jlong::from(answer(status))
}

/// A status as Java is told it.
fn answer(status: Status) -> jint {
    let status = status as jint;
    if completions::are_pending() { status | COLLECT } else { status }
}

/// For calls that are granted nothing that Java asks for.
pub(crate) fn nothing<'local, T>(_: &mut Env<'local>, _: &T) -> Result<JObject<'local>, Failure> {
    Ok(JObject::null())
}

/// Waits for at most `slice` nanoseconds, driving the connection if nobody does. The answer is the call's status, and
/// `COLLECT` if other calls ended meanwhile.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_callAwait<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    call: jlong,
    slice: jlong,
) -> jint {
    native(env, |_| {
        let slice = Duration::from_nanos(u64::try_from(slice).unwrap_or(0));
        let status = CALLS.get(call)?.lock().wait(slice);
        Ok(answer(status))
    })
}

/// Has the call's number collected once it may have ended. True: calls have ended that the caller must collect now,
/// most likely this one: the collector may be asleep, driving.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_callWatch<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    call: jlong,
    bridge: jlong,
) -> jboolean {
    native(env, |_| {
        let watch = bridge::get(bridge)?.completions.watch(call);
        CALLS.get(call)?.lock().on_ready(Box::new(move || watch.fire()));
        Ok(completions::are_pending())
    })
}

/// Withdraws the call: its end says whether that was in time. What it was granted already, and Java has not accepted,
/// goes back.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_callCancel<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    call: jlong,
) {
    native(env, |_| {
        CALLS.get(call)?.lock().cancel();
        Ok(())
    })
}

/// Ends a call whose withdrawal has not been answered in time, and says how.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_callGiveUp<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    call: jlong,
) -> jint {
    native(env, |_| Ok(CALLS.get(call)?.lock().give_up() as jint))
}

/// What an ended call was granted. It is an offer still; throws where the call failed.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_callValue<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    call: jlong,
) -> JObject<'local> {
    native(env, |env| {
        let call = CALLS.get(call)?;
        let call = call.lock();
        call.value(env)
    })
}

/// Makes what was granted Java's own, and forgets the call.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_callAccept<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    call: jlong,
) {
    native(env, |_| CALLS.remove(call).ok_or(Failure::Gone("call"))?.lock().accept())
}

/// Forgets the call: withdrawn if it is under way, refused if it was granted something.
#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_callDrop<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    call: jlong,
) {
    native(env, |_| {
        drop(CALLS.remove(call));
        Ok(())
    })
}
