//! The fold as the JSON that Lambda carries between invocations: `{"version":1,"data":"..."}`.
//!
//! Every published version can be read. One release adds the code to read a new version, and only a
//! later release writes it. A deployment or rollback in the middle of a window therefore always
//! finds a state that it can read.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use unicorn::totals::Totals;
use windrow_core::codec::CodecError;
use windrow_core::fold::{Fold, StateLimits};

/// The fold of a shard's open window.
pub type WindowFold = Fold<String, Totals>;

/// Decodes the data of one version.
type Decode = fn(&str, StateLimits) -> Result<WindowFold, CodecError>;

/// The versions that this release reads.
const READ: &[(u32, Decode)] = &[(WRITTEN, WindowFold::decode)];

/// The version that this release writes.
const WRITTEN: u32 = 1;

/// A window state that cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// It does not have the form of a state.
    #[error("the window's state is not {{\"version\":..,\"data\":..}}")]
    Shape(#[source] serde_json::Error),
    /// It has a version that this release does not know.
    #[error(
        "the window's state has version {found}, and this release reads {newest} at most: deploy \
         the release that wrote it, or a later one"
    )]
    Version {
        /// The version of the state.
        found: u32,
        /// The newest version that this release reads.
        newest: u32,
    },
    /// Its data is damaged.
    #[error("the window's state cannot be read")]
    Data(#[from] CodecError),
    /// The new state cannot be written.
    #[error("the window's state cannot be written")]
    Write(#[source] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    version: u32,
    data: &'a str,
}

/// Reads the state of an event.
///
/// # Errors
///
/// [`StateError`] if the state has another form, an unknown version, or damaged data.
pub fn read(state: &RawValue, limits: StateLimits) -> Result<WindowFold, StateError> {
    read_any(state, limits, READ)
}

fn read_any(
    state: &RawValue,
    limits: StateLimits,
    versions: &[(u32, Decode)],
) -> Result<WindowFold, StateError> {
    let envelope: Envelope<'_> = serde_json::from_str(state.get()).map_err(StateError::Shape)?;
    let found = envelope.version;
    let Some((_, decode)) = versions.iter().find(|(version, _)| *version == found) else {
        let newest = versions.iter().map(|(version, _)| *version).max();
        let newest = newest.unwrap_or_default();
        return Err(StateError::Version { found, newest });
    };
    Ok(decode(envelope.data, limits)?)
}

/// Writes the state for the next invocation.
///
/// # Errors
///
/// [`StateError::Write`] if the state cannot be written as JSON.
pub fn write(fold: &WindowFold) -> Result<Box<RawValue>, StateError> {
    write_data(WRITTEN, &fold.encode())
}

fn write_data(version: u32, data: &str) -> Result<Box<RawValue>, StateError> {
    serde_json::value::to_raw_value(&Envelope { version, data }).map_err(StateError::Write)
}

/// The state after a window's final invocation: an empty object, which Lambda requires.
///
/// # Errors
///
/// [`StateError::Write`] if the state cannot be written as JSON.
pub fn empty() -> Result<Box<RawValue>, StateError> {
    RawValue::from_string("{}".to_owned()).map_err(StateError::Write)
}

#[cfg(test)]
mod tests {
    use windrow_core::fold::RecordStep;

    use super::*;

    /// A release: the versions it reads, and how it writes its own.
    struct Release {
        read: &'static [(u32, Decode)],
        written: u32,
    }

    /// Stands for a later version: the data of version 1 behind a mark.
    fn decode_next(data: &str, limits: StateLimits) -> Result<WindowFold, CodecError> {
        let data = data
            .strip_prefix('+')
            .ok_or(CodecError::Malformed("no mark"))?;
        WindowFold::decode(data, limits)
    }

    const BOTH: &[(u32, Decode)] = &[(1, WindowFold::decode), (2, decode_next)];

    impl Release {
        /// One invocation that folds a record.
        fn invoke(&self, state: &RawValue, record: &str) -> Result<Box<RawValue>, StateError> {
            let mut fold = read_any(state, StateLimits::default(), self.read)?;
            assert_eq!(fold.begin_record(record).unwrap(), RecordStep::Fold);
            let mark = if self.written == 2 { "+" } else { "" };
            write_data(self.written, &format!("{mark}{}", fold.encode()))
        }
    }

    #[test]
    fn a_window_survives_an_upgrade_and_a_rollback() {
        let first = Release {
            read: READ,
            written: 1,
        };
        let reads_next = Release {
            read: BOTH,
            written: 1,
        };
        let writes_next = Release {
            read: BOTH,
            written: 2,
        };
        let releases = [
            &first,
            &reads_next,
            &writes_next,
            &reads_next,
            &first,
            &reads_next,
            &writes_next,
        ];
        let mut state = write(&WindowFold::new(StateLimits::default())).unwrap();
        for (record, release) in releases.iter().enumerate() {
            state = release.invoke(&state, &record.to_string()).unwrap();
        }
        let mut fold = read_any(&state, StateLimits::default(), BOTH).unwrap();
        for record in 0..releases.len() {
            let step = fold.begin_record(&record.to_string()).unwrap();
            assert_eq!(step, RecordStep::Skip, "{record}");
        }
        // A rollback by two releases, which the rule above rules out, loses nothing: it fails.
        let error = first.invoke(&state, "9").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the window's state has version 2, and this release reads 1 at most: deploy the \
             release that wrote it, or a later one"
        );
    }
}
