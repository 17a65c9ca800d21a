//! How a native method fails: one exception policy for all of them.

use std::any::Any;

use bridge_client::{Error, Reason};
use jni::errors::ErrorPolicy;
use jni::{Env, EnvUnowned};

use crate::jvm;

/// Why a native method failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// syncbridge says so.
    Bridge(Error),
    /// The JVM says so; most often an exception is pending already.
    Jvm(jni::errors::Error),
    /// A number that stands for nothing any more.
    Gone(&'static str),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Bridge(error)
    }
}

impl From<jni::errors::Error> for Failure {
    fn from(error: jni::errors::Error) -> Self {
        Failure::Jvm(error)
    }
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Failure::Bridge(error) => error,
            Failure::Jvm(error) => Error::new(Reason::Internal, format!("the JVM answered: {error}")),
            Failure::Gone(what) => {
                Error::new(Reason::ShutDown, format!("the {what} is closed; make a new one to go on"))
            }
        }
    }
}

/// Throws what `io.syncbridge.FromNative` makes of a failure; a panic is a failure with the reason INTERNAL.
struct Throw;

impl<T: Default> ErrorPolicy<T, Failure> for Throw {
    type Captures<'local: 'method, 'method> = ();

    fn on_error<'local: 'method, 'method>(
        env: &mut Env<'local>,
        _: &mut (),
        failure: Failure,
    ) -> jni::errors::Result<T> {
        if !env.exception_check() {
            let exception = jvm::exception(env, &failure.into_error())?;
            // Throwing answers with an error, so that `?` works; here it is what was wanted.
            let _ = env.throw(exception);
        }
        Ok(T::default())
    }

    fn on_panic<'local: 'method, 'method>(
        env: &mut Env<'local>,
        captures: &mut (),
        payload: Box<dyn Any + Send + 'static>,
    ) -> jni::errors::Result<T> {
        let said = payload.downcast_ref::<&str>().copied().map(str::to_owned);
        let said = said.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        let error = Error::new(Reason::Internal, format!("a fault of syncbridge; please report it: {said}"));
        Self::on_error(env, captures, Failure::Bridge(error))
    }
}

/// Runs a native method.
pub(crate) fn native<'local, T: Default>(
    mut env: EnvUnowned<'local>,
    method: impl FnOnce(&mut Env<'local>) -> Result<T, Failure>,
) -> T {
    env.with_env(method).resolve::<Throw>()
}
