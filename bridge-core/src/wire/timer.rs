//! Messages of `timer_service.proto`.

use pb::answer::Body as Answer;
use pb::command::Body;
use pb::timer_times::Times as Field;
use syncbridge_proto::v1 as pb;

use super::item::new_item;
use super::{duration, duration_field, named, page_size, responses, target, target_fields, unexpected};
use crate::command::timer::{Command, Figures, Listed, Missed, Options, Page, Query, Reply, Schedule, Times};
use crate::command::{self, Request};
use crate::cron::Cron;
use crate::error::Error;
use crate::ids::{Handle, Name, Target};

impl From<pb::TimerOptions> for Options {
    fn from(options: pb::TimerOptions) -> Self {
        Options { ephemeral: options.ephemeral }
    }
}

impl From<Options> for pb::TimerOptions {
    fn from(options: Options) -> Self {
        pb::TimerOptions { ephemeral: options.ephemeral }
    }
}

fn times(message: Option<pb::TimerTimes>) -> Result<Times, Error> {
    match message.and_then(|message| message.times) {
        Some(Field::After(delay)) => Ok(Times::After(duration("after", delay)?)),
        Some(Field::Every(period)) => Ok(Times::Every(duration("every", period)?)),
        Some(Field::Cron(text)) => Ok(Times::Cron(Cron::parse(&text)?)),
        None => Err(Error::invalid("times", "a schedule has no times; give after, every or cron")),
    }
}

fn times_field(times: &Times) -> Option<pb::TimerTimes> {
    let times = match times {
        Times::After(delay) => Field::After(duration_field(*delay)),
        Times::Every(period) => Field::Every(duration_field(*period)),
        Times::Cron(cron) => Field::Cron(cron.as_str().to_owned()),
    };
    Some(pb::TimerTimes { times: Some(times) })
}

fn missed(number: i32) -> Result<Missed, Error> {
    match pb::MissedFirings::try_from(number) {
        Ok(pb::MissedFirings::Unspecified | pb::MissedFirings::Once) => Ok(Missed::Once),
        Ok(pb::MissedFirings::Skip) => Ok(Missed::Skip),
        Ok(pb::MissedFirings::All) => Ok(Missed::All),
        Err(_) => Err(Error::invalid("missed", format!("missed is {number}; give SKIP, ONCE or ALL"))),
    }
}

fn missed_field(missed: Missed) -> i32 {
    let missed = match missed {
        Missed::Skip => pb::MissedFirings::Skip,
        Missed::Once => pb::MissedFirings::Once,
        Missed::All => pb::MissedFirings::All,
    };
    missed.into()
}

fn schedule(message: pb::TimerSchedule) -> Result<Schedule, Error> {
    Ok(Schedule {
        queue: Name::parse("queue", &message.queue)?,
        item: new_item("item", message.item)?,
        times: times(message.times)?,
        missed: missed(message.missed)?,
    })
}

impl From<&Schedule> for pb::TimerSchedule {
    fn from(schedule: &Schedule) -> Self {
        pb::TimerSchedule {
            queue: schedule.queue.as_str().to_owned(),
            item: Some((&schedule.item).into()),
            times: times_field(&schedule.times),
            missed: missed_field(schedule.missed),
        }
    }
}

fn timer(target: Target, command: Command) -> Result<Request, Error> {
    Ok(Request::Command(command::Command::Timer(target, command)))
}

impl TryFrom<pb::TimerServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::TimerServiceDeclareRequest) -> Result<Self, Error> {
        let options = message.options.unwrap_or_default();
        timer(named("timer", &message.timer)?, Command::Declare(options.into()))
    }
}

impl TryFrom<pb::TimerServiceScheduleRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::TimerServiceScheduleRequest) -> Result<Self, Error> {
        let target = target("timer", &message.timer, message.handle)?;
        let schedule = Box::new(schedule(message.schedule.unwrap_or_default())?);
        timer(target, Command::Schedule { schedule, replace: message.replace })
    }
}

impl TryFrom<pb::TimerServiceCancelRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::TimerServiceCancelRequest) -> Result<Self, Error> {
        timer(target("timer", &message.timer, message.handle)?, Command::Cancel)
    }
}

impl TryFrom<pb::TimerServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::TimerServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("timer", &message.timer, message.handle)?;
        Ok(Request::Query(command::Query::Timer(target, Query::Describe)))
    }
}

impl TryFrom<pb::TimerServiceListRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::TimerServiceListRequest) -> Result<Self, Error> {
        let token = message.page_token;
        let after = (!token.is_empty()).then(|| Name::parse("page_token", &token)).transpose()?;
        Ok(Request::Query(command::Query::Timers { page_size: page_size(message.page_size), after }))
    }
}

