//! Times by the calendar, as in crontab(5), in UTC: what is written there, and when it comes round next.
//!
//! Written here and not taken from a crate: those that there are bring a calendar with time zones and the system's clock, of which
//! an engine without a clock that counts in UTC needs nothing, or fields that crontab(5) does not have. In UTC no time of
//! day is missing or comes twice, and the rest is five sets of small numbers.

use std::fmt;

use crate::error::Error;
use crate::time::Time;

/// Bytes in a crontab expression.
const TEXT_BYTES_MAX: usize = 255;

const MINUTE_MICROS: u64 = 60_000_000;
const MINUTES_OF_DAY: u64 = 24 * 60;

/// The calendar repeats itself after so many months, weekdays included.
const MONTHS_OF_CYCLE: u32 = 400 * 12;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What may stand for five fields.
const SHORTHANDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A set of numbers below 64.
type Set = u64;

fn has(set: Set, number: u32) -> bool {
    set >> number & 1 == 1
}

/// A crontab expression that comes round.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cron {
    text: Box<str>,
    fields: Fields,
}

/// What the five fields allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fields {
    minutes: Set,
    hours: Set,
    /// Of the month, from 1.
    days: Set,
    /// From 1.
    months: Set,
    /// From 0, which is Sunday.
    weekdays: Set,
    /// Both kinds of days are restricted: one of them is enough, as in crontab(5).
    either_day: bool,
}

/// What a field is called, and what may stand in it.
struct Field {
    name: &'static str,
    first: u32,
    /// Where `*` ends.
    last: u32,
    /// The highest number.
    highest: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", first: 0, last: 59, highest: 59, names: &[] },
    Field { name: "hour", first: 0, last: 23, highest: 23, names: &[] },
    Field { name: "day of the month", first: 1, last: 31, highest: 31, names: &[] },
    Field { name: "month", first: 1, last: 12, highest: 12, names: &MONTHS },
    // 7 is Sunday too.
    Field { name: "day of the week", first: 0, last: 6, highest: 7, names: &WEEKDAYS },
];

impl Field {
    fn set(&self, text: &str) -> Result<Set, Error> {
        text.split(',').try_fold(0, |set, part| Ok(set | self.part(text, part)?))
    }

    fn part(&self, text: &str, part: &str) -> Result<Set, Error> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (self.first, self.last),
            (_, Some((from, to))) => (self.number(text, from)?, self.number(text, to)?),
            // "5/15" begins at 5 and goes on to the end.
            (from, None) if step.is_some() => (self.number(text, from)?, self.last),
            (only, None) => {
                let only = self.number(text, only)?;
                (only, only)
            }
        };
        let step = match step.map(str::parse::<u32>) {
            None => 1,
            Some(Ok(step)) if step > 0 => step,
            Some(_) => return Err(self.refused(text, "a step is a number from 1")),
        };
        if from > to {
            return Err(self.refused(text, "a range goes upwards"));
        }
        Ok((from..=to).step_by(step as usize).fold(0, |set, number| set | 1 << number))
    }

    fn number(&self, text: &str, word: &str) -> Result<u32, Error> {
        let named = self.names.iter().zip(self.first..).find(|(name, _)| name.eq_ignore_ascii_case(word));
        // Not "+5", which a number may be elsewhere.
        let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let number = named.map(|(_, number)| number);
        let number = number.or_else(|| word.parse().ok().filter(|_| digits));
        number.filter(|number| (self.first..=self.highest).contains(number)).ok_or_else(|| {
            let names = match self.names {
                [first, .., last] => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            self.refused(text, &format!("give {} to {}{names}", self.first, self.highest))
        })
    }

    fn refused(&self, text: &str, why: &str) -> Error {
        refused(format!("the {} of a crontab expression is {text:?}: {why}", self.name))
    }
}

fn refused(message: String) -> Error {
    Error::invalid("cron", message)
}

