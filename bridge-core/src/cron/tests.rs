//! Against days counted one by one, and by known dates.

use proptest::prelude::*;

use super::*;

fn cron(text: &str) -> Cron {
    Cron::parse(text).expect("it is fine")
}

/// The number of a date's day, by walking there from 1970.
fn day(year: u64, month: u32, day: u32) -> u64 {
    let mut date = Date { year: 1970, month: 1, day: 1 };
    let mut number = 0;
    while (date.year, date.month) < (year, month) {
        number += u64::from(date.month_length());
        date = date.next_month();
    }
    number + u64::from(day) - 1
}

fn at(year: u64, month: u32, date: u32, hour: u64, minute: u64) -> Time {
    Time::from_micros(((day(year, month, date) * 24 + hour) * 60 + minute) * MINUTE_MICROS)
}

fn said(time: Time) -> String {
    let minute = time.micros / MINUTE_MICROS;
    let (Date { year, month, day }, rest) = (Date::of_day(minute / MINUTES_OF_DAY), minute % MINUTES_OF_DAY);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}", rest / 60, rest % 60)
}

/// The next times, as texts.
fn next(text: &str, from: Time, count: usize) -> Vec<String> {
    let cron = cron(text);
    let times = std::iter::successors(Some(from), |time| cron.next_after(*time));
    times.skip(1).take(count).map(said).collect()
}

#[test]
fn days_have_dates() {
    let mut date = Date { year: 1970, month: 1, day: 1 };
    for number in 0..400 * 366 {
        assert_eq!(Date::of_day(number), date, "day {number}");
        date = match date.day == date.month_length() {
            true => date.next_month(),
            false => Date { day: date.day + 1, ..date },
        };
    }
}

#[test]
fn known_times() {
    let from = at(2024, 2, 27, 23, 58);
    assert_eq!(next("* * * * *", from, 3), ["2024-02-27 23:59", "2024-02-28 00:00", "2024-02-28 00:01"]);
    assert_eq!(next("0 0 29 2 *", from, 2), ["2024-02-29 00:00", "2028-02-29 00:00"]);
    assert_eq!(next("0 0 29 2 *", at(2096, 3, 1, 0, 0), 1), ["2104-02-29 00:00"], "2100 has no leap day");
    assert_eq!(next("59 23 31 * *", from, 3), ["2024-03-31 23:59", "2024-05-31 23:59", "2024-07-31 23:59"]);
    assert_eq!(next("*/20 9-17/4 * jan,Mar mon", from, 4)[..2], ["2024-03-04 09:00", "2024-03-04 09:20"]);
    assert_eq!(next("30 6 * * 5-7", from, 3), ["2024-03-01 06:30", "2024-03-02 06:30", "2024-03-03 06:30"]);
    assert_eq!(next("45/10 * * * *", from, 2), ["2024-02-28 00:45", "2024-02-28 00:55"]);
    assert_eq!(next("0 12 1 * wed", from, 3), ["2024-02-28 12:00", "2024-03-01 12:00", "2024-03-06 12:00"]);
    assert_eq!(
        next("0 12 */10 * wed", from, 2),
        ["2024-05-01 12:00", "2024-07-31 12:00"],
        "both, after a star"
    );
    assert_eq!(next("@Hourly", from, 1), ["2024-02-28 00:00"]);
    assert_eq!(next("@weekly", from, 1), ["2024-03-03 00:00"]);
    assert_eq!(next("@monthly", from, 1), ["2024-03-01 00:00"]);
    assert_eq!(next("@yearly", from, 1), ["2025-01-01 00:00"]);
    assert_eq!(next("0 0 29 2 */7", from, 1), ["2032-02-29 00:00"], "a leap day that is a Sunday");
    let within = Time::from_micros(from.micros + 30_000_000);
    assert_eq!(next("* * * * *", within, 1), ["2024-02-27 23:59"]);
    assert_eq!(cron("* * * * *").next_after(Time::from_micros(u64::MAX)), None);
    assert_eq!(cron("0 0 29 2 *").next_after(Time::from_micros(u64::MAX - 1_000_000_000_000)), None);
}

