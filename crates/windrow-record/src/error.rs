//! Why a record cannot be unpacked.

use thiserror::Error;

use crate::kpl::KplError;
use crate::limits::{MOST_LAYERS, MOST_UNPACKED};

/// Why a record or a user record cannot be unpacked. The same bytes always fail for the same
/// reason.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UnpackError {
    /// The compressed data is corrupt, or something follows zlib or Zstandard data.
    #[error("the {format} data is corrupt")]
    Corrupt {
        /// The name of the compression format.
        format: &'static str,
    },
    /// The compressed data ends too early.
    #[error("the {format} data is truncated")]
    Truncated {
        /// The name of the compression format.
        format: &'static str,
    },
    /// The record unpacks to more than the limit.
    #[error("the record unpacks to more than {MOST_UNPACKED} bytes")]
    TooLarge,
    /// The data is compressed again and again.
    #[error("the data is compressed more than {MOST_LAYERS} times")]
    TooDeep,
    /// The data is an aggregated record inside another one.
    #[error("the user record is itself an aggregated record")]
    NestedAggregate,
    /// The data is not a valid aggregated record.
    #[error(transparent)]
    Kpl(#[from] KplError),
}