impl Cron {
    /// Reads five fields, or a shorthand as `@hourly`. Refuses what never comes round.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            let bytes = text.len();
            return Err(refused(format!("cron has {bytes} bytes; at most {TEXT_BYTES_MAX} are allowed")));
        }
        let given = text.trim();
        let words = match SHORTHANDS.iter().find(|(short, _)| short.eq_ignore_ascii_case(given)) {
            Some((_, words)) => words,
            None if given.starts_with('@') => {
                return Err(refused(format!(
                    "{given} is not known; give @hourly, @daily, @weekly, @monthly, @yearly or five fields"
                )));
            }
            None => given,
        };
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = words[..] else {
            return Err(refused(format!(
                "cron has {} fields; give five: minute, hour, day of the month, month, day of the week",
                words.len()
            )));
        };
        let [minutes, hours, days, months, weekdays] = &FIELDS;
        let weekdays = weekdays.set(weekday)?;
        let fields = Fields {
            minutes: minutes.set(minute)?,
            hours: hours.set(hour)?,
            days: days.set(day)?,
            months: months.set(month)?,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        let exists = |month| has(fields.months, month) && fields.days & days_up_to(longest(month)) != 0;
        if !fields.either_day && !(1..=12).any(exists) {
            return Err(refused(format!("{given:?} names a day that no month of it has: it never comes")));
        }
        Ok(Cron { text: given.into(), fields })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it means the same times.
    pub fn is_same_as(&self, other: &Cron) -> bool {
        self.fields == other.fields
    }

    /// When it comes round next, later than `time`; `None` at the end of time.
    pub fn next_after(&self, time: Time) -> Option<Time> {
        let minute = time.micros / MINUTE_MICROS + 1;
        let (mut number, mut from) = (minute / MINUTES_OF_DAY, (minute % MINUTES_OF_DAY) as u32);
        let mut date = Date::of_day(number);
        for _ in 0..=MONTHS_OF_CYCLE {
            let length = date.month_length();
            if has(self.fields.months, date.month) {
                for day in date.day..=length {
                    let number = number + u64::from(day - date.day);
                    if let Some(minute) = self.minute_of_day(number, day, from) {
                        let minute = number.checked_mul(MINUTES_OF_DAY)?.checked_add(minute.into())?;
                        return minute.checked_mul(MINUTE_MICROS).map(Time::from_micros);
                    }
                    from = 0;
                }
            }
            number += u64::from(length - date.day + 1);
            from = 0;
            date = date.next_month();
        }
        None
    }

    /// The first minute of that day, from `from` on.
    fn minute_of_day(&self, number: u64, day: u32, from: u32) -> Option<u32> {
        let fields = &self.fields;
        // The first day of 1970 was a Thursday.
        let weekday = has(fields.weekdays, ((number + 4) % 7) as u32);
        let day = has(fields.days, day);
        if !(if fields.either_day { day || weekday } else { day && weekday }) {
            return None;
        }
        let (first, from) = (from / 60, from % 60);
        (first..24).filter(|hour| has(fields.hours, *hour)).find_map(|hour| {
            let from = if hour == first { from } else { 0 };
            let left = fields.minutes >> from;
            (left != 0).then(|| hour * 60 + from + left.trailing_zeros())
        })
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn days_up_to(last: u32) -> Set {
    (1 << (last + 1)) - 2
}

/// How many days that month has at most.
fn longest(month: u32) -> u32 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A day of the Gregorian calendar, from 1970 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: u64,
    month: u32,
    day: u32,
}

impl Date {
    /// The day of that number; 0 is the first one of 1970.
    fn of_day(number: u64) -> Self {
        // Counted from the first of March of the year 0, so that a leap day is a year's last one.
        const DAYS_BEFORE_1970: u64 = 719_468;
        const DAYS_OF_CYCLE: u64 = 146_097;
        let days = number + DAYS_BEFORE_1970;
        let (cycle, of_cycle) = (days / DAYS_OF_CYCLE, days % DAYS_OF_CYCLE);
        let leap_days = |days| days / 1_460 - days / 36_524 + days / 146_096;
        let year = (of_cycle - leap_days(of_cycle)) / 365;
        let of_year = of_cycle - (365 * year + year / 4 - year / 100);
        // Five months from March on, as from August on, have 153 days.
        let month = (5 * of_year + 2) / 153;
        let day = (of_year - (153 * month + 2) / 5) as u32 + 1;
        let month = if month < 10 { month as u32 + 3 } else { month as u32 - 9 };
        Date { year: cycle * 400 + year + u64::from(month <= 2), month, day }
    }

    fn month_length(self) -> u32 {
        let is_leap =
            self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        longest(self.month) - u32::from(self.month == 2 && !is_leap)
    }

    /// Its first day.
    fn next_month(self) -> Self {
        match self.month {
            12 => Date { year: self.year + 1, month: 1, day: 1 },
            month => Date { month: month + 1, day: 1, ..self },
        }
    }
}

#[cfg(test)]
mod tests;
