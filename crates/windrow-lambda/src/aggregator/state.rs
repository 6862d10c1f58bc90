//! The fold as the JSON that travels between invocations: `{"version":2,"data":"..."}`.
//!
//! Every version that was ever published can be read. A new version is first read by one release
//! and written by a later one, so a deployment or a rollback in the middle of a window finds a
//! state that it can read. A release that is rolled back to writes the version before and so
//! drops what that version cannot hold: see [`StateVersion`].

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use unicorn::totals::Totals;
use windrow_core::codec::CodecError;
use windrow_core::fold::{Fold, StateLimits, StateVersion};

/// A shard's open window.
pub type WindowFold = Fold<String, Totals>;

/// The version that is written.
const WRITTEN: StateVersion = StateVersion::V2;

/// A state that cannot be gone on with.
#[derive(Debug, Error)]
pub enum StateError {
    /// It has not the shape of a state.
    #[error("the window's state is not {{\"version\":..,\"data\":..}}")]
    Shape(#[source] serde_json::Error),
    /// It was written by a release that this one does not know.
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

/// Reads the state that an event brought.
///
/// # Errors
///
/// [`StateError`].
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
/// [`StateError`].
pub fn write(fold: &WindowFold) -> Result<Box<RawValue>, StateError> {
    write_version(fold, WRITTEN)
}

/// The same in the form of a version, as the release before this one writes it.
///
/// # Errors
///
/// [`StateError`].
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

/// The state after a window's last invocation: nothing, in an object as Lambda wants it.
///
/// # Errors
///
/// [`StateError`].
pub fn empty() -> Result<Box<RawValue>, StateError> {
    RawValue::from_string("{}".to_owned()).map_err(StateError::Shape)
}
