//! Messages of `topic_service.proto`.

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::item::new_item;
use super::{named, page_size, responses, target, target_fields, unexpected};
use crate::command::topic::{Binding, Command, Figures, Options, Publish, Query, Reached, Reply};
use crate::command::{self, Request};
use crate::error::Error;
use crate::ids::{Handle, ItemId, Name, Target};

impl From<pb::TopicOptions> for Options {
    fn from(options: pb::TopicOptions) -> Self {
        Options { ephemeral: options.ephemeral }
    }
}

impl From<Options> for pb::TopicOptions {
    fn from(options: Options) -> Self {
        pb::TopicOptions { ephemeral: options.ephemeral }
    }
}

impl TryFrom<pb::Binding> for Binding {
    type Error = Error;

    fn try_from(binding: pb::Binding) -> Result<Self, Error> {
        Ok(Binding { pattern: binding.pattern, queue: Name::parse("queue", &binding.queue)? })
    }
}

impl From<Binding> for pb::Binding {
    fn from(binding: Binding) -> Self {
        pb::Binding { pattern: binding.pattern, queue: binding.queue.as_str().to_owned() }
    }
}

/// The conversions of requests that name a topic: the message's other fields become a command.
macro_rules! commands {
    ($($message:ident: |$m:ident| $command:expr;)*) => {$(
        impl TryFrom<pb::$message> for Request {
            type Error = Error;

            fn try_from($m: pb::$message) -> Result<Self, Error> {
                let target = target("topic", &$m.topic, $m.handle)?;
                Ok(Request::Command(command::Command::Topic(target, $command)))
            }
        }
    )*};
}

commands! {
    TopicServiceBindRequest: |m| bind(m.binding, m.queue_must_exist)?;
    TopicServiceUnbindRequest: |m| unbind(m.binding)?;
    TopicServicePublishRequest: |m| Command::Publish(Box::new(Publish { key: m.key, item: new_item("item", m.item)? }));
}

fn bind(binding: Option<pb::Binding>, must_exist: bool) -> Result<Command, Error> {
    let Binding { pattern, queue } = binding.unwrap_or_default().try_into()?;
    let queue = if must_exist { Target::Existing(queue) } else { Target::Name(queue) };
    Ok(Command::Bind { queue, pattern })
}

fn unbind(binding: Option<pb::Binding>) -> Result<Command, Error> {
    let Binding { pattern, queue } = binding.unwrap_or_default().try_into()?;
    Ok(Command::Unbind { queue, pattern })
}

impl TryFrom<pb::TopicServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::TopicServiceDeclareRequest) -> Result<Self, Error> {
        let declare = Command::Declare(message.options.unwrap_or_default().into());
        Ok(Request::Command(command::Command::Topic(named("topic", &message.topic)?, declare)))
    }
}

impl TryFrom<pb::TopicServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::TopicServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("topic", &message.topic, message.handle)?;
        Ok(Request::Query(command::Query::Topic(target, Query::Describe)))
    }
}

impl TryFrom<pb::TopicServiceListBindingsRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::TopicServiceListBindingsRequest) -> Result<Self, Error> {
        let target = target("topic", &message.topic, message.handle)?;
        let after = (!message.page_token.is_empty()).then(|| last(&message.page_token)).transpose()?;
        let query = Query::ListBindings { page_size: page_size(message.page_size), after };
        Ok(Request::Query(command::Query::Topic(target, query)))
    }
}

/// A page token is `QUEUE/PATTERN` of the last binding.
fn page_token(last: &Binding) -> String {
    format!("{}/{}", last.queue, last.pattern)
}

fn last(token: &str) -> Result<Binding, Error> {
    let unknown = || Error::invalid("page_token", "page_token is not one that a page before answered with");
    let (queue, pattern) = token.split_once('/').ok_or_else(unknown)?;
    let queue = Name::parse("page_token", queue).map_err(|_| unknown())?;
    Ok(Binding { pattern: pattern.to_owned(), queue })
}