#[test]
fn what_is_refused() {
    for (text, why) in [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("0 * * * * *", "6 fields"),
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of the month"),
        ("* * 32 * *", "1 to 31"),
        ("* * * 13 *", "or jan to dec"),
        ("* * * * 8", "or sun to sat"),
        ("* * * * monday", "day of the week"),
        ("*/0 * * * *", "step"),
        ("*/x * * * *", "step"),
        ("30-10 * * * *", "upwards"),
        ("1,,2 * * * *", "minute"),
        ("+1 * * * *", "minute"),
        ("-1 * * * *", "minute"),
        ("* * ? * *", "day of the month"),
        ("* * L * *", "day of the month"),
        ("@reboot", "@reboot is not known"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 2,4,jun,9,11 *", "never comes"),
    ] {
        let error = Cron::parse(text).expect_err(text);
        assert_eq!(error.detail("field"), Some("cron"));
        assert!(error.message.contains(why), "{text}: {}", error.message);
    }
    assert!(Cron::parse(&"1,".repeat(200)).is_err());
    assert!(
        cron("0 0 * * sun").is_same_as(&cron("@weekly")) && cron("0 0 * * 7").is_same_as(&cron("@weekly"))
    );
}

/// A field at random, and which numbers it allows.
fn field(first: u32, last: u32) -> impl Strategy<Value = (String, Vec<u32>)> {
    let part = (first..=last, first..=last, 1..last, 0..4).prop_map(move |(a, b, step, shape)| {
        let (from, to) = (a.min(b), a.max(b));
        match shape {
            0 => (format!("{from}"), vec![from]),
            1 => (format!("{from}-{to}"), (from..=to).collect()),
            2 => (format!("{from}-{to}/{step}"), (from..=to).step_by(step as usize).collect()),
            _ => (format!("{from}/{step}"), (from..=last).step_by(step as usize).collect()),
        }
    });
    let parts = prop::collection::vec(part, 1..3).prop_map(|parts: Vec<(String, Vec<u32>)>| {
        let (texts, numbers): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        (texts.join(","), numbers.concat())
    });
    prop_oneof![1 => Just(("*".to_owned(), (first..=last).collect())), 1 => parts]
}

proptest! {
    /// The next time is the first of all following minutes that fits, looked at one by one.
    #[test]
    fn as_looked_up_minute_by_minute(
        minute in field(0, 59),
        hour in field(0, 23),
        date in field(1, 31),
        month in field(1, 12),
        weekday in field(0, 6),
        start in 0_u64..40_000_000,
    ) {
        let text = format!("{} {} {} {} {}", minute.0, hour.0, date.0, month.0, weekday.0);
        let fits = |at: u64| {
            let number = at / MINUTES_OF_DAY;
            let Date { month: of_year, day, .. } = Date::of_day(number);
            let by_date = date.1.contains(&day);
            let by_weekday = weekday.1.contains(&(((number + 4) % 7) as u32));
            let either = date.0 != "*" && weekday.0 != "*";
            (if either { by_date || by_weekday } else { by_date && by_weekday })
                && month.1.contains(&of_year)
                && hour.1.contains(&((at / 60 % 24) as u32))
                && minute.1.contains(&((at % 60) as u32))
        };
        let Ok(cron) = Cron::parse(&text) else { return Ok(()) };
        let found = cron.next_after(Time::from_micros(start * MINUTE_MICROS));
        let found = found.expect("within the end of time").micros / MINUTE_MICROS;
        // What comes within two years is looked for minute by minute; what comes later must fit at least.
        let horizon = start + 2 * 366 * MINUTES_OF_DAY;
        let first = (start + 1..=horizon).find(|at| fits(*at));
        match first {
            Some(first) => prop_assert_eq!(found, first, "{}", text),
            None => prop_assert!(found > horizon && fits(found), "{}", text),
        }
    }
}
