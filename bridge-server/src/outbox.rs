//! The way out of a session stream: the outbox is itself the response stream that tonic polls.
//!
//! No channel and no writer task: the node adds answers to a pile and wakes the stream's task, which takes what is
//! there, up to a frame's size, and encodes it. What is waiting costs what its payloads, which are shared, cost.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bridge_core::error::Error;
use bridge_core::wire;
use bridge_node::{Answer, Backlog, Outbox, Pile, Reads, Taken};
use parking_lot::Mutex;
use syncbridge_proto::v1 as pb;
use tokio_stream::Stream;
use tonic::Status;

use crate::listen::Connection;

/// What waits to leave on one stream.
pub(crate) struct Outgoing {
    state: Mutex<State>,
    backlog: Backlog,
    connection: Option<Arc<Connection>>,
}

#[derive(Default)]
struct State {
    welcome: Option<pb::Welcome>,
    pile: Pile,
    received: u64,
    heartbeat: u64,
    /// The frame that asked for an echo and was not confirmed then: its confirmation leaves when it comes.
    awaited: Option<u64>,
    farewell: Option<Error>,
    /// After the farewell, or where the client has ended its side: what is there leaves, then the stream ends.
    ending: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl State {
    /// Whether what is awaited has been confirmed.
    fn confirms(&self) -> bool {
        self.awaited.is_some_and(|awaited| awaited <= self.received)
    }
}

impl Outgoing {
    /// For a stream of that connection, if it is one of ours.
    pub(crate) fn new(backlog: Backlog, connection: Option<Arc<Connection>>) -> Arc<Self> {
        Arc::new(Outgoing { state: Mutex::default(), backlog, connection })
    }

    /// The first message.
    pub(crate) fn welcome(&self, welcome: pb::Welcome, received: u64, reads: Reads) {
        self.change(|state| {
            state.pile.set_reads(reads);
            state.welcome = Some(welcome);
            state.received = received;
        });
    }

    /// Echoed at once; the frame that brought it has been executed.
    pub(crate) fn heartbeat(&self, heartbeat: u64, sequence: u64) {
        self.change(|state| {
            state.heartbeat = heartbeat;
            state.awaited = (state.received < sequence).then_some(sequence);
        });
    }

    /// What is there leaves, then the stream ends; with a farewell if there is a reason to give.
    pub(crate) fn finish(&self, farewell: Option<Error>) {
        self.change(|state| {
            if !state.ending {
                state.ending = true;
                state.farewell = farewell;
            }
        });
    }

    /// Ready while there is room for the answers to what the client asks: always, but for one that has used up even
    /// the reserve and must read first.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if !self.backlog.is_full() || state.ending {
            return Poll::Ready(());
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let writer = {
            let mut state = self.state.lock();
            change(&mut state);
            state.writer.take()
        };
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// The next frame, and whether the session is to be unpaused.
    fn poll_frame(&self, cx: &mut Context<'_>) -> (Poll<Option<pb::AttachResponse>>, bool) {
        let mut state = self.state.lock();
        let nothing = state.welcome.is_none() && state.pile.is_empty() && state.heartbeat == 0;
        if nothing && !state.confirms() && !state.ending {
            state.writer = Some(cx.waker().clone());
            return (Poll::Pending, false);
        }
        let over = state.ending && state.pile.is_empty() && state.welcome.is_none();
        if over && state.farewell.is_none() {
            return (Poll::Ready(None), false);
        }
        let Taken { answers, piece, weight } = state.pile.take();
        let farewell = if state.pile.is_empty() { state.farewell.take() } else { None };
        let welcome = state.welcome.take();
        let heartbeat = std::mem::take(&mut state.heartbeat);
        let (received, packs) = (state.received, state.pile.packs());
        state.awaited = state.awaited.filter(|awaited| received < *awaited);
        let reader = state.reader.take();
        drop(state);
        let relieved = self.backlog.left(weight);
        if let Some(reader) = reader {
            reader.wake();
        }
        let frame = pb::AttachResponse {
            welcome,
            received,
            answers: wire::answers(answers, packs),
            heartbeat,
            farewell: farewell.map(Into::into),
            piece,
        };
        (Poll::Ready(Some(frame)), relieved)
    }
}

impl Outbox for Outgoing {
    fn deliver(&self, answers: &mut Vec<Answer>) {
        self.change(|state| {
            state.pile.add(answers);
        });
    }

    fn end(&self, why: Error) {
        self.finish(Some(why));
    }

    /// Leaves with the next frame, or at once where it is awaited.
    fn confirm(&self, sequence: u64) {
        let writer = {
            let mut state = self.state.lock();
            state.received = sequence;
            if state.confirms() { state.writer.take() } else { None }
        };
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    fn backlog(&self) -> Option<&Backlog> {
        Some(&self.backlog)
    }

    fn silent_for(&self) -> Option<Duration> {
        self.connection.as_ref().map(|connection| connection.silent_for())
    }
}

/// The response stream. When tonic drops it, the connection or the client is gone: `gone` is called, once.
pub(crate) struct Responses {
    outgoing: Arc<Outgoing>,
    relieved: Box<dyn Fn() + Send>,
    gone: Option<Box<dyn FnOnce() + Send>>,
}

impl Responses {
    /// `relieved` is called when a paused session's client has read most of what it was sent.
    pub(crate) fn new(
        outgoing: Arc<Outgoing>,
        relieved: impl Fn() + Send + 'static,
        gone: impl FnOnce() + Send + 'static,
    ) -> Self {
        Responses { outgoing, relieved: Box::new(relieved), gone: Some(Box::new(gone)) }
    }

    /// Of a stream that carries no session: what is in `outgoing` leaves, then it ends.
    pub(crate) fn farewell(outgoing: Arc<Outgoing>) -> Self {
        Responses { outgoing, relieved: Box::new(|| {}), gone: None }
    }
}

impl Stream for Responses {
    type Item = Result<pb::AttachResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (frame, relieved) = self.outgoing.poll_frame(cx);
        if relieved {
            (self.relieved)();
        }
        frame.map(|frame| frame.map(Ok))
    }
}

impl Drop for Responses {
    fn drop(&mut self) {
        if let Some(gone) = self.gone.take() {
            gone();
        }
    }
}
