//! Unpacks a record, layer by layer.

use crate::compression::{Format, decompress};
use crate::error::UnpackError;
use crate::kpl;
use crate::limits::{MOST_LAYERS, MOST_UNPACKED};

/// A user record's place in an aggregated record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// The partition key that the producer set for the user record.
    pub partition_key: &'a str,
    /// Its index in the aggregated record, from 0, as the Kinesis Client Library counts.
    pub sub_sequence_number: u64,
}

/// Data that was packed into a record; the record itself, if nothing was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The data as the producer made it, or why it cannot be had.
    pub data: Result<&'a [u8], UnpackError>,
    /// The data as it was sent: of the whole record, or of the user record. It is the same as
    /// `data` if it was not compressed.
    pub sent: &'a [u8],
    /// Which user record it is; `None` if the record is not an aggregated one.
    pub user_record: Option<UserRecord<'a>>,
}

impl Payload<'_> {
    /// Whether something was packed: the payload is not the record as it was sent.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        let is_sent = |data| std::ptr::eq(data, self.sent);
        self.user_record.is_some() || !self.data.as_ref().is_ok_and(|data| is_sent(*data))
    }
}

/// Unpacks records, and keeps its buffers from one to the next.
#[derive(Debug, Default)]
pub struct Unpacker {
    record: Layers,
    user_record: Layers,
}

impl Unpacker {
    /// Passes each payload of `record` to `take`, in order. There is at least one.
    ///
    /// A record that cannot be unpacked is one payload with an error, and so is a user record:
    /// those beside it are not affected. An aggregated record whose checksum or structure is broken
    /// is one payload as a whole.
    #[inline]
    pub fn unpack(&mut self, record: &[u8], take: impl FnMut(Payload<'_>)) {
        self.unpack_checked(record, false, take);
    }

    /// Like [`unpack`](Self::unpack), without checking the digest of an aggregated record again if
    /// it `is_digest_right`, as [`check_digests`](kpl::check_digests) has found.
    #[inline]
    pub fn unpack_checked(
        &mut self,
        record: &[u8],
        is_digest_right: bool,
        mut take: impl FnMut(Payload<'_>),
    ) {
        if !is_packed(record) {
            return take(Payload {
                data: Ok(record),
                sent: record,
                user_record: None,
            });
        }
        self.unpack_packed(record, is_digest_right, &mut take);
    }

    fn unpack_packed(
        &mut self,
        record: &[u8],
        is_digest_right: bool,
        take: &mut dyn FnMut(Payload<'_>),
    ) {
        let mut budget = MOST_UNPACKED;
        let whole = |data| Payload {
            data,
            sent: record,
            user_record: None,
        };
        let data = match self.record.decompress(record, &mut budget) {
            Ok(data) => data,
            Err(error) => return take(whole(Err(error))),
        };
        if !kpl::is_aggregated(data) {
            return take(whole(Ok(data)));
        }
        let aggregated = if is_digest_right {
            kpl::Aggregated::read_checked(data)
        } else {
            kpl::Aggregated::read(data)
        };
        let aggregated = match aggregated {
            Ok(aggregated) => aggregated,
            Err(error) => return take(whole(Err(error.into()))),
        };
        for (sub_sequence_number, (partition_key, sent)) in (0..).zip(aggregated.user_records()) {
            let data = match self.user_record.decompress(sent, &mut budget) {
                Ok(data) if kpl::is_aggregated(data) => Err(UnpackError::NestedAggregate),
                data => data,
            };
            take(Payload {
                data,
                sent,
                user_record: Some(UserRecord {
                    partition_key,
                    sub_sequence_number,
                }),
            });
        }
    }
}

fn is_packed(data: &[u8]) -> bool {
    Format::of(data).is_some() || kpl::is_aggregated(data)
}

/// Two buffers, for compressed data inside compressed data.
#[derive(Debug, Default)]
struct Layers {
    output: Vec<u8>,
    input: Vec<u8>,
}

impl Layers {
    /// Undoes the compression of `data`, however often it was compressed. Takes what it unpacks
    /// from `budget`.
    fn decompress<'a>(
        &'a mut self,
        data: &'a [u8],
        budget: &mut usize,
    ) -> Result<&'a [u8], UnpackError> {
        let Some(format) = Format::of(data) else {
            return Ok(data);
        };
        match decompress(format, data, *budget, &mut self.output) {
            // Text that happens to start like zlib.
            Err(_) if format == Format::Zlib && str::from_utf8(data).is_ok() => return Ok(data),
            unpacked => unpacked?,
        }
        *budget -= self.output.len();
        for _ in 1..MOST_LAYERS {
            let Some(format) = Format::of(&self.output) else {
                return Ok(&self.output);
            };
            std::mem::swap(&mut self.output, &mut self.input);
            match decompress(format, &self.input, *budget, &mut self.output) {
                Err(_) if format == Format::Zlib && str::from_utf8(&self.input).is_ok() => {
                    return Ok(&self.input);
                }
                unpacked => unpacked?,
            }
            *budget -= self.output.len();
        }
        match Format::of(&self.output) {
            Some(_) => Err(UnpackError::TooDeep),
            None => Ok(&self.output),
        }
    }
}