responses! {
    TimerDeclare => TimerServiceDeclareResponse,
    TimerSchedule => TimerServiceScheduleResponse,
    TimerCancel => TimerServiceCancelResponse,
    TimerDescribe => TimerServiceDescribeResponse,
    TimerList => TimerServiceListResponse,
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (timer, handle) = target_fields(target);
    match command {
        Command::Declare(options) => {
            let options = Some(options.clone().into());
            Body::TimerDeclare(pb::TimerServiceDeclareRequest { timer, options })
        }
        Command::Schedule { schedule, replace } => {
            let (schedule, replace) = (Some(schedule.as_ref().into()), *replace);
            Body::TimerSchedule(pb::TimerServiceScheduleRequest { timer, handle, schedule, replace })
        }
        Command::Cancel => Body::TimerCancel(pb::TimerServiceCancelRequest { timer, handle }),
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (timer, handle) = target_fields(target);
    match query {
        Query::Describe => Body::TimerDescribe(pb::TimerServiceDescribeRequest { timer, handle }),
    }
}

pub(super) fn list_body(page_size: u32, after: Option<&Name>) -> Body {
    let page_token = after.map_or_else(String::new, |name| name.as_str().to_owned());
    Body::TimerList(pb::TimerServiceListRequest { page_size, page_token })
}

pub(super) fn reply_body(reply: Reply) -> Answer {
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some(options.into()));
            Answer::TimerDeclare(pb::TimerServiceDeclareResponse { handle, options })
        }
        Reply::Scheduled { existed, next_in } => {
            let next_in = next_in.map(duration_field);
            Answer::TimerSchedule(pb::TimerServiceScheduleResponse { existed, next_in })
        }
        Reply::Cancelled(cancelled) => Answer::TimerCancel(pb::TimerServiceCancelResponse { cancelled }),
        Reply::Described(figures) => Answer::TimerDescribe(pb::TimerServiceDescribeResponse {
            options: Some(figures.options.into()),
            schedule: figures.schedule.as_ref().map(pb::TimerSchedule::from),
            next_in: figures.next_in.map(duration_field),
            fired: figures.fired,
            missed: figures.missed,
            owed: figures.owed,
            last_error: figures.last_error.unwrap_or_default(),
        }),
        Reply::Listed(page) => {
            let last = page.timers.last().filter(|_| page.more);
            let next_page_token = last.map_or_else(String::new, |last| last.name.as_str().to_owned());
            let timers = page.timers.into_iter().map(pb::ListedTimer::from).collect();
            Answer::TimerList(pb::TimerServiceListResponse { timers, next_page_token })
        }
    }
}

impl From<Listed> for pb::ListedTimer {
    fn from(listed: Listed) -> Self {
        pb::ListedTimer {
            name: listed.name.as_str().to_owned(),
            queue: listed.queue.as_str().to_owned(),
            times: times_field(&listed.times),
            missed: missed_field(listed.missed),
            next_in: listed.next_in.map(duration_field),
        }
    }
}

fn next_in(field: Option<prost_types::Duration>) -> Result<Option<std::time::Duration>, Error> {
    field.map(|left| duration("next_in", left)).transpose()
}

fn listed(message: pb::ListedTimer) -> Result<Listed, Error> {
    Ok(Listed {
        name: Name::parse("name", &message.name)?,
        queue: Name::parse("queue", &message.queue)?,
        times: times(message.times)?,
        missed: missed(message.missed)?,
        next_in: next_in(message.next_in)?,
    })
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    Ok(match body {
        Answer::TimerDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: message.options.unwrap_or_default().into(),
        },
        Answer::TimerSchedule(message) => {
            Reply::Scheduled { existed: message.existed, next_in: next_in(message.next_in)? }
        }
        Answer::TimerCancel(message) => Reply::Cancelled(message.cancelled),
        Answer::TimerDescribe(message) => Reply::Described(Box::new(Figures {
            options: message.options.unwrap_or_default().into(),
            schedule: message.schedule.map(schedule).transpose()?,
            next_in: next_in(message.next_in)?,
            fired: message.fired,
            missed: message.missed,
            owed: message.owed,
            last_error: (!message.last_error.is_empty()).then_some(message.last_error),
        })),
        Answer::TimerList(message) => Reply::Listed(Page {
            timers: message.timers.into_iter().map(listed).collect::<Result<_, _>>()?,
            more: !message.next_page_token.is_empty(),
        }),
        other => return Err(unexpected(&other)),
    })
}
