//! The fold as the JSON that Lambda carries between invocations:
//! `{"version":1,"schema":"...","data":"..."}`.
//!
//! Every published version can be read. One release adds the code to read a new version, and only a
//! later release writes it. A deployment or rollback in the middle of a window therefore always
//! finds a state that it can read.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use windrow_core::codec::CodecError;
use windrow_core::fold::{Fold, StateLimits};
use windrow_core::sensor::Sensor;

/// The fold of a shard's open window, by the text of the key.
pub type WindowFold<S> = Fold<String, <S as Sensor>::Accumulator>;

/// Decodes the data of one version.
type Decode<S> = fn(&str, StateLimits) -> Result<WindowFold<S>, CodecError>;

/// The versions that this release reads.
fn read_versions<S: Sensor>() -> [(u32, Decode<S>); 1] {
    [(WRITTEN, WindowFold::<S>::decode)]
}

/// The version that this release writes.
const WRITTEN: u32 = 1;

/// A window state that cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// It does not have the form of a state.
    #[error("the window's state is not {{\"version\":..,\"schema\":..,\"data\":..}}")]
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
    /// It was written for other columns.
    #[error(
        "the window's state was written for a sensor with other columns: deploy that one again, or \
         create a new event source mapping that starts before the window, which computes it anew"
    )]
    Schema,
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
    #[serde(default)]
    schema: &'a str,
    data: &'a str,
}

/// Reads the state of an event.
///
/// # Errors
///
/// [`StateError`] if the state has another form, an unknown version, or damaged data.
pub fn read<S: Sensor>(
    sensor: &S,
    state: &RawValue,
    limits: StateLimits,
) -> Result<WindowFold<S>, StateError> {
    read_any(sensor, state, limits, &read_versions::<S>())
}

fn read_any<S: Sensor>(
    sensor: &S,
    state: &RawValue,
    limits: StateLimits,
    versions: &[(u32, Decode<S>)],
) -> Result<WindowFold<S>, StateError> {
    let envelope: Envelope<'_> = serde_json::from_str(state.get()).map_err(StateError::Shape)?;
    let found = envelope.version;
    let Some((_, decode)) = versions.iter().find(|(version, _)| *version == found) else {
        let newest = versions.iter().map(|(version, _)| *version).max();
        let newest = newest.unwrap_or_default();
        return Err(StateError::Version { found, newest });
    };
    if envelope.schema != sensor.schema().fingerprint() {
        return Err(StateError::Schema);
    }
    Ok(decode(envelope.data, limits)?)
}

/// Writes the state for the next invocation.
///
/// # Errors
///
/// [`StateError::Write`] if the state cannot be written as JSON.
pub fn write<S: Sensor>(sensor: &S, fold: &WindowFold<S>) -> Result<Box<RawValue>, StateError> {
    write_data(sensor, WRITTEN, &fold.encode())
}

fn write_data(sensor: &impl Sensor, version: u32, data: &str) -> Result<Box<RawValue>, StateError> {
    let envelope = Envelope {
        version,
        schema: sensor.schema().fingerprint(),
        data,
    };
    serde_json::value::to_raw_value(&envelope).map_err(StateError::Write)
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
    use unicorn::sensor::Unicorn;
    use windrow_core::fold::RecordStep;
    use windrow_core::sensor::{DeclaredSensor, Field};
    use windrow_core::value::ColumnType;

    use super::*;

    type UnicornFold = WindowFold<Unicorn>;

    /// A release: the versions it reads, and how it writes its own.
    struct Release {
        read: Vec<(u32, Decode<Unicorn>)>,
        written: u32,
    }

    /// Stands for a later version: the data of version 1 behind a mark.
    fn decode_next(data: &str, limits: StateLimits) -> Result<UnicornFold, CodecError> {
        let data = data
            .strip_prefix('+')
            .ok_or(CodecError::Malformed("no mark"))?;
        UnicornFold::decode(data, limits)
    }

    fn both() -> Vec<(u32, Decode<Unicorn>)> {
        vec![(1, UnicornFold::decode), (2, decode_next)]
    }

    impl Release {
        /// One invocation that folds a record.
        fn invoke(&self, state: &RawValue, record: &str) -> Result<Box<RawValue>, StateError> {
            let mut fold = read_any(&Unicorn, state, StateLimits::default(), &self.read)?;
            assert!(fold.begin_record(record).unwrap().into_record().is_some());
            let mark = if self.written == 2 { "+" } else { "" };
            write_data(&Unicorn, self.written, &format!("{mark}{}", fold.encode()))
        }
    }

    #[test]
    fn a_window_survives_an_upgrade_and_a_rollback() {
        let first = Release {
            read: read_versions::<Unicorn>().into(),
            written: 1,
        };
        let reads_next = Release {
            read: both(),
            written: 1,
        };
        let writes_next = Release {
            read: both(),
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
        let mut state = write(&Unicorn, &UnicornFold::new(StateLimits::default())).unwrap();
        for (record, release) in releases.iter().enumerate() {
            state = release.invoke(&state, &record.to_string()).unwrap();
        }
        let mut fold = read_any(&Unicorn, &state, StateLimits::default(), &both()).unwrap();
        for record in 0..releases.len() {
            let step = fold.begin_record(&record.to_string()).unwrap();
            assert!(matches!(step, RecordStep::Skip), "{record}");
        }
        // A rollback by two releases, which the rule above rules out, loses nothing: it fails.
        let error = first.invoke(&state, "9").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the window's state has version 2, and this release reads 1 at most: deploy the \
             release that wrote it, or a later one"
        );
    }

    #[test]
    fn a_state_for_other_columns_is_not_read() {
        let state = write(&Unicorn, &UnicornFold::new(StateLimits::default())).unwrap();
        let field = Field::new("Name", ColumnType::Text).key();
        let other = DeclaredSensor::new(vec![field]).unwrap();
        let error = read(&other, &state, StateLimits::default()).unwrap_err();
        assert!(matches!(error, StateError::Schema), "{error}");
    }
}
