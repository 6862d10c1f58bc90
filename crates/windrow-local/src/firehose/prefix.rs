//! The prefix of an object's key: text, and expressions such as `!{timestamp:yyyy}`.
//!
//! Source: Firehose Developer Guide, "Understand custom prefixes for Amazon S3 objects". What an
//! object's prefix is follows from its name alone, so an object that is delivered twice, around a
//! killed process, goes to one place.

use std::fmt::Write as _;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

/// What is appended to a prefix without a time: the folder of the hour, `yyyy/MM/dd/HH/`.
const HOUR: [(char, usize); 4] = [('y', 4), ('M', 2), ('d', 2), ('H', 2)];

/// The most characters of an evaluated prefix.
const MAX_EVALUATED: usize = 512;

/// The most bytes of one of its parts, between slashes. The object's name follows the last one, and
/// file systems allow 255 bytes.
const MAX_PART: usize = 100;

/// A value of the `firehose` namespace: why records could not be delivered.
const ERROR_OUTPUT_TYPE: &str = "error-output-type";

/// Another one: random letters and digits.
const RANDOM_STRING: &str = "random-string";

/// How many characters `random-string` has.
const RANDOM_LENGTH: usize = 11;

/// The prefix of a delivery stream's objects, which was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectPrefix {
    text: String,
    parts: Vec<PrefixPart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PrefixPart {
    Text(String),
    Time(Vec<TimePart>),
    Random,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TimePart {
    Text(String),
    /// A letter of Java's `DateTimeFormatter`, and how often it is repeated.
    Field(char, usize),
}

/// Why a prefix is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PrefixError {
    message: String,
}

impl PrefixError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl Default for ObjectPrefix {
    /// The folder of the hour, `yyyy/MM/dd/HH/`.
    fn default() -> Self {
        let slash = TimePart::Text("/".to_owned());
        let fields = HOUR.map(|(letter, count)| TimePart::Field(letter, count));
        let time = fields.into_iter().flat_map(|field| [field, slash.clone()]);
        Self {
            text: String::new(),
            parts: vec![PrefixPart::Time(time.collect())],
        }
    }
}

impl ObjectPrefix {
    /// Parses a prefix as it is in `Prefix` of CreateDeliveryStream.
    ///
    /// # Errors
    ///
    /// [`PrefixError`] if Firehose would reject it, or if it has what is not supported here or no
    /// folder can be called.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let mut parts = parse(text, "Prefix")?.ok_or_else(|| {
            PrefixError::new(format!(
                "Prefix must not have !{{firehose:{ERROR_OUTPUT_TYPE}}}"
            ))
        })?;
        if !parts.iter().any(|part| matches!(part, PrefixPart::Time(_))) {
            parts.extend(Self::default().parts);
        }
        let prefix = Self {
            text: text.to_owned(),
            parts,
        };
        prefix.check()?;
        Ok(prefix)
    }

    /// The prefix as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has expressions.
    fn has_expressions(&self) -> bool {
        self.text.contains("!{")
    }

    /// The prefix of an object of this name, whose oldest record arrived at `time`.
    pub(super) fn evaluate(&self, time: DateTime, object: &str) -> String {
        let mut evaluated = String::new();
        let mut randoms = 0;
        for part in &self.parts {
            match part {
                PrefixPart::Text(text) => evaluated.push_str(text),
                PrefixPart::Time(parts) => write_time(parts, time, &mut evaluated),
                PrefixPart::Random => {
                    randoms += 1;
                    evaluated.push_str(&random_string(object, randoms));
                }
            }
        }
        evaluated
    }

    /// Whether it can be evaluated to the path of a folder. That does not depend on the time.
    fn check(&self) -> Result<(), PrefixError> {
        let evaluated = self.evaluate(DateTime::constant(2026, 11, 20, 10, 20, 30, 0), "");
        if evaluated.chars().count() > MAX_EVALUATED {
            return Err(PrefixError::new(format!(
                "Prefix must have at most {MAX_EVALUATED} characters once it is evaluated"
            )));
        }
        let unusable = |message| Err(PrefixError::new(message));
        if let Some(bad) = evaluated.chars().find(|c| c.is_control() || *c == '\\') {
            return unusable(format!("Prefix has {bad:?}, which no folder here can have"));
        }
        let (folder, name) = evaluated.rsplit_once('/').unwrap_or(("", &evaluated));
        let folders = folder.split('/').filter(|_| evaluated.contains('/'));
        for part in folders.clone() {
            if matches!(part, "" | "." | "..") {
                return unusable(format!(
                    "Prefix has {part:?} between slashes, which is no folder's name here"
                ));
            }
        }
        if folders.chain([name]).any(|part| part.len() > MAX_PART) {
            return unusable(format!(
                "Prefix has more than {MAX_PART} bytes between slashes, which is too long here"
            ));
        }
        Ok(())
    }
}

impl TryFrom<String> for ObjectPrefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        Self::parse(&text)
    }
}

impl From<ObjectPrefix> for String {
    fn from(prefix: ObjectPrefix) -> Self {
        prefix.text
    }
}

