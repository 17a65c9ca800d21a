//! Java objects that travel by reference through an engine in this process.
//!
//! An item may be dropped on a thread that the JVM does not know (a ticker, a peer of another language), where no
//! reference can be deleted. Such references are buried here and deleted by the next Java thread that comes by.

use std::any::Any;
use std::sync::Arc;

use bridge_client::{Error, Reason};
use jni::objects::JObject;
use jni::refs::Global;
use jni::{Env, JavaVM};
use parking_lot::Mutex;

use crate::errors::Failure;

static BURIED: Mutex<Vec<Global<JObject<'static>>>> = Mutex::new(Vec::new());

/// A Java object, kept from the garbage collector as long as an item refers to it.
struct Object(Global<JObject<'static>>);

impl Drop for Object {
    fn drop(&mut self) {
        let attached = JavaVM::singleton().and_then(|vm| vm.is_thread_attached());
        if !matches!(attached, Ok(true)) {
            BURIED.lock().push(std::mem::take(&mut self.0));
        }
    }
}

/// Refers to a Java object.
pub(crate) fn refer(env: &Env<'_>, object: &JObject<'_>) -> Result<Arc<dyn Any + Send + Sync>, Failure> {
    sweep();
    Ok(Arc::new(Object(env.new_global_ref(object)?)))
}

/// The Java object referred to.
pub(crate) fn resolve<'local>(
    env: &mut Env<'local>,
    body: &(dyn Any + Send + Sync),
) -> Result<JObject<'local>, Failure> {
    match body.downcast_ref::<Object>() {
        Some(object) => Ok(env.new_local_ref(object.0.as_obj())?),
        None => Err(Error::new(
            Reason::InvalidArgument,
            "the item is an object of another language in this process; share a server (grpc:// or unix://) with it",
        )
        .into()),
    }
}

/// Deletes what was buried. Only on threads of the JVM.
pub(crate) fn sweep() {
    let buried = std::mem::take(&mut *BURIED.lock());
    drop(buried);
}
