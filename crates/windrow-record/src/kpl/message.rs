//! The protobuf message of an aggregated record, field by field and without copies.
//!
//! prost would copy the message and allocate for every field, without a limit.

use prost::decode_length_delimiter;

use crate::kpl::KplError;

/// `AggregatedRecord.partition_key_table`
pub(super) const PARTITION_KEYS: u64 = 1;
/// `AggregatedRecord.explicit_hash_key_table`
pub(super) const EXPLICIT_HASH_KEYS: u64 = 2;
/// `AggregatedRecord.records`
pub(super) const RECORDS: u64 = 3;
/// `Record.partition_key_index`
pub(super) const PARTITION_KEY_INDEX: u64 = 1;
/// `Record.explicit_hash_key_index`
pub(super) const EXPLICIT_HASH_KEY_INDEX: u64 = 2;
/// `Record.data`
pub(super) const DATA: u64 = 3;

/// The largest number of a field. Source: the protobuf language specification.
const LARGEST_FIELD: u64 = (1 << 29) - 1;

/// A field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProtobufField<'a> {
    number: u64,
    value: ProtobufValue<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProtobufValue<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
    /// Fixed-width numbers, which the format does not use.
    Other,
}

impl<'a> ProtobufField<'a> {
    /// The number of the field and its value, if that is bytes.
    #[inline]
    pub(super) fn numbered_bytes(self) -> Option<(u64, &'a [u8])> {
        match self.value {
            ProtobufValue::Bytes(bytes) => Some((self.number, bytes)),
            ProtobufValue::Integer(_) | ProtobufValue::Other => None,
        }
    }

    /// The number of the field and its value, if that is an integer.
    #[inline]
    pub(super) fn numbered_integer(self) -> Option<(u64, u64)> {
        match self.value {
            ProtobufValue::Integer(integer) => Some((self.number, integer)),
            ProtobufValue::Bytes(_) | ProtobufValue::Other => None,
        }
    }
}

/// The fields of a message. An error is the last item.
#[derive(Clone, Debug)]
pub(super) struct ProtobufFields<'a> {
    rest: &'a [u8],
}

impl<'a> ProtobufFields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    #[inline]
    fn read(&mut self) -> Option<ProtobufField<'a>> {
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > LARGEST_FIELD {
            return None;
        }
        let value = match key & 7 {
            0 => ProtobufValue::Integer(self.varint()?),
            1 => self.take(8).map(|_| ProtobufValue::Other)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                ProtobufValue::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| ProtobufValue::Other)?,
            // Groups, which protobuf deprecated long before this format.
            _ => return None,
        };
        Some(ProtobufField { number, value })
    }

    #[inline]
    fn varint(&mut self) -> Option<u64> {
        // One or two bytes, as nearly all are.
        let (first, after) = self.rest.split_first()?;
        if *first < 0x80 {
            self.rest = after;
            return Some(u64::from(*first));
        }
        if let Some((second, after)) = after.split_first()
            && *second < 0x80
        {
            self.rest = after;
            return Some(u64::from(*first & 0x7f) | u64::from(*second) << 7);
        }
        // The only varint that prost reads in public is a length.
        let length = decode_length_delimiter(&mut self.rest).ok()?;
        u64::try_from(length).ok()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'a> Iterator for ProtobufFields<'a> {
    type Item = Result<ProtobufField<'a>, KplError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or(KplError::Protobuf))
    }
}
