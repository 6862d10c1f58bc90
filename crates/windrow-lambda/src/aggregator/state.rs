//! The fold as the JSON that Lambda carries between invocations: `{"version":2,"data":"..."}`.
//!
//! Every published version can be read. One release adds the code to read a new version, and only a
//! later release writes it. A deployment or rollback in the middle of a window therefore always
//! finds a state that it can read. After a rollback, the older release writes the previous version
//! and drops what that version cannot hold: see [`StateVersion`].

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use unicorn::totals::Totals;
use windrow_core::codec::CodecError;
use windrow_core::fold::{Fold, StateLimits, StateVersion};

/// The fold of a shard's open window.
pub type WindowFold = Fold<String, Totals>;

/// The version that this release writes.
const WRITTEN: StateVersion = StateVersion::V2;

/// A window state that cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// It does not have the form of a state.
    #[error("the window's state is not {{\"version\":..,\"data\":..}}")]
    Shape(#[source] serde_json::Error),
    /// It has a version that this release does not know.
    #[error("the window's state has version {0}; this release reads versions 1 and 2")]
    Version(u32),
    /// Its data is damaged.
    #[error("the window's state cannot be read")]
    Data(#[from] CodecError),
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
    let envelope: Envelope<'_> = serde_json::from_str(state.get()).map_err(StateError::Shape)?;
    let version = match envelope.version {
        1 => StateVersion::V1,
        2 => StateVersion::V2,
        other => return Err(StateError::Version(other)),
    };
    Ok(WindowFold::decode_version(envelope.data, version, limits)?)
}

/// Writes the state for the next invocation.
///
/// # Errors
///
/// [`StateError::Shape`] if the state cannot be written as JSON.
pub fn write(fold: &WindowFold) -> Result<Box<RawValue>, StateError> {
    write_version(fold, WRITTEN)
}

/// Like [`write()`], but in the given version: an older one is what the previous release writes.
///
/// # Errors
///
/// [`StateError::Shape`] if the state cannot be written as JSON.
pub fn write_version(
    fold: &WindowFold,
    version: StateVersion,
) -> Result<Box<RawValue>, StateError> {
    let data = &fold.encode_version(version);
    let version = match version {
        StateVersion::V1 => 1,
        StateVersion::V2 => 2,
    };
    serde_json::value::to_raw_value(&Envelope { version, data }).map_err(StateError::Shape)
}

/// The state after a window's final invocation: an empty object, which Lambda requires.
///
/// # Errors
///
/// [`StateError::Shape`] if the state cannot be written as JSON.
pub fn empty() -> Result<Box<RawValue>, StateError> {
    RawValue::from_string("{}".to_owned()).map_err(StateError::Shape)
}
