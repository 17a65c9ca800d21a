//! The way out of a session stream: the outbox is itself the response stream that tonic polls.
//!
//! No channel and no writer task: the node adds answers to a vector and wakes the stream's task, which takes what is
//! there, up to a frame's size, and encodes it. What is waiting costs what its payloads, which are shared, cost.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bridge_core::command::{Reply, queue};
use bridge_core::error::Error;
use bridge_core::wire;
use bridge_node::{Answer, Outbox};
use parking_lot::Mutex;
use syncbridge_proto::v1 as pb;
use tokio_stream::Stream;
use tonic::Status;

/// A frame is closed when it has this many bytes; one answer may exceed it.
const FRAME_BYTES: usize = 512 << 10;

/// Above this many bytes waiting to leave, no further frames are read from that client until it has read some.
const BACKLOG_BYTES_MAX: usize = 64 << 20;

/// What an answer needs beside its payloads, roughly.
const ANSWER_BYTES: usize = 64;

/// What waits to leave on one stream.
#[derive(Default)]
pub(crate) struct Outgoing {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    welcome: Option<pb::Welcome>,
    answers: VecDeque<Answer>,
    /// Bytes in `answers`.
    backlog: usize,
    received: u64,
    heartbeat: u64,
    farewell: Option<Error>,
    /// After the farewell, or where the client has ended its side: what is there leaves, then the stream ends.
    ending: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Outgoing {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The first message.
    pub(crate) fn welcome(&self, welcome: pb::Welcome, received: u64) {
        self.change(|state| {
            state.welcome = Some(welcome);
            state.received = received;
        });
    }

    /// Up to this sequence everything has been executed. Leaves with the next frame.
    pub(crate) fn received(&self, sequence: u64) {
        self.state.lock().received = sequence;
    }

    /// Echoed at once.
    pub(crate) fn heartbeat(&self, heartbeat: u64) {
        self.change(|state| state.heartbeat = heartbeat);
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

    /// Ready when the client has read enough for more to be asked.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.backlog <= BACKLOG_BYTES_MAX || state.ending {
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

    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<pb::AttachResponse>> {
        let mut state = self.state.lock();
        let nothing =
            state.welcome.is_none() && state.answers.is_empty() && state.heartbeat == 0 && !state.ending;
        if nothing {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let over = state.ending && state.answers.is_empty() && state.welcome.is_none();
        if over && state.farewell.is_none() {
            return Poll::Ready(None);
        }
        let mut bytes = 0;
        let mut taken = Vec::with_capacity(state.answers.len().min(FRAME_BYTES / ANSWER_BYTES));
        while bytes < FRAME_BYTES {
            let Some(next) = state.answers.front().map(weight) else { break };
            if bytes > 0 && bytes + next > FRAME_BYTES {
                break;
            }
            bytes += next;
            taken.extend(state.answers.pop_front());
        }
        state.backlog -= bytes;
        let farewell = if state.answers.is_empty() { state.farewell.take() } else { None };
        let welcome = state.welcome.take();
        let heartbeat = std::mem::take(&mut state.heartbeat);
        let received = state.received;
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Poll::Ready(Some(pb::AttachResponse {
            welcome,
            received,
            answers: taken.into_iter().map(|answer| wire::answer(answer.op, answer.outcome)).collect(),
            heartbeat,
            farewell: farewell.map(Into::into),
        }))
    }
}

impl Outbox for Outgoing {
    fn deliver(&self, answers: &mut Vec<Answer>) {
        self.change(|state| {
            state.backlog += answers.iter().map(weight).sum::<usize>();
            state.answers.extend(answers.drain(..));
        });
    }

    fn end(&self, why: Error) {
        self.finish(Some(why));
    }
}

/// About how many bytes an answer takes on the wire.
fn weight(answer: &Answer) -> usize {
    let payloads: u64 = match &answer.outcome {
        Ok(Reply::Queue(queue::Reply::Taken(taken))) => {
            taken.deliveries.iter().map(|d| d.payload.bytes_retained() + ANSWER_BYTES as u64).sum()
        }
        Ok(Reply::Queue(queue::Reply::Browsed { items, .. })) => {
            items.iter().map(|item| item.payload.bytes_retained() + ANSWER_BYTES as u64).sum()
        }
        Ok(Reply::Queue(queue::Reply::PutMany(ids) | queue::Reply::Removed(ids))) => 10 * ids.len() as u64,
        Ok(_) => 0,
        Err(error) => error.message.len() as u64,
    };
    ANSWER_BYTES + usize::try_from(payloads).unwrap_or(usize::MAX / 2)
}

/// The response stream. When tonic drops it, the connection or the client is gone: `gone` is called, once.
pub(crate) struct Responses {
    outgoing: Arc<Outgoing>,
    gone: Option<Box<dyn FnOnce() + Send>>,
}

impl Responses {
    pub(crate) fn new(outgoing: Arc<Outgoing>, gone: impl FnOnce() + Send + 'static) -> Self {
        Responses { outgoing, gone: Some(Box::new(gone)) }
    }
}

impl Stream for Responses {
    type Item = Result<pb::AttachResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.outgoing.poll_frame(cx).map(|frame| frame.map(Ok))
    }
}

impl Drop for Responses {
    fn drop(&mut self) {
        if let Some(gone) = self.gone.take() {
            gone();
        }
    }
}
