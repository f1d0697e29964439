//! The functions that chat templates expect from their Python host.

use std::fmt;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// The template called `raise_exception`.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

pub(crate) fn raise_exception(message: String) -> Result<Value, Error> {
    let error = Error::new(ErrorKind::InvalidOperation, message.clone());
    Err(error.with_source(Refused(message)))
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)`. The engine's own filter escapes
/// `<`, `>` and `&` for web pages, which would change a prompt.
pub(crate) fn tojson(value: &Value, indent: Option<usize>, args: Kwargs) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => args.get("indent")?,
    };
    // Python's switch for plain ASCII; templates only ever turn it off.
    let _: Option<bool> = args.get("ensure_ascii")?;
    args.assert_all_used()?;
    let mut out = String::new();
    write_json(value, indent.map(|indent| indent.min(16)), 0, &mut out)?;
    Ok(out)
}

fn write_json(
    value: &Value,
    indent: Option<usize>,
    depth: usize,
    out: &mut String,
) -> Result<(), Error> {
    if depth > 64 {
        return Err(unserializable("it is nested too deeply"));
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&value.to_string()),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            let quoted = serde_json::to_string(text).map_err(|e| unserializable(&e.to_string()))?;
            out.push_str(&quoted);
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let mut list = List::open('[', indent, depth, out);
            for item in value.try_iter()? {
                list.next(out);
                write_json(&item, indent, depth + 1, out)?;
            }
            list.close(']', out);
        }
        ValueKind::Map => {
            let mut list = List::open('{', indent, depth, out);
            for key in value.try_iter()? {
                list.next(out);
                let name = serde_json::to_string(&key.to_string())
                    .map_err(|e| unserializable(&e.to_string()))?;
                out.push_str(&name);
                out.push_str(": ");
                write_json(&value.get_item(&key)?, indent, depth + 1, out)?;
            }
            list.close('}', out);
        }
        kind => return Err(unserializable(&format!("it holds a {kind}"))),
    }
    Ok(())
}

/// The commas, line ends and spaces of a list or an object.
struct List {
    empty: bool,
    indent: Option<usize>,
    depth: usize,
}

impl List {
    fn open(bracket: char, indent: Option<usize>, depth: usize, out: &mut String) -> Self {
        out.push(bracket);
        Self {
            empty: true,
            indent,
            depth,
        }
    }

    fn next(&mut self, out: &mut String) {
        match (self.empty, self.indent) {
            (true, None) => {}
            (false, None) => out.push_str(", "),
            (empty, Some(_)) => {
                out.push_str(if empty { "" } else { "," });
                self.line(self.depth + 1, out);
            }
        }
        self.empty = false;
    }

    fn close(&self, bracket: char, out: &mut String) {
        if !self.empty {
            self.line(self.depth, out);
        }
        out.push(bracket);
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = self.indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent * depth));
        }
    }
}

fn unserializable(why: &str) -> Error {
    Error::new(
        ErrorKind::BadSerialization,
        format!("tojson cannot write this value: {why}"),
    )
}

/// A point in time as a template may print it (`strftime_now`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateDate {
    /// Year of the Gregorian calendar.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 60.
    pub second: u8,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
/// Days before each month of a common year.
const DAYS_BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

impl TemplateDate {
    /// The date in the form that `format` asks for; English names, as Python's C locale.
    pub(crate) fn strftime(self, format: &str) -> Result<String, String> {
        let month = usize::from(self.month).wrapping_sub(1);
        let (Some(name), Some(&before)) = (MONTHS.get(month), DAYS_BEFORE.get(month)) else {
            return Err(format!("{} is no month", self.month));
        };
        let leap = i64::from(self.leap_year() && self.month > 2);
        let day_of_year = before + leap + i64::from(self.day);
        let weekday = WEEKDAYS
            .get(self.weekday(day_of_year))
            .copied()
            .unwrap_or_default();
        let hour12 = (self.hour + 11) % 12 + 1;
        let mut out = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let mut code = chars.next();
            // The C library's mark for numbers without padding.
            let bare = code == Some('-');
            if bare {
                code = chars.next();
            }
            let two = |number: u8| match bare {
                true => number.to_string(),
                false => format!("{number:02}"),
            };
            out.push_str(&match code {
                Some('Y') => self.year.to_string(),
                Some('y') => format!("{:02}", self.year.rem_euclid(100)),
                Some('m') => two(self.month),
                Some('d') => two(self.day),
                Some('e') => format!("{:2}", self.day),
                Some('H') => two(self.hour),
                Some('I') => two(hour12),
                Some('M') => two(self.minute),
                Some('S') => two(self.second),
                Some('p') => if self.hour < 12 { "AM" } else { "PM" }.to_owned(),
                Some('B') => (*name).to_owned(),
                Some('b' | 'h') => name.chars().take(3).collect(),
                Some('A') => weekday.to_owned(),
                Some('a') => weekday.chars().take(3).collect(),
                Some('j') => format!("{day_of_year:03}"),
                Some('F') => format!("{}-{:02}-{:02}", self.year, self.month, self.day),
                Some('T') => format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second),
                Some('%') => "%".to_owned(),
                other => {
                    let other = other.map(String::from).unwrap_or_default();
                    return Err(format!("strftime_now does not know '%{other}'"));
                }
            });
        }
        Ok(out)
    }

    fn leap_year(self) -> bool {
        let by = |n: i32| self.year.rem_euclid(n) == 0;
        by(4) && (!by(100) || by(400))
    }

    /// 0 for Sunday. 1 January of year 1 was a Monday.
    fn weekday(self, day_of_year: i64) -> usize {
        let before = i64::from(self.year) - 1;
        let leaps = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
        let day = before * 365 + leaps + day_of_year;
        usize::try_from(day.rem_euclid(7)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let date = TemplateDate {
            year: 2024,
            month: 7,
            day: 26,
            hour: 15,
            minute: 4,
            second: 5,
        };
        let print = |format: &str| date.strftime(format);
        assert_eq!(print("%d %b %Y").as_deref(), Ok("26 Jul 2024"));
        assert_eq!(print("%A, %B %-d %j").as_deref(), Ok("Friday, July 26 208"));
        assert_eq!(
            print("%F %T %I%p %y%%").as_deref(),
            Ok("2024-07-26 15:04:05 03PM 24%")
        );
        assert!(print("%Q").is_err());
        assert!(print("%").is_err());
        assert!(TemplateDate { month: 13, ..date }.strftime("%B").is_err());
        let early = TemplateDate {
            year: 2000,
            month: 2,
            day: 29,
            ..date
        };
        assert_eq!(early.strftime("%a %-d").as_deref(), Ok("Tue 29"));
    }
}
