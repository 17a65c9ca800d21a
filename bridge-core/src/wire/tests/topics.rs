//! What topics send.

use super::*;
use crate::command::topic::{
    Binding, Command as T, Figures, Options, Publish, Query as Asked, Reached, Reply as R,
};

fn binding() -> Binding {
    Binding { pattern: "a/*.b".into(), queue: name("q") }
}

pub(super) fn requests() -> Vec<Request> {
    let by_handle = || Target::Handle(Handle { slot: 2, generation: 1 });
    let commands = [
        T::Bind { queue: Target::Existing(name("q")), pattern: "*".into() },
        T::Bind { queue: Target::Name(name("q")), pattern: String::new() },
        T::Unbind { queue: name("q"), pattern: "*".into() },
        T::Publish(Box::new(Publish { key: "a.b".into(), item: item(b"k") })),
    ];
    let declare = T::Declare(Options { ephemeral: Some(true) });
    let mut all = vec![Request::Command(Command::Topic(Target::Name(name("t")), declare))];
    all.extend(commands.map(|command| Request::Command(Command::Topic(by_handle(), command))));
    all.push(Request::Query(Query::Topic(by_handle(), Asked::Describe)));
    for after in [None, Some(binding())] {
        all.push(Request::Query(Query::Topic(by_handle(), Asked::ListBindings { page_size: 7, after })));
    }
    all
}

pub(super) fn replies() -> impl Iterator<Item = Reply> {
    let options = Options { ephemeral: Some(false) };
    let replies = [
        R::Declared { handle: Handle { slot: 0, generation: 1 }, options: options.clone() },
        R::Bound(true),
        R::Unbound(false),
        R::Published(vec![Reached { queue: name("q"), id: ItemId(7) }]),
        R::Described(Figures { options, bindings: 3 }),
        R::Bindings { bindings: vec![binding()], more: true },
        R::Bindings { bindings: vec![], more: false },
    ];
    replies.into_iter().map(Reply::Topic)
}
