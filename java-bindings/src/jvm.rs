//! What is known of the JVM: the class with the factories for what goes to Java, looked up once on load.

use std::ffi::c_void;
use std::sync::OnceLock;

use bridge_client::Error;
use bridge_client::queue::Browsed;
use jni::ids::JStaticMethodID;
use jni::objects::{JClass, JLongArray, JObject, JObjectArray, JString, JThrowable};
use jni::refs::{Global, IntoAuto};
use jni::signature::ReturnType;
use jni::sys::{JNI_ERR, JNI_VERSION_1_8, jint, jlong, jvalue};
use jni::{Env, JavaVM, jni_sig, jni_str};

use crate::errors::Failure;

struct Factories {
    class: Global<JClass<'static>>,
    exception: JStaticMethodID,
    item: JStaticMethodID,
    browsed: JStaticMethodID,
    page: JStaticMethodID,
    holder: JStaticMethodID,
}

static FACTORIES: OnceLock<Factories> = OnceLock::new();

/// Called by the JVM when it loads the library, in the context of the class that loads it.
///
/// # Safety
///
/// Called by the JVM only, with its own pointer.
#[unsafe(no_mangle)]
unsafe extern "system" fn JNI_OnLoad(vm: *mut jni::sys::JavaVM, _: *mut c_void) -> jint {
    // SAFETY: the pointer is the JVM's own.
    let vm = unsafe { JavaVM::from_raw(vm) };
    let found = vm.attach_current_thread(|env| -> jni::errors::Result<()> {
        let class = env.find_class(jni_str!("io/syncbridge/FromNative"))?;
        let exception = env.get_static_method_id(
            &class,
            jni_str!("exception"),
            jni_sig!("(Ljava/lang/String;Ljava/lang/String;[Ljava/lang/String;)Ljava/lang/Throwable;"),
        )?;
        let item = env.get_static_method_id(
            &class,
            jni_str!("item"),
            jni_sig!("(JJIJJILjava/lang/String;Ljava/lang/Object;)Ljava/lang/Object;"),
        )?;
        let browsed = env.get_static_method_id(
            &class,
            jni_str!("browsed"),
            jni_sig!(
                "(Ljava/lang/Object;Ljava/lang/String;Ljava/lang/String;[Ljava/lang/String;)Ljava/lang/Object;"
            ),
        )?;
        let page = env.get_static_method_id(
            &class,
            jni_str!("page"),
            jni_sig!("([Ljava/lang/Object;[BJ)Ljava/lang/Object;"),
        )?;
        let holder = env.get_static_method_id(
            &class,
            jni_str!("holder"),
            jni_sig!("(JJJJLjava/lang/String;Ljava/lang/String;)Ljava/lang/Object;"),
        )?;
        let class = env.new_global_ref(class)?;
        let _ = FACTORIES.set(Factories { class, exception, item, browsed, page, holder });
        Ok(())
    });
    // An exception that is pending makes System.load fail and says why.
    if found.is_ok() { JNI_VERSION_1_8 } else { JNI_ERR }
}

fn factories() -> &'static Factories {
    FACTORIES.get().expect("invariant: JNI_OnLoad ran before any native method")
}

fn make<'local>(
    env: &mut Env<'local>,
    method: JStaticMethodID,
    arguments: &[jvalue],
) -> jni::errors::Result<JObject<'local>> {
    // SAFETY: the callers below pass what the method's signature, which was looked up with it, asks for.
    unsafe {
        env.call_static_method_unchecked(&factories().class, method, ReturnType::Object, arguments)?.l()
    }
}

/// The exception for an error.
pub(crate) fn exception<'local>(
    env: &mut Env<'local>,
    error: &Error,
) -> jni::errors::Result<JThrowable<'local>> {
    let reason = env.new_string(error.reason.as_str())?;
    let message = env.new_string(&error.message)?;
    let details: Vec<&str> = error.metadata.iter().flat_map(|(name, value)| [&**name, &**value]).collect();
    let details = strings(env, &details)?;
    let arguments =
        [jvalue { l: reason.as_raw() }, jvalue { l: message.as_raw() }, jvalue { l: details.as_raw() }];
    let made = make(env, factories().exception, &arguments)?;
    env.cast_local::<JThrowable>(made)
}

/// An item on its way to Java, without its body.
pub(crate) struct Item<'a> {
    pub(crate) id: u64,
    pub(crate) token: u64,
    pub(crate) attempt: u32,
    pub(crate) age_nanos: u64,
    pub(crate) buffer: jlong,
    pub(crate) form: jint,
    pub(crate) content_type: JString<'a>,
    pub(crate) body: JObject<'a>,
}

