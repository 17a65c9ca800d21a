//! The same as in `stream`, by hand: frames that have a command for each answer of the frame that came before, as the protocol
//! allows. It is what the server does with them, not what a client makes of it today.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use syncbridge_proto::v1::answer::Body as Answered;
use syncbridge_proto::v1::command::Body;
use syncbridge_proto::v1::{
    Answer, AttachRequest, Command, NewItem, OpRange, Payload, QueueServiceAckRequest,
    QueueServiceDeclareRequest, QueueServiceLeaseRequest, QueueServicePutRequest,
};

use crate::idle::{Stream, attach};
use crate::stream::{WINDOW, throughput};

const QUEUE: &str = "frames";

/// One command an item.
pub(crate) fn leased_and_acked(url: &str, pid: &str, count: u64) -> Result<Value> {
    throughput(pid, count, || run(put(url, count)), || run(lease(url, count)))
}

fn run(future: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

async fn put(url: &str, count: u64) -> Result<()> {
    let mut session = Session::open(url, 1).await?;
    let put = QueueServicePutRequest {
        handle: session.queue,
        item: Some(NewItem {
            payload: Some(Payload { data: vec![7; 100].into(), ..Payload::default() }),
            ..NewItem::default()
        }),
        ..QueueServicePutRequest::default()
    };
    let (mut left, mut under_way) = (count, 0);
    while left + under_way > 0 {
        let more = left.min(WINDOW - under_way);
        (0..more).for_each(|_| session.command(Body::QueuePut(put.clone())));
        (left, under_way) = (left - more, under_way + more);
        session.send().await?;
        under_way -= session.answers().await?.len() as u64;
    }
    Ok(())
}

async fn lease(url: &str, count: u64) -> Result<()> {
    let mut session = Session::open(url, 2).await?;
    let queue = session.queue;
    let lease = QueueServiceLeaseRequest { handle: queue, ..QueueServiceLeaseRequest::default() };
    let (mut to_lease, mut under_way, mut to_ack) = (count, 0, count);
    while to_ack > 0 {
        let more = to_lease.min(WINDOW - under_way);
        (0..more).for_each(|_| session.command(Body::QueueLease(lease.clone())));
        (to_lease, under_way) = (to_lease - more, under_way + more);
        session.send().await?;
        for answer in session.answers().await? {
            match answer.body {
                Some(Answered::QueueLease(leased)) => {
                    under_way -= 1;
                    let tokens = vec![leased.delivery.context("a delivery")?.token];
                    session.command(Body::QueueAck(QueueServiceAckRequest {
                        handle: queue,
                        tokens,
                        ..Default::default()
                    }));
                }
                Some(Answered::QueueAck(_)) => to_ack -= 1,
                other => bail!("neither a lease nor an ack: {other:?}"),
            }
        }
    }
    Ok(())
}

/// A client's half of the session stream, for a connection that is never lost.
struct Session {
    stream: Stream,
    /// Its handle.
    queue: u64,
    /// The numbers of the last command and the last frame.
    op: u64,
    sequence: u64,
    /// What the next frame says.
    commands: Vec<Command>,
    done: Vec<OpRange>,
}

impl Session {
    async fn open(url: &str, number: u64) -> Result<Self> {
        let stream = attach(url.to_owned(), number).await?;
        let mut session =
            Session { stream, queue: 0, op: 0, sequence: 0, commands: Vec::new(), done: Vec::new() };
        session.command(Body::QueueDeclare(QueueServiceDeclareRequest {
            queue: QUEUE.into(),
            ..QueueServiceDeclareRequest::default()
        }));
        session.send().await?;
        let answers = session.answers().await?;
        let Some(Answered::QueueDeclare(declared)) = answers.into_iter().next().and_then(|one| one.body)
        else {
            bail!("the queue was not declared")
        };
        session.queue = declared.handle;
        Ok(session)
    }

    fn command(&mut self, body: Body) {
        self.op += 1;
        self.commands.push(Command { op: self.op, body: Some(body), ..Command::default() });
    }

    async fn send(&mut self) -> Result<()> {
        let (commands, done) = (std::mem::take(&mut self.commands), std::mem::take(&mut self.done));
        if commands.is_empty() && done.is_empty() {
            return Ok(());
        }
        self.sequence += 1;
        let frame = AttachRequest { sequence: self.sequence, commands, done, ..AttachRequest::default() };
        Ok(self.stream.0.send(frame).await?)
    }

    /// Those of the next frame that has any.
    async fn answers(&mut self) -> Result<Vec<Answer>> {
        loop {
            let frame = self.stream.1.message().await?.context("the stream goes on")?;
            ensure!(frame.farewell.is_none(), "the server ended the stream: {:?}", frame.farewell);
            if frame.answers.is_empty() {
                continue;
            }
            for answer in &frame.answers {
                match self.done.last_mut() {
                    Some(range) if range.last + 1 == answer.op => range.last = answer.op,
                    _ => self.done.push(OpRange { first: answer.op, last: answer.op }),
                }
            }
            return Ok(frame.answers);
        }
    }
}
