//! Reads the readings of records, and rejects what cannot be read.
//!
//! A record's data may be compressed, or an aggregated record of the Kinesis Producer Library, and
//! holds one reading or many. [`RecordReader`] unpacks it and passes on each reading, whatever becomes
//! of them: the aggregator folds them, and a function of an application without windows writes rows.

use std::error::Error;

use bytes::Bytes;
use windrow_core::json::FieldLayout;
use windrow_core::rejection::Rejection;
use windrow_core::sensor::{RecordReadings, Sensor};
use windrow_event::{EventRecord, Reject};
use windrow_record::{Payload, Unpacker, UserRecord};

/// How many bytes of a packed record's bad parts are rejected individually. What a record unpacks to
/// may be large, and JSON escapes a byte as up to six.
const MOST_SINGLE_PACKED_BYTES: usize = 1024 * 1024;

/// How many parts per record are rejected individually. Any further bad parts go into a single
/// reject, so that a record with a million broken parts does not produce a million rejects and
/// block its shard.
const MOST_SINGLE_REJECTS: usize = 100;

/// The stream and the shard of records.
#[derive(Clone, Copy, Debug)]
pub struct RecordPlace<'a> {
    /// The name of the stream.
    pub stream: &'a str,
    /// The ID of the shard.
    pub shard: &'a str,
}

/// Where a reading is in its shard.
#[derive(Clone, Copy, Debug)]
pub struct ReadingOrigin<'a> {
    /// The record.
    pub record: EventRecord<'a>,
    /// Which user record it is in, if the record is an aggregated one.
    pub sub_sequence_number: Option<u64>,
    /// Its index in the record, from 0, in all user records and among all parts that are rejected.
    pub index: u32,
}

/// What takes the readings of records.
pub trait ReadingTaker<S: Sensor> {
    /// Takes a reading; `None` if the sensor's filter leaves it out. Calls `reject` with the reason
    /// if all or a part of it has to be rejected.
    fn take(
        &mut self,
        sensor: &S,
        reading: Option<S::Reading<'_>>,
        place: ReadingOrigin<'_>,
        reject: impl FnMut(&Rejection),
    );
}

/// What was rejected of the records of one invocation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RejectedParts {
    /// Parts and whole records that were rejected.
    pub count: u64,
    /// The rejects, as lines for the rejects stream.
    pub lines: Vec<Bytes>,
}

/// Reads records one after the other.
#[derive(Debug, Default)]
pub struct RecordReader {
    unpacker: Unpacker,
    /// The layout of the reading before.
    layout: FieldLayout,
}

impl RecordReader {
    /// Passes the readings of `record` to `taker`, in order, and adds what cannot be read to
    /// `rejected`. If it is an aggregated record, `is_digest_right` says that its digest needs no
    /// check.
    pub fn read<S: Sensor>(
        &mut self,
        sensor: &S,
        place: RecordPlace<'_>,
        record: EventRecord<'_>,
        is_digest_right: bool,
        taker: &mut impl ReadingTaker<S>,
        rejected: &mut RejectedParts,
    ) {
        let mut rejecting = Rejecting {
            rejected,
            place,
            record,
            bad_parts: BadParts::default(),
        };
        let data = match record.data {
            Ok(data) => data,
            Err(bad) => {
                let payload = bad.text.as_bytes();
                rejecting.reject(None, &bad.to_string(), payload);
                return;
            }
        };
        let (layout, mut index) = (&mut self.layout, 0);
        let take = |payload: Payload<'_>| {
            rejecting.bad_parts.is_packed |= payload.is_packed();
            let data = match &payload.data {
                Ok(data) => *data,
                Err(error) => return rejecting.reject_part(&payload, error, payload.sent),
            };
            let mut readings = RecordReadings::new(data);
            while let Some((line, reading)) = readings.next(sensor, layout) {
                let at = ReadingOrigin {
                    record,
                    sub_sequence_number: payload
                        .user_record
                        .map(|user_record| user_record.sub_sequence_number),
                    index,
                };
                index += 1;
                match reading {
                    Ok(reading) => taker.take(sensor, reading, at, |rejection| {
                        rejecting.reject_part(&payload, rejection, line);
                    }),
                    Err(rejection) => rejecting.reject_part(&payload, &rejection, line),
                }
            }
        };
        self.unpacker.unpack_checked(data, is_digest_right, take);
        rejecting.reject_combined(data);
    }
}

/// The parts of a record that cannot be read.
#[derive(Default)]
struct BadParts {
    single: usize,
    single_bytes: usize,
    combined: u64,
    /// The combined parts, unless the record is packed.
    text: Vec<u8>,
    is_packed: bool,
}

impl BadParts {
    /// Counts a part. Returns whether it gets a reject of its own.
    fn is_single(&mut self, line: &[u8]) -> bool {
        let bytes = self.single_bytes.saturating_add(line.len());
        let fits = !self.is_packed || bytes <= MOST_SINGLE_PACKED_BYTES;
        if self.single < MOST_SINGLE_REJECTS && fits {
            self.single += 1;
            self.single_bytes = bytes;
            return true;
        }
        self.combined += 1;
        if !self.is_packed {
            self.text.extend_from_slice(line);
            self.text.push(b'\n');
        }
        false
    }
}

/// Rejects what cannot be read of one record.
struct Rejecting<'r, 'e> {
    rejected: &'r mut RejectedParts,
    place: RecordPlace<'e>,
    record: EventRecord<'e>,
    bad_parts: BadParts,
}

impl Rejecting<'_, '_> {
    fn reject(&mut self, user_record: Option<UserRecord<'_>>, reason: &str, payload: &[u8]) {
        let record = self.record;
        let rejected = Reject {
            reason,
            stream: self.place.stream,
            shard: self.place.shard,
            sequence_number: record.sequence_number,
            partition_key: user_record.map_or(record.partition_key, |user_record| {
                user_record.partition_key
            }),
            sub_sequence_number: user_record.map(|user_record| user_record.sub_sequence_number),
            arrival: record.arrival,
            payload,
        };
        self.rejected.count += 1;
        let lines = rejected.lines().into_iter();
        self.rejected.lines.extend(lines.map(Bytes::from));
    }

    fn reject_part(&mut self, payload: &Payload<'_>, reason: &dyn Error, line: &[u8]) {
        if self.bad_parts.is_single(line) {
            self.reject(payload.user_record, &reason.to_string(), line);
        }
    }

    /// Rejects the bad parts that have no reject of their own: their text, or if the record is
    /// packed, all of it as it was sent.
    fn reject_combined(&mut self, sent: &[u8]) {
        let bad_parts = std::mem::take(&mut self.bad_parts);
        if bad_parts.combined == 0 {
            return;
        }
        let mut reason = format!(
            "{} more parts of the record cannot be read",
            bad_parts.combined
        );
        let mut text = bad_parts.text.as_slice();
        if bad_parts.is_packed {
            reason.push_str("; the payload is the whole record");
            text = sent;
        }
        self.reject(None, &reason, text);
        self.rejected.count += bad_parts.combined - 1;
    }
}