/// `FromNative.item`.
pub(crate) fn item<'local>(env: &mut Env<'local>, item: &Item<'_>) -> jni::errors::Result<JObject<'local>> {
    let arguments = [
        jvalue { j: item.id.cast_signed() },
        jvalue { j: item.token.cast_signed() },
        jvalue { i: item.attempt.cast_signed() },
        jvalue { j: item.age_nanos.cast_signed() },
        jvalue { j: item.buffer },
        jvalue { i: item.form },
        jvalue { l: item.content_type.as_raw() },
        jvalue { l: item.body.as_raw() },
    ];
    make(env, factories().item, &arguments)
}

/// `FromNative.browsed`: the item, why it is dead, the last error, and who had it.
pub(crate) fn browsed<'local>(
    env: &mut Env<'local>,
    item: &Item<'_>,
    browsed: &Browsed,
) -> Result<JObject<'local>, Failure> {
    let item = self::item(env, item)?;
    let dead_reason = optional(env, browsed.dead_reason.as_deref())?;
    let last_error = optional(env, browsed.last_error.as_deref())?;
    let consumers: Vec<&str> = browsed.consumers.iter().map(|consumer| &**consumer).collect();
    let consumers = strings(env, &consumers)?;
    let arguments = [
        jvalue { l: item.as_raw() },
        jvalue { l: dead_reason.as_raw() },
        jvalue { l: last_error.as_raw() },
        jvalue { l: consumers.as_raw() },
    ];
    Ok(make(env, factories().browsed, &arguments)?)
}

/// `FromNative.page`: items, and where the next page starts, if there is one.
pub(crate) fn page<'local>(
    env: &mut Env<'local>,
    items: &JObjectArray<'_>,
    next: Option<(&[u8], i64)>,
) -> Result<JObject<'local>, Failure> {
    let key = match next {
        Some((key, _)) => JObject::from(env.byte_array_from_slice(key)?),
        None => JObject::null(),
    };
    let arrival = next.map_or(0, |(_, arrival)| arrival);
    let arguments = [jvalue { l: items.as_raw() }, jvalue { l: key.as_raw() }, jvalue { j: arrival }];
    Ok(make(env, factories().page, &arguments)?)
}

/// `FromNative.holder`: token, permits, whether by token, nanoseconds; participant and session.
pub(crate) fn holder<'local>(
    env: &mut Env<'local>,
    numbers: [jlong; 4],
    participant: &str,
    session: &str,
) -> Result<JObject<'local>, Failure> {
    let (participant, session) = (env.new_string(participant)?, env.new_string(session)?);
    let [token, permits, by_token, held_for] = numbers.map(|number| jvalue { j: number });
    let texts = [jvalue { l: participant.as_raw() }, jvalue { l: session.as_raw() }];
    let arguments = [token, permits, by_token, held_for, texts[0], texts[1]];
    Ok(make(env, factories().holder, &arguments)?)
}

/// A `String[]`.
pub(crate) fn strings<'local>(
    env: &mut Env<'local>,
    strings: &[&str],
) -> jni::errors::Result<JObjectArray<'local, JString<'local>>> {
    let array = JObjectArray::<JString>::new(env, strings.len(), JString::null())?;
    for (i, string) in strings.iter().enumerate() {
        let string = env.new_string(string)?.auto();
        array.set_element(env, i, &string)?;
    }
    Ok(array)
}

/// A string, or null.
fn optional<'local>(env: &mut Env<'local>, text: Option<&str>) -> jni::errors::Result<JString<'local>> {
    text.map_or(Ok(JString::null()), |text| env.new_string(text))
}

/// A `long[]`.
pub(crate) fn longs<'local>(env: &mut Env<'local>, values: &[jlong]) -> Result<JObject<'local>, Failure> {
    let array = JLongArray::new(env, values.len())?;
    array.set_region(env, 0, values)?;
    Ok(array.into())
}

/// The text of a string that may be null.
pub(crate) fn text(env: &Env<'_>, string: &JString<'_>) -> Result<Option<String>, Failure> {
    Ok(if string.is_null() { None } else { Some(string.try_to_string(env)?) })
}

/// The numbers in a `long[]`.
pub(crate) fn numbers(env: &Env<'_>, array: &JLongArray<'_>) -> Result<Vec<jlong>, Failure> {
    let mut numbers = vec![0; array.len(env)?];
    array.get_region(env, 0, &mut numbers)?;
    Ok(numbers)
}
