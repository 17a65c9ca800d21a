//! What pipes send.

use super::*;
use crate::command::pipe::{Command as P, End, Figures, Options, Query as Asked, Reply as R, Standing};

pub(super) fn requests() -> Vec<Request> {
    let by_handle = || Target::Handle(Handle { slot: 2, generation: 1 });
    let timeout = Timeout::After(Duration::from_secs(3));
    let commands = [
        P::Attach { end: None },
        P::Attach { end: Some(End::B) },
        P::Send { end: End::A, payload: Payload::new(ContentType::Cbor, "x"), timeout },
        P::Receive { end: End::B, timeout },
        P::Poll { end: End::A, timeout: Timeout::Never },
        P::Close { end: End::B },
    ];
    let declare = P::Declare(Options { duplex: Some(false), maxsize: Some(3), ephemeral: None });
    let mut all = vec![Request::Command(Command::Pipe(Target::Name(name("p")), declare))];
    all.extend(commands.map(|command| Request::Command(Command::Pipe(by_handle(), command))));
    all.push(Request::Query(Query::Pipe(by_handle(), Asked::Describe)));
    all
}

pub(super) fn replies() -> impl Iterator<Item = Reply> {
    let options = Options { duplex: Some(true), maxsize: Some(0), ephemeral: Some(false) };
    let b = Standing { sessions: 2, closed: false, messages: 5 };
    let figures = Figures { options, a: Standing { closed: true, ..Default::default() }, b };
    let replies = [
        R::Declared { handle: Handle { slot: 0, generation: 1 }, options },
        R::Attached(End::B),
        R::Sent,
        R::Received { payload: Box::new(Payload::new(ContentType::Text, "x")), token: Token(9) },
        R::Polled(true),
        R::Closed(false),
        R::Described(Box::new(figures)),
    ];
    replies.into_iter().map(Reply::Pipe)
}
