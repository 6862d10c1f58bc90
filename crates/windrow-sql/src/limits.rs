//! What texts and readings are at most, for the documentation.

use windrow_core::schema::MOST_MEASURES;

use crate::{exact, graph, group, pump, scan, statement, top, types};

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlLimit {
    /// What is limited.
    pub of: &'static str,
    /// To what.
    pub most: String,
    /// What is rejected beyond it.
    pub rejected: Rejected,
}

/// What is rejected beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The SQL text, or the schema of its input.
    Text,
    /// The reading.
    Reading,
}

/// All limits, those of texts first.
pub fn limits() -> Vec<SqlLimit> {
    let limit = |rejected| move |of, most| SqlLimit { of, most, rejected };
    let (text, reading) = (limit(Rejected::Text), limit(Rejected::Reading));
    let count = |number: usize| separated(number as u128);
    let seconds = |seconds: i64| format!("{} s", separated(seconds.unsigned_abs().into()));
    vec![
        text(
            "the SQL text",
            format!("{} bytes", count(statement::LONGEST_TEXT)),
        ),
        text(
            "expressions inside expressions",
            format!("{} deep", statement::DEEPEST),
        ),
        text(
            "the operators of an expression",
            count(scan::MOST_OPERATORS),
        ),
        text(
            "the chains of pumps before a window, and after it",
            count(graph::MOST_CHAINS),
        ),
        text("the length of a window", seconds(group::LONGEST / 1000)),
        text(
            "the values that TOP_K_ITEMS_TUMBLING keeps",
            count(top::MOST_VALUES),
        ),
        text(
            "the length of its windows",
            format!("{} s", count(top::MOST_SECONDS)),
        ),
        text(
            "the parts of the aggregates of all pumps: sums, counts, lowest and highest values",
            count(MOST_MEASURES),
        ),
        text(
            "the digits of a decimal column",
            types::MOST_DIGITS.to_string(),
        ),
        text(
            "the characters of a text column",
            separated(types::MOST_CHARACTERS.into()),
        ),
        reading(
            "a key, and the lowest or highest text of a group",
            format!("{} bytes", count(pump::LONGEST_TEXT)),
        ),
        reading(
            "a float that is summed",
            format!("below 10^{:.0}", exact::FLOAT_SUM_LIMIT.log10()),
        ),
        reading(
            "the digits of another number that is summed",
            pump::LARGEST_SUMMED.ilog10().to_string(),
        ),
    ]
}

/// A number with commas between groups of three digits.
fn separated(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        for (number, text) in [
            (0, "0"),
            (255, "255"),
            (2_048, "2,048"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(separated(number), text);
        }
    }
}
