//! What is wrong with a query, and where.

use std::error::Error;
use std::fmt;

/// The most characters of a line of SQL that are shown.
const WIDEST: usize = 100;

/// What is wrong with a query: a sentence, the place with a caret under it, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostic {
    message: String,
    place: Option<SqlLocation>,
    help: Option<String>,
}

/// A place in a query's text. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SqlLocation {
    line: usize,
    column: usize,
    /// What is shown of the line, and where in it the carets begin and how many there are.
    shown: String,
    before: usize,
    carets: usize,
}

impl Diagnostic {
    /// A diagnostic without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            help: None,
        }
    }

    /// The same at `length` characters from `column` of `line` of the query `text`; both count
    /// from 1. A place outside of the text is the one after its last character.
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
        self.place = Some(SqlLocation {
            line: row,
            column,
            shown: characters[from..to].iter().map(printable).collect(),
            before: column - 1 - from,
            carets: length.clamp(1, (to + 1).saturating_sub(column).max(1)),
        });
        self
    }

    /// The same with a sentence that helps.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// One column wide, and nothing that would steer the terminal.
fn printable(character: &char) -> char {
    if character.is_control() {
        ' '
    } else {
        *character
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(place) = &self.place {
            let (line, column) = (place.line, place.column);
            write!(
                formatter,
                " (line {line}, column {column})\n  {}\n  ",
                place.shown
            )?;
            let carets = "^".repeat(place.carets);
            write!(formatter, "{:before$}{carets}", "", before = place.before)?;
        }
        match &self.help {
            Some(help) => write!(formatter, "\n{help}"),
            None => Ok(()),
        }
    }
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_shown_with_carets_under_it() {
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
    fn any_place_and_any_text_can_be_shown() {
        for text in [
            "",
            "\n",
            "SELECT",
            "\tSELECT\u{1b}[31m\n\n",
            &"é".repeat(5000),
        ] {
            for place in [0, 1, 3, 4000, u64::MAX] {
                let shown = Diagnostic::new("bad").at(text, place, place, usize::MAX);
                let shown = shown.at(text, 1, place, 3).to_string();
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
