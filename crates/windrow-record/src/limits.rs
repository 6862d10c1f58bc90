//! What a record may unpack to.

/// How many bytes a record may unpack to, all layers and user records together: 16 MiB.
///
/// It is 16 times the largest record that a stream accepts by default, and JSON readings compress to
/// about a fifth. A function with 256 MB of memory holds that much, and the rows of the 130,000 keys
/// that can be in it.
pub const MOST_UNPACKED: usize = 16 * 1024 * 1024;

/// How many times data may be compressed. Once around an aggregated record and once around each of
/// its user records is plausible.
pub const MOST_LAYERS: usize = 4;
