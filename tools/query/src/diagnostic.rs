//! Error messages that point into a query.

use std::fmt;

/// The maximum number of characters shown of a line of SQL.
const WIDEST: usize = 100;

/// A problem in a query: a message, an optional location shown with carets, and an optional hint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostic {
    message: String,
    location: Option<SqlLocation>,
    help: Option<String>,
}

/// A location in a query's text. Lines and columns count from 1; columns are in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SqlLocation {
    line: usize,
    column: usize,
    /// The part of the line that is shown.
    shown: String,
    /// How many characters of `shown` are before the carets.
    before: usize,
    /// How many carets there are.
    carets: usize,
}

impl Diagnostic {
    /// A diagnostic without a location.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            location: None,
            help: None,
        }
    }

    /// Sets the location: `length` characters from `column` of `line` in the query `text`; both
    /// count from 1. A location outside the text becomes the one after its last character.
    #[must_use]
    pub fn at(mut self, text: &str, line: u64, column: u64, length: usize) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let row = usize::try_from(line).unwrap_or(usize::MAX).max(1);
        let (row, whole) = match lines.get(row - 1) {
            Some(whole) => (row, *whole),
            None => (lines.len().max(1), lines.last().copied().unwrap_or("")),
        };
        let characters: Vec<char> = whole.chars().collect();
        let column = match usize::try_from(column) {
            Ok(column) if row as u64 == line && column > 0 => column.min(characters.len() + 1),
            _ => characters.len() + 1,
        };
        let from = (column - 1).saturating_sub(WIDEST / 2);
        let to = characters.len().min(from + WIDEST);
        self.location = Some(SqlLocation {
            line: row,
            column,
            shown: characters[from..to].iter().map(visible).collect(),
            before: column - 1 - from,
            carets: length.clamp(1, (to + 1).saturating_sub(column).max(1)),
        });
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The message, without location and hint.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The character, or a space for control characters: they have no width and could control the
/// terminal.
fn visible(character: &char) -> char {
    if character.is_control() {
        ' '
    } else {
        *character
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(location) = &self.location {
            let (line, column) = (location.line, location.column);
            write!(
                formatter,
                " (line {line}, column {column})\n  {}\n  ",
                location.shown
            )?;
            let carets = "^".repeat(location.carets);
            write!(
                formatter,
                "{:before$}{carets}",
                "",
                before = location.before
            )?;
        }
        match &self.help {
            Some(help) => write!(formatter, "\n{help}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_is_shown_with_carets() {
        let text = "SELECT Name,\n  Nme FROM wildrydes";
        let diagnostic = Diagnostic::new("there is no column Nme")
            .at(text, 2, 3, 3)
            .help("did you mean Name?");
        assert_eq!(
            diagnostic.to_string(),
            "there is no column Nme (line 2, column 3)\n    Nme FROM wildrydes\n    ^^^\ndid you mean Name?"
        );
    }

    #[test]
    fn any_location_in_any_text_can_be_shown() {
        for text in [
            "",
            "\n",
            "SELECT",
            "\tSELECT\u{1b}[31m\n\n",
            &"é".repeat(5000),
        ] {
            for number in [0, 1, 3, 4000, u64::MAX] {
                let shown = Diagnostic::new("bad").at(text, number, number, usize::MAX);
                let shown = shown.at(text, 1, number, 3).to_string();
                assert!(
                    shown.lines().all(|line| line.chars().count() <= WIDEST + 4),
                    "{shown}"
                );
                assert!(!shown.contains('\u{1b}'));
            }
        }
        let shown = Diagnostic::new("bad")
            .at(&"é".repeat(5000), 1, 4000, 2)
            .to_string();
        assert!(shown.starts_with("bad (line 1, column 4000)\n"));
        assert!(
            shown.ends_with(&format!("\n  {}^^", " ".repeat(50))),
            "{shown}"
        );
    }
}