responses! {
    TopicDeclare => TopicServiceDeclareResponse,
    TopicBind => TopicServiceBindResponse,
    TopicUnbind => TopicServiceUnbindResponse,
    TopicPublish => TopicServicePublishResponse,
    TopicDescribe => TopicServiceDescribeResponse,
    TopicListBindings => TopicServiceListBindingsResponse,
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (topic, handle) = target_fields(target);
    match command {
        Command::Declare(options) => {
            let options = Some(options.clone().into());
            Body::TopicDeclare(pb::TopicServiceDeclareRequest { topic, options })
        }
        Command::Bind { queue, pattern } => {
            let binding = Some(pb::Binding { pattern: pattern.clone(), queue: target_fields(queue).0 });
            let queue_must_exist = matches!(queue, Target::Existing(_));
            Body::TopicBind(pb::TopicServiceBindRequest { topic, handle, binding, queue_must_exist })
        }
        Command::Unbind { queue, pattern } => {
            let binding = Some(Binding { pattern: pattern.clone(), queue: queue.clone() }.into());
            Body::TopicUnbind(pb::TopicServiceUnbindRequest { topic, handle, binding })
        }
        Command::Publish(publish) => {
            let (key, item) = (publish.key.clone(), Some((&publish.item).into()));
            Body::TopicPublish(pb::TopicServicePublishRequest { topic, handle, key, item })
        }
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (topic, handle) = target_fields(target);
    match query {
        Query::Describe => Body::TopicDescribe(pb::TopicServiceDescribeRequest { topic, handle }),
        Query::ListBindings { page_size, after } => {
            let page_token = after.as_ref().map(page_token).unwrap_or_default();
            let page_size = *page_size;
            let message = pb::TopicServiceListBindingsRequest { topic, handle, page_size, page_token };
            Body::TopicListBindings(message)
        }
    }
}

pub(super) fn reply_body(reply: Reply) -> Answer {
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some(options.into()));
            Answer::TopicDeclare(pb::TopicServiceDeclareResponse { handle, options })
        }
        Reply::Bound(is_new) => Answer::TopicBind(pb::TopicServiceBindResponse { is_new }),
        Reply::Unbound(was_bound) => Answer::TopicUnbind(pb::TopicServiceUnbindResponse { was_bound }),
        Reply::Published(reached) => {
            let published = |reached: Reached| pb::Published {
                queue: reached.queue.as_str().to_owned(),
                id: reached.id.0,
            };
            let published = reached.into_iter().map(published).collect();
            Answer::TopicPublish(pb::TopicServicePublishResponse { published })
        }
        Reply::Described(Figures { options, bindings }) => {
            Answer::TopicDescribe(pb::TopicServiceDescribeResponse {
                options: Some(options.into()),
                bindings,
            })
        }
        Reply::Bindings { bindings, more } => {
            let next_page_token = bindings.last().filter(|_| more).map(page_token).unwrap_or_default();
            let bindings = bindings.into_iter().map(pb::Binding::from).collect();
            Answer::TopicListBindings(pb::TopicServiceListBindingsResponse { bindings, next_page_token })
        }
    }
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    Ok(match body {
        Answer::TopicDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: message.options.unwrap_or_default().into(),
        },
        Answer::TopicBind(message) => Reply::Bound(message.is_new),
        Answer::TopicUnbind(message) => Reply::Unbound(message.was_bound),
        Answer::TopicPublish(message) => {
            let reached = |one: pb::Published| {
                Ok(Reached { queue: Name::parse("queue", &one.queue)?, id: ItemId(one.id) })
            };
            Reply::Published(message.published.into_iter().map(reached).collect::<Result<_, Error>>()?)
        }
        Answer::TopicDescribe(message) => Reply::Described(Figures {
            options: message.options.unwrap_or_default().into(),
            bindings: message.bindings,
        }),
        Answer::TopicListBindings(message) => Reply::Bindings {
            bindings: message.bindings.into_iter().map(Binding::try_from).collect::<Result<_, _>>()?,
            more: !message.next_page_token.is_empty(),
        },
        other => return Err(unexpected(&other)),
    })
}
