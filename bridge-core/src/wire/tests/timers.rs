//! What timers send.

use super::*;
use crate::command::timer::{
    Command as T, Figures, Listed, Missed, Options, Page, Query as Asked, Reply as R, Schedule, Times,
};
use crate::cron::Cron;

fn schedules() -> [Schedule; 3] {
    let payload = Payload::new(ContentType::Text, "now");
    let item = queue::NewItem::new(payload);
    let attributes = queue::Attributes { ttl: Some(Duration::from_secs(3)), ..Default::default() };
    let key = Bytes::from_static(b"k");
    let full = queue::NewItem { key: key.into(), attributes: Some(Box::new(attributes)), ..item.clone() };
    let schedule = |item, times, missed| Schedule { queue: name("q"), item, times, missed };
    let cron = Cron::parse("*/5 * * * mon-fri").expect("it is fine");
    [
        schedule(full, Times::Cron(cron), Missed::All),
        schedule(item.clone(), Times::Every(Duration::from_millis(1_500)), Missed::Skip),
        schedule(item, Times::After(Duration::ZERO), Missed::Once),
    ]
}

pub(super) fn requests() -> Vec<Request> {
    let by_handle = || Target::Handle(Handle { slot: 2, generation: 1 });
    let commands = schedules().map(|schedule| T::Schedule { schedule: Box::new(schedule), replace: true });
    let declare = T::Declare(Options { ephemeral: Some(true) });
    let mut all = vec![Request::Command(Command::Timer(Target::Name(name("t")), declare))];
    let commands = commands.into_iter().chain([T::Cancel]);
    all.extend(commands.map(|command| Request::Command(Command::Timer(by_handle(), command))));
    all.push(Request::Query(Query::Timer(by_handle(), Asked::Describe)));
    for after in [None, Some(name("t"))] {
        all.push(Request::Query(Query::Timers { page_size: 7, after }));
    }
    all
}

pub(super) fn replies() -> impl Iterator<Item = Reply> {
    let next_in = Some(Duration::from_micros(1_000_001));
    let listed = schedules().map(|Schedule { queue, times, missed, .. }| Listed {
        name: name("t"),
        queue,
        times,
        missed,
        next_in,
    });
    let options = || Options { ephemeral: Some(false) };
    let figures = schedules().map(|schedule| Figures {
        options: options(),
        schedule: Some(schedule),
        next_in,
        fired: 3,
        missed: 2,
        owed: 1,
        last_error: Some("FULL: no room".to_owned()),
    });
    let none = Figures { options: options(), ..Figures::default() };
    let figures = figures.into_iter().chain([none]).map(|figures| R::Described(Box::new(figures)));
    let others = [
        R::Declared { handle: Handle { slot: 2, generation: 1 }, options: options() },
        R::Scheduled { existed: true, next_in },
        R::Scheduled { existed: false, next_in: None },
        R::Cancelled(true),
        R::Listed(Page { timers: listed.to_vec(), more: true }),
        R::Listed(Page::default()),
    ];
    figures.chain(others).map(Reply::Timer)
}

#[test]
fn bad_schedules_name_the_field() {
    let good = pb::TimerSchedule {
        queue: "q".into(),
        item: Some(pb::NewItem { payload: Some(pb::Payload::default()), ..Default::default() }),
        times: Some(pb::TimerTimes { times: Some(pb::timer_times::Times::Cron("@daily".into())) }),
        ..Default::default()
    };
    let times = |times| pb::TimerSchedule { times: Some(pb::TimerTimes { times }), ..good.clone() };
    let negative = prost_types::Duration { seconds: -1, nanos: 0 };
    let cases = [
        (pb::TimerSchedule { queue: String::new(), ..good.clone() }, "queue"),
        (pb::TimerSchedule { item: None, ..good.clone() }, "item"),
        (pb::TimerSchedule { missed: 9, ..good.clone() }, "missed"),
        (times(None), "times"),
        (times(Some(pb::timer_times::Times::Every(negative))), "every"),
        (times(Some(pb::timer_times::Times::After(negative))), "after"),
        (times(Some(pb::timer_times::Times::Cron("* * *".into()))), "cron"),
    ];
    for (schedule, field) in cases {
        let schedule = Some(schedule);
        let message = pb::TimerServiceScheduleRequest { timer: "t".into(), schedule, ..Default::default() };
        let error = Request::try_from(message).expect_err(field);
        assert_eq!((error.reason, error.detail("field")), (Reason::InvalidArgument, Some(field)));
    }
}
