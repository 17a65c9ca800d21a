//! Items between Java and the engine.

use std::sync::{Arc, LazyLock};

use bridge_client::{Body, ContentType, Error, Payload};
use bytes::Bytes;
use jni::objects::{JByteArray, JByteBuffer, JClass, JObject, JString};
use jni::sys::{jint, jlong};
use jni::{Env, EnvUnowned};

use crate::errors::{Failure, native};
use crate::local;
use crate::table::Table;

/// Up to here bytes are copied into a `byte[]`; larger ones are lent as a direct buffer.
const COPIED_BYTES_MAX: usize = 16 << 10;

/// A Java object that travels by reference, as `io.syncbridge.Native` knows it.
const LOCAL: jint = -1;

/// Added to the form of a body that is a direct buffer, as `io.syncbridge.Native` knows it.
const DIRECT: jint = 256;

/// The content types that travel as a number, as `io.syncbridge.Native` knows them; others travel as text.
const KNOWN: [ContentType; 6] = [
    ContentType::Bytes,
    ContentType::Text,
    ContentType::Cbor,
    ContentType::Json,
    ContentType::NdArray,
    ContentType::Pickle,
];

static BUFFERS: LazyLock<Table<Bytes>> = LazyLock::new(|| Table::new("buffer"));

/// A value as Java passes it.
pub(crate) struct Passed<'local> {
    /// Index of a known content type, or `LOCAL`, or beyond: see `content_type`; and `DIRECT`.
    pub(crate) form: jint,
    pub(crate) content_type: JString<'local>,
    /// `byte[]`, a direct `ByteBuffer`, or any object if local.
    pub(crate) body: JObject<'local>,
    pub(crate) offset: jint,
    pub(crate) length: jint,
}

/// What Java passed, as a payload.
pub(crate) fn read(env: &mut Env<'_>, passed: Passed<'_>) -> Result<Payload, Failure> {
    if passed.form == LOCAL {
        return Ok(Payload::local(local::refer(env, &passed.body)?));
    }
    let content_type = match usize::try_from(passed.form & !DIRECT).ok().and_then(|form| KNOWN.get(form)) {
        Some(known) => known.clone(),
        None => ContentType::parse(&passed.content_type.try_to_string(env)?),
    };
    let (Ok(offset), Ok(length)) = (usize::try_from(passed.offset), usize::try_from(passed.length)) else {
        return Err(Error::invalid("payload", "a payload has a negative offset or length").into());
    };
    let bytes = if passed.form & DIRECT != 0 {
        direct(env, passed.body, offset, length)?
    } else {
        heap(env, passed.body, passed.offset, length)?
    };
    Ok(Payload::new(content_type, bytes))
}

fn heap(env: &mut Env<'_>, body: JObject<'_>, offset: jint, length: usize) -> Result<Vec<u8>, Failure> {
    let array = env.cast_local::<JByteArray>(body)?;
    let mut bytes = vec![0i8; length];
    array.get_region(env, offset, &mut bytes)?;
    Ok(bytes.into_iter().map(i8::cast_unsigned).collect())
}

fn direct(env: &mut Env<'_>, body: JObject<'_>, offset: usize, length: usize) -> Result<Vec<u8>, Failure> {
    let buffer = env.cast_local::<JByteBuffer>(body)?;
    let address = env.get_direct_buffer_address(&buffer)?;
    let capacity = env.get_direct_buffer_capacity(&buffer)?;
    if offset.checked_add(length).is_none_or(|end| end > capacity) {
        return Err(Error::invalid("payload", "a payload reaches beyond its buffer").into());
    }
    // SAFETY: within the buffer's capacity, as just checked, and the buffer lives as long as this call's reference.
    Ok(unsafe { std::slice::from_raw_parts(address.add(offset), length) }.to_vec())
}

/// A payload in the form in which Java receives it.
pub(crate) struct Given<'local> {
    pub(crate) form: jint,
    pub(crate) content_type: JString<'local>,
    pub(crate) body: JObject<'local>,
    /// Where the body is lent: what to release.
    pub(crate) buffer: jlong,
}

/// Gives a payload to Java.
pub(crate) fn give<'local>(env: &mut Env<'local>, payload: &Payload) -> Result<Given<'local>, Failure> {
    let bytes = match &payload.body {
        Body::Local(object) => {
            let body = local::resolve(env, &**object)?;
            return Ok(Given { form: LOCAL, content_type: JString::null(), body, buffer: 0 });
        }
        Body::Bytes(bytes) => bytes,
    };
    let known = KNOWN.iter().position(|known| *known == payload.content_type);
    let (form, content_type) = match known {
        Some(index) => (index as jint, JString::null()),
        None => (KNOWN.len() as jint, env.new_string(payload.content_type.as_str())?),
    };
    if bytes.len() <= COPIED_BYTES_MAX {
        let body = env.byte_array_from_slice(bytes)?.into();
        return Ok(Given { form, content_type, body, buffer: 0 });
    }
    // SAFETY: the bytes stay in the table until Java's cleaner finds the buffer unreachable and releases them; Java
    // wraps the buffer as read-only before anybody sees it.
    let body = unsafe { env.new_direct_byte_buffer(bytes.as_ptr().cast_mut(), bytes.len())? };
    let buffer = BUFFERS.add(Arc::new(bytes.clone()));
    Ok(Given { form, content_type, body: body.into(), buffer })
}

#[unsafe(no_mangle)]
extern "system" fn Java_io_syncbridge_Native_bufferRelease<'local>(
    env: EnvUnowned<'local>,
    _: JClass<'local>,
    buffer: jlong,
) {
    native(env, |_| {
        drop(BUFFERS.remove(buffer));
        Ok(())
    })
}

/// The bytes of an array that may be null.
pub(crate) fn bytes(env: &Env<'_>, array: &JByteArray<'_>) -> Result<Bytes, Failure> {
    Ok(if array.is_null() { Bytes::new() } else { env.convert_byte_array(array)?.into() })
}
