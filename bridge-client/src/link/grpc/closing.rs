//! How a session ends: in order where the server answers, and in any case.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bridge_core::Time;
use bridge_core::error::{Error, Reason};
use syncbridge_proto::v1::CloseRequest;

use super::connection::{Connection, STALL, Turn};
use super::dial::dial;
use super::wire::Wire;
use crate::clock;
use crate::mutex::lock;
use crate::session::Completions;

impl Connection {
    /// Every call ends with `error`, and so do later ones.
    fn end(&self, error: Error) {
        let mut completions = Completions::default();
        lock(&self.desk).session.fail(error, &mut completions);
        lock(&self.ready).append(completions);
        self.turn(Turn::default());
        drop(lock(&self.redial.state));
        self.redial.changed.notify_all();
    }

    /// Ends everything here, without a word to the server.
    pub(super) fn retire(&self, error: Error) {
        self.end(error);
        self.uninstall(&mut lock(&self.wire));
        self.poller.ring();
        self.helper.ring();
    }

    /// Flushes and ends the session at the server, then here. `UNAVAILABLE` if that took too long.
    pub(super) fn close(&self, at_most: Duration) -> Result<(), Error> {
        if self.is_closed() {
            return Ok(());
        }
        let until = clock::now() + at_most;
        let flushed = self.flush(at_most);
        let request = lock(&self.desk).session.close_request();
        let closed = Error::new(Reason::SessionExpired, "the bridge is closed; connect again");
        self.end(closed.clone());
        // Not before everything is known to have arrived: what was accepted in a frame that the server reads after
        // the end of its session would be handed out again.
        let result = flushed.and_then(|()| self.close_at_server(&request, until));
        self.retire(closed);
        result
    }

    /// The helper closes the session in the background. Its process may well end before.
    pub(super) fn say_goodbye(&self) {
        self.turn(Turn::default());
        self.leaving.store(true, Ordering::Release);
        self.helper.ring();
    }

    pub(super) fn flush(&self, at_most: Duration) -> Result<(), Error> {
        self.post(|session, _| session.flush());
        let flushed = || {
            let desk = lock(&self.desk);
            desk.session.is_flushed() || desk.session.closed().is_some()
        };
        if self.wait_until(at_most, flushed) {
            return Ok(());
        }
        Err(Error::new(
            Reason::Unavailable,
            format!("{} has not confirmed everything that was sent within {at_most:?}", self.address),
        ))
    }

    /// Says it again on a new connection where one is lost before the answer.
    fn close_at_server(&self, request: &CloseRequest, until: Time) -> Result<(), Error> {
        let said = Arc::new(AtomicBool::new(false));
        loop {
            {
                let mut wire = lock(&self.wire);
                if wire.is_none() {
                    let descriptor = dial(&self.address, &self.shortcut, until.since(clock::now()))?;
                    let fresh = Wire::new(descriptor, &self.address);
                    fresh.and_then(|fresh| self.install(&mut wire, fresh).map(drop)).map_err(|error| {
                        Error::new(Reason::Unavailable, format!("the session was not ended: {error}"))
                    })?;
                }
                let wire = wire.as_ref().expect("invariant: there is one, or one was made");
                let said = said.clone();
                wire.close_session(request.clone(), &self.address, move || {
                    said.store(true, Ordering::Release);
                });
            }
            self.turn(Turn::default());
            let said = || said.load(Ordering::Acquire);
            self.wait_until(until.since(clock::now()), || said() || lock(&self.wire).is_none());
            if said() {
                return Ok(());
            }
            if until <= clock::now() {
                return Err(Error::new(
                    Reason::Unavailable,
                    format!("{} did not confirm the end of the session; its TTL will end it", self.address),
                ));
            }
            std::thread::sleep(STALL);
        }
    }
}
