//! Checks of the fields of requests. The messages are those of AWS.

use std::fmt::Display;

use crate::error::{ErrorCode, KinesisError};

/// Collects what is wrong with a request, so that one error names all of it.
#[derive(Debug, Default)]
pub(crate) struct FieldChecks {
    problems: Vec<String>,
}

impl FieldChecks {
    /// The field must be present.
    pub(crate) fn required<T>(&mut self, field: &str, value: Option<&T>) {
        if value.is_none() {
            self.problems.push(format!(
                "Value null at '{field}' failed to satisfy constraint: Member must not be null"
            ));
        }
    }

    /// A number must be in a range.
    pub(crate) fn range(&mut self, field: &str, value: Option<i64>, from: i64, to: i64) {
        let Some(value) = value else { return };
        if value < from {
            self.fails(
                field,
                value,
                format_args!("Member must have value greater than or equal to {from}"),
            );
        } else if value > to {
            self.fails(
                field,
                value,
                format_args!("Member must have value less than or equal to {to}"),
            );
        }
    }

    /// A shard's id.
    pub(crate) fn shard_id(&mut self, field: &str, id: Option<&String>) {
        self.required(field, id);
        let id = id.map(String::as_str);
        self.length(field, id, 1, 128);
        self.pattern(field, id, NAME_PATTERN, is_name);
    }

    /// Text must have a number of Unicode characters in a range.
    pub(crate) fn length(&mut self, field: &str, value: Option<&str>, from: usize, to: usize) {
        let Some(value) = value else { return };
        // A long text is not counted to its end.
        let count = value.chars().take(to + 1).count();
        if count < from {
            self.fails(
                field,
                value,
                format_args!("Member must have length greater than or equal to {from}"),
            );
        } else if count > to {
            self.fails(
                field,
                value,
                format_args!("Member must have length less than or equal to {to}"),
            );
        }
    }

    /// A list must have a number of entries in a range.
    pub(crate) fn count(&mut self, field: &str, count: Option<usize>, from: usize, to: usize) {
        let Some(count) = count else { return };
        let shown = format_args!("[{count} entries]");
        if count < from {
            self.fails(
                field,
                shown,
                format_args!("Member must have length greater than or equal to {from}"),
            );
        } else if count > to {
            self.fails(
                field,
                shown,
                format_args!("Member must have length less than or equal to {to}"),
            );
        }
    }

    /// Text must have a form, which `pattern` describes.
    pub(crate) fn pattern(
        &mut self,
        field: &str,
        value: Option<&str>,
        pattern: &str,
        matches: impl Fn(&str) -> bool,
    ) {
        if let Some(value) = value
            && !matches(value)
        {
            self.fails(
                field,
                value,
                format_args!("Member must satisfy regular expression pattern: {pattern}"),
            );
        }
    }

    /// Text must be one of a few values.
    pub(crate) fn one_of(&mut self, field: &str, value: Option<&str>, allowed: &[&str]) {
        if let Some(value) = value
            && !allowed.contains(&value)
        {
            let allowed = allowed.join(", ");
            self.fails(
                field,
                value,
                format_args!("Member must satisfy enum value set: [{allowed}]"),
            );
        }
    }

    fn fails(&mut self, field: &str, value: impl Display, constraint: impl Display) {
        const SHOWN: usize = 200;

        let value: String = value.to_string().chars().take(SHOWN).collect();
        self.problems.push(format!(
            "Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
        ));
    }

    /// # Errors
    ///
    /// ValidationException if anything is wrong.
    pub(crate) fn finish(self) -> Result<(), KinesisError> {
        let count = self.problems.len();
        if count == 0 {
            return Ok(());
        }
        let errors = if count == 1 { "error" } else { "errors" };
        let problems = self.problems.join("; ");
        Err(KinesisError::new(
            ErrorCode::ValidationException,
            format!("{count} validation {errors} detected: {problems}"),
        ))
    }
}

/// The form of a stream's, a consumer's or a shard's name: 1 to 128 of `[a-zA-Z0-9_.-]`.
pub(crate) const NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";

pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_each_field() {
        let mut checks = FieldChecks::default();
        checks.required::<String>("shardId", None);
        checks.range("limit", Some(0), 1, 10_000);
        checks.length("partitionKey", Some(&"ü".repeat(256)), 1, 256);
        checks.length("partitionKey", Some(&"ü".repeat(257)), 1, 256);
        checks.pattern("streamName", Some("a b"), NAME_PATTERN, is_name);
        checks.one_of("type", Some("KMS"), &["NONE", "KMS"]);
        let error = checks.finish().unwrap_err();
        assert_eq!(error.code(), ErrorCode::ValidationException);
        let message = error.message();
        assert!(message.starts_with("4 validation errors detected: Value null at 'shardId'"));
        for part in [
            "'0' at 'limit'",
            "at 'partitionKey'",
            "less than or equal to 256",
            "'a b' at 'streamName'",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(FieldChecks::default().finish(), Ok(()));
    }
}