/// Checks `ErrorOutputPrefix` beside `Prefix`. Nothing is ever delivered there: no record fails here.
///
/// # Errors
///
/// [`PrefixError`] if Firehose would reject it.
pub(super) fn check_error_output(
    error_output: Option<&str>,
    prefix: Option<&ObjectPrefix>,
) -> Result<(), PrefixError> {
    let Some(error_output) = error_output.filter(|text| !text.is_empty()) else {
        if prefix.is_some_and(ObjectPrefix::has_expressions) {
            return Err(PrefixError::new(
                "ErrorOutputPrefix is missing: it is required if Prefix has expressions",
            ));
        }
        return Ok(());
    };
    let parts = parse(error_output, "ErrorOutputPrefix")?;
    // `None` says that the type of the error is in it.
    if parts.is_some() && error_output.contains("!{") {
        return Err(PrefixError::new(format!(
            "ErrorOutputPrefix has expressions, so it must have !{{firehose:{ERROR_OUTPUT_TYPE}}} too"
        )));
    }
    Ok(())
}

/// Parses a prefix. `None` if it has the type of the error, which only ErrorOutputPrefix can have.
fn parse(text: &str, field: &str) -> Result<Option<Vec<PrefixPart>>, PrefixError> {
    let mut parts = Vec::new();
    let mut has_error_type = false;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("!{") {
        if !before.is_empty() {
            parts.push(PrefixPart::Text(before.to_owned()));
        }
        let (expression, after) = after
            .split_once('}')
            .ok_or_else(|| PrefixError::new(format!("{field} has an expression without its }}")))?;
        match expression.split_once(':') {
            Some(("timestamp", pattern)) => parts.push(PrefixPart::Time(time_parts(pattern)?)),
            Some(("firehose", RANDOM_STRING)) => parts.push(PrefixPart::Random),
            Some(("firehose", ERROR_OUTPUT_TYPE)) => has_error_type = true,
            Some(("partitionKeyFromQuery" | "partitionKeyFromLambda", _)) => {
                return Err(PrefixError::new(format!(
                    "{field} has !{{{expression}}}: dynamic partitioning is not supported"
                )));
            }
            _ => {
                return Err(PrefixError::new(format!(
                    "{field} has the unknown expression !{{{expression}}}"
                )));
            }
        }
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(PrefixPart::Text(rest.to_owned()));
    }
    Ok((!has_error_type).then_some(parts))
}

/// Parses a pattern of Java's `DateTimeFormatter`, of which the numbers of dates and times are
/// supported. Text in single quotes stands for itself, and two single quotes for one.
fn time_parts(pattern: &str) -> Result<Vec<TimePart>, PrefixError> {
    let failed = |problem: String| {
        let expression = format!("!{{timestamp:{pattern}}}");
        Err(PrefixError::new(format!(
            "the prefix's {expression} {problem}"
        )))
    };
    let mut parts = Vec::new();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                let mut text = String::new();
                loop {
                    match characters.next() {
                        Some('\'') if characters.next_if_eq(&'\'').is_some() => text.push('\''),
                        Some('\'') => break,
                        Some(other) => text.push(other),
                        None => return failed("has a quote without its end".to_owned()),
                    }
                }
                let text = if text.is_empty() {
                    "'".to_owned()
                } else {
                    text
                };
                parts.push(TimePart::Text(text));
            }
            letter if letter.is_ascii_alphabetic() => {
                let mut count = 1;
                while characters.next_if_eq(&letter).is_some() {
                    count += 1;
                }
                match most(letter) {
                    Some(most) if count <= most => parts.push(TimePart::Field(letter, count)),
                    Some(_) => {
                        let field = String::from(letter).repeat(count);
                        return failed(format!("has {field}, which is not supported"));
                    }
                    None => {
                        let supported = "only y, u, M, d, D, H, m and s are";
                        return failed(format!(
                            "has {letter}, which is not supported: {supported}"
                        ));
                    }
                }
            }
            '[' | ']' | '{' | '#' => return failed(format!("has {character}, which is reserved")),
            other => parts.push(TimePart::Text(other.to_string())),
        }
    }
    if !parts.iter().any(|part| matches!(part, TimePart::Field(..))) {
        return failed("has no time".to_owned());
    }
    Ok(parts)
}

/// How often a letter can be repeated. `None` for a letter that is not supported.
fn most(letter: char) -> Option<usize> {
    match letter {
        'y' | 'u' => Some(9),
        'M' | 'd' | 'H' | 'm' | 's' => Some(2),
        'D' => Some(3),
        _ => None,
    }
}

fn write_time(parts: &[TimePart], time: DateTime, to: &mut String) {
    for part in parts {
        let (letter, count) = match part {
            TimePart::Text(text) => {
                to.push_str(text);
                continue;
            }
            TimePart::Field(letter, count) => (*letter, *count),
        };
        let value = match letter {
            // Of a year in two letters, Java writes the last two digits.
            'y' | 'u' if count == 2 => i32::from(time.year()).rem_euclid(100),
            'y' | 'u' => i32::from(time.year()).abs(),
            'M' => time.month().into(),
            'd' => time.day().into(),
            'D' => time.day_of_year().into(),
            'H' => time.hour().into(),
            'm' => time.minute().into(),
            _ => time.second().into(),
        };
        // Writing to a String does not fail.
        let _ = write!(to, "{value:0count$}");
    }
}

/// Letters and digits that differ per object and occurrence: a hash (FNV-1a) in base 36.
fn random_string(object: &str, occurrence: u64) -> String {
    let bytes = object.bytes().chain(occurrence.to_le_bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut digits = String::with_capacity(RANDOM_LENGTH);
    for _ in 0..RANDOM_LENGTH {
        let digit = u32::try_from(hash % 36).unwrap_or_default();
        digits.push(char::from_digit(digit, 36).unwrap_or('0'));
        hash /= 36;
    }
    digits
}

#[cfg(test)]
mod tests;
