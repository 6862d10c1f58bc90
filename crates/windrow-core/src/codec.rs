//! The compact form of a state: compressed columns, as text.
//!
//! Values of one kind are stored together (all keys, then all counts, then all sums, ...), so that
//! a general-purpose compressor finds their similarities. Integers are LEB128 varints; signed ones
//! are zigzag-encoded. The bytes are compressed with zstd and written in base64, since a Lambda
//! function's state is JSON.
//!
//! Any text is safe to read: invalid text is a [`CodecError`], never a panic. The reader sets a
//! limit in bytes. No more bytes are decompressed, and the number of values is limited to a
//! sixteenth of it, since a value of one byte takes many times as much memory once it is read.

use thiserror::Error;

use crate::aggregate::{Count, Max, Merge, Min, Sum};

/// Why a text is not a state.
#[derive(Debug, Error)]
pub enum CodecError {
    /// The text is not base64.
    #[error("the state is not base64")]
    Base64,
    /// The bytes are not one zstd frame of the announced length.
    #[error("the state cannot be decompressed")]
    Compression(#[source] std::io::Error),
    /// The announced length is over the reader's limit.
    #[error("the state would take {length} bytes, more than the {limit} allowed")]
    TooLong {
        /// The announced length, in bytes.
        length: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The columns are too short, too long, or hold an invalid value.
    #[error("the state is broken: {0}")]
    Malformed(&'static str),
}

/// Writes columns.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Appends an unsigned integer.
    pub fn unsigned(&mut self, mut value: u128) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Appends a signed integer. The encoding is short for small absolute values.
    pub fn signed(&mut self, value: i128) {
        self.unsigned(zigzag(value));
    }

    /// Appends raw bytes, without their length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Compresses everything written and encodes it as text.
    pub fn pack(self) -> String {
        let mut packed = Encoder::default();
        packed.unsigned(self.bytes.len() as u128);
        // Compressing to memory at a valid level does not fail. If it did, `Decoder::unpack` would
        // reject the empty text.
        let Ok(compressed) = zstd::bulk::compress(&self.bytes, LEVEL) else {
            return String::new();
        };
        packed.raw(&compressed);
        base64_simd::STANDARD.encode_to_string(&packed.bytes)
    }
}

/// Zstd's own default; higher levels gain little on columns this short.
const LEVEL: i32 = 3;

fn zigzag(value: i128) -> u128 {
    ((value << 1) ^ (value >> 127)) as u128
}

/// How many bytes [`Encoder::unsigned`] takes for `value`.
pub(crate) fn unsigned_len(value: u128) -> usize {
    let bits = 128 - value.leading_zeros() as usize;
    bits.div_ceil(7).max(1)
}

/// Reads columns.
#[derive(Debug)]
pub struct Decoder {
    bytes: Vec<u8>,
    at: usize,
    /// How many more values may be read.
    values: usize,
}

/// How many bytes of the limit allow one value.
const BYTES_PER_VALUE: usize = 16;

impl Decoder {
    /// Decodes the text that [`Encoder::pack`] returned. A state of more than `limit` bytes is
    /// rejected before it is decompressed.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the text or the bytes are not what an [`Encoder`] wrote.
    pub fn unpack(text: &str, limit: usize) -> Result<Self, CodecError> {
        let bytes = base64_simd::STANDARD
            .decode_to_vec(text)
            .map_err(|_| CodecError::Base64)?;
        let mut packed = Decoder {
            bytes,
            at: 0,
            values: 0,
        };
        let length = packed.unsigned()?;
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        if length > limit as u64 {
            return Err(CodecError::TooLong { length, limit });
        }
        let bytes = zstd::bulk::decompress(&packed.bytes[packed.at..], length as usize)
            .map_err(CodecError::Compression)?;
        if bytes.len() as u64 != length {
            return Err(CodecError::Malformed("its length is not the announced one"));
        }
        Ok(Decoder {
            bytes,
            at: 0,
            values: limit / BYTES_PER_VALUE,
        })
    }

    /// Reads an unsigned integer.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the text or the bytes are not what an [`Encoder`] wrote.
    pub fn unsigned(&mut self) -> Result<u128, CodecError> {
        let mut value = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.raw(1)?[0];
            let bits = u128::from(byte & 0x7f);
            if shift == 126 && bits > 3 {
                return Err(CodecError::Malformed("an integer is longer than 128 bits"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(CodecError::Malformed("an integer is longer than 128 bits"))
    }

    /// Reads a signed integer.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the text or the bytes are not what an [`Encoder`] wrote.
    pub fn signed(&mut self) -> Result<i128, CodecError> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i128 ^ -((value & 1) as i128))
    }

    /// Reads an unsigned integer of a narrower type.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the text or the bytes are not what an [`Encoder`] wrote.
    pub fn unsigned_as<T: TryFrom<u128>>(&mut self) -> Result<T, CodecError> {
        let value = self.unsigned()?;
        T::try_from(value).map_err(|_| CodecError::Malformed("an integer is out of range"))
    }

    /// Reads a signed integer of a narrower type.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the text or the bytes are not what an [`Encoder`] wrote.
    pub fn signed_as<T: TryFrom<i128>>(&mut self) -> Result<T, CodecError> {
        let value = self.signed()?;
        T::try_from(value).map_err(|_| CodecError::Malformed("an integer is out of range"))
    }

    /// Reads the number of values in a column.
    ///
    /// Each value takes at least one byte, so a number over the remaining bytes is rejected and no
    /// reader reserves memory for values that are missing. The sum of all counts is at most a
    /// sixteenth of the limit in bytes.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the text or the bytes are not what an [`Encoder`] wrote.
    pub fn count(&mut self) -> Result<usize, CodecError> {
        let count: usize = self.unsigned_as()?;
        if count > self.bytes.len() - self.at {
            return Err(CodecError::Malformed("a column is longer than the state"));
        }
        self.reserve(count)?;
        Ok(count)
    }

    /// Counts `count` values towards the limit, for a column whose length is known already.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if there are more values than the limit allows.
    pub(crate) fn reserve(&mut self, count: usize) -> Result<(), CodecError> {
        let left = self.values.checked_sub(count);
        self.values = left.ok_or(CodecError::Malformed("it has too many values"))?;
        Ok(())
    }

    /// Reads `length` raw bytes.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the text or the bytes are not what an [`Encoder`] wrote.
    pub fn raw(&mut self, length: usize) -> Result<&[u8], CodecError> {
        let end = self.at.checked_add(length);
        let Some(bytes) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(CodecError::Malformed("it ends in the middle of a column"));
        };
        self.at += length;
        Ok(bytes)
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the text or the bytes are not what an [`Encoder`] wrote.
    pub fn finish(self) -> Result<(), CodecError> {
        if self.at != self.bytes.len() {
            return Err(CodecError::Malformed("it has bytes after its last column"));
        }
        Ok(())
    }
}

/// A type whose values are stored as columns.
pub trait Columnar: Sized {
    /// Writes all `values`. Every value must take at least one byte.
    fn write(values: &[&Self], out: &mut Encoder);

    /// Reads `count` values back.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the text or the bytes are not what an [`Encoder`] wrote.
    fn read(count: usize, input: &mut Decoder) -> Result<Vec<Self>, CodecError>;

    /// How many bytes [`write`](Self::write) takes for this value beyond the 64 that a fold reckons
    /// with for any accumulator, at most.
    fn cost(&self) -> usize {
        0
    }
}

impl Columnar for String {
    fn write(values: &[&Self], out: &mut Encoder) {
        for value in values {
            out.unsigned(value.len() as u128);
        }
        for value in values {
            out.raw(value.as_bytes());
        }
    }

    fn read(count: usize, input: &mut Decoder) -> Result<Vec<Self>, CodecError> {
        let lengths: Vec<usize> = (0..count)
            .map(|_| input.unsigned_as())
            .collect::<Result<_, _>>()?;
        let text = |length| {
            let text = std::str::from_utf8(input.raw(length)?);
            text.map(str::to_owned)
                .map_err(|_| CodecError::Malformed("a text is not UTF-8"))
        };
        lengths.into_iter().map(text).collect()
    }
}

macro_rules! integer {
    ($($name:ty)+) => {$(
        impl Columnar for $name {
            fn write(values: &[&Self], out: &mut Encoder) {
                for value in values {
                    out.signed(i128::from(**value));
                }
            }

            fn read(count: usize, input: &mut Decoder) -> Result<Vec<Self>, CodecError> {
                (0..count).map(|_| input.signed_as()).collect()
            }
        }
    )+};
}

integer!(i32 i64 u32 u64);

impl Columnar for Count {
    fn write(values: &[&Self], out: &mut Encoder) {
        for count in values {
            out.unsigned(u128::from(count.value()));
        }
    }

    fn read(count: usize, input: &mut Decoder) -> Result<Vec<Self>, CodecError> {
        (0..count)
            .map(|_| input.unsigned_as().map(Count::of))
            .collect()
    }
}

impl Columnar for Sum {
    fn write(values: &[&Self], out: &mut Encoder) {
        for sum in values {
            out.signed(sum.value());
        }
    }

    fn read(count: usize, input: &mut Decoder) -> Result<Vec<Self>, CodecError> {
        (0..count).map(|_| input.signed().map(Sum::of)).collect()
    }
}

macro_rules! extreme {
    ($name:ident) => {
        /// A column of flags for the values that are present, then the values.
        impl<T: Columnar + Copy> Columnar for $name<T> {
            fn write(values: &[&Self], out: &mut Encoder) {
                let values: Vec<Option<T>> = values.iter().map(|value| value.value()).collect();
                for value in &values {
                    out.unsigned(u128::from(value.is_some()));
                }
                let present: Vec<&T> = values.iter().flatten().collect();
                T::write(&present, out);
            }

            fn read(count: usize, input: &mut Decoder) -> Result<Vec<Self>, CodecError> {
                let present = input.raw(count)?;
                if present.iter().any(|flag| *flag > 1) {
                    return Err(CodecError::Malformed("a flag is neither 0 nor 1"));
                }
                let present = present.to_vec();
                let number = present.iter().filter(|flag| **flag == 1).count();
                let mut values = T::read(number, input)?.into_iter();
                Ok(present
                    .into_iter()
                    .map(|flag| $name::of_option(if flag == 1 { values.next() } else { None }))
                    .collect())
            }
        }
    };
}

extreme!(Min);
extreme!(Max);

macro_rules! tuple {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Columnar + Merge),+> Columnar for ($($name,)+) {
            fn write(values: &[&Self], out: &mut Encoder) {
                $(
                    let column: Vec<&$name> = values.iter().map(|value| &value.$index).collect();
                    $name::write(&column, out);
                )+
            }

            #[allow(non_snake_case, reason = "each variable is named after its type parameter")]
            fn read(count: usize, input: &mut Decoder) -> Result<Vec<Self>, CodecError> {
                $(let mut $name = $name::read(count, input)?.into_iter();)+
                let row = |_| Some(($($name.next()?,)+));
                (0..count)
                    .map(row)
                    .collect::<Option<_>>()
                    .ok_or(CodecError::Malformed("a column is shorter than its neighbors"))
            }
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_decompression_bomb_is_rejected_unopened() {
        let mut encoder = Encoder::default();
        encoder.raw(&vec![0; 50_000_000]);
        let bomb = encoder.pack();
        assert!(bomb.len() < 100_000);
        let error = Decoder::unpack(&bomb, 1_000_000).unwrap_err();
        assert!(matches!(
            error,
            CodecError::TooLong {
                length: 50_000_000,
                ..
            }
        ));
    }

    #[test]
    fn a_bomb_with_a_false_length_is_rejected() {
        let mut packed = Encoder::default();
        packed.unsigned(10);
        packed.raw(&zstd::bulk::compress(&vec![0; 50_000_000], 3).unwrap());
        let text = base64_simd::STANDARD.encode_to_string(&packed.bytes);
        assert!(matches!(
            Decoder::unpack(&text, 1_000_000),
            Err(CodecError::Compression(_))
        ));
    }

    #[test]
    fn the_number_of_values_is_limited() {
        let mut encoder = Encoder::default();
        for _ in 0..3 {
            encoder.unsigned(5);
        }
        encoder.raw(&[0; 5]);
        let text = encoder.pack();
        let mut decoder = Decoder::unpack(&text, 160).unwrap();
        assert!(decoder.count().is_ok() && decoder.count().is_ok());
        let error = decoder.count().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the state is broken: it has too many values"
        );
    }

    #[test]
    fn the_empty_text_is_not_a_state() {
        assert!(Decoder::unpack("", 100).is_err());
    }

    proptest! {
        #[test]
        fn integers_round_trip(signed: i128, unsigned: u128) {
            let mut encoder = Encoder::default();
            encoder.signed(signed);
            encoder.unsigned(unsigned);
            prop_assert_eq!(
                encoder.bytes.len(),
                unsigned_len(zigzag(signed)) + unsigned_len(unsigned)
            );
            let mut decoder = Decoder::unpack(&encoder.pack(), 100).unwrap();
            prop_assert_eq!(decoder.signed().unwrap(), signed);
            prop_assert_eq!(decoder.unsigned().unwrap(), unsigned);
            decoder.finish().unwrap();
        }

        #[test]
        fn columns_round_trip(rows in proptest::collection::vec(
            (any::<u64>(), any::<i128>(), any::<Option<i32>>(), any::<Option<i64>>()), 0..40,
        ), names in proptest::collection::vec(".*", 0..20)) {
            type TestColumns = (Count, Sum, Min<i32>, Max<i64>);
            let rows: Vec<TestColumns> = rows
                .into_iter()
                .map(|(a, b, c, d)| (Count::of(a), Sum::of(b), Min::of_option(c), Max::of_option(d)))
                .collect();
            let mut encoder = Encoder::default();
            TestColumns::write(&rows.iter().collect::<Vec<_>>(), &mut encoder);
            String::write(&names.iter().collect::<Vec<_>>(), &mut encoder);
            let mut decoder = Decoder::unpack(&encoder.pack(), 1_000_000).unwrap();
            prop_assert_eq!(TestColumns::read(rows.len(), &mut decoder).unwrap(), rows);
            prop_assert_eq!(String::read(names.len(), &mut decoder).unwrap(), names);
            decoder.finish().unwrap();
        }

        #[test]
        fn any_bytes_are_an_error_or_values(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder {
                bytes,
                at: 0,
                values: 200,
            };
            if let Ok(count) = decoder.count() {
                let _ = String::read(count, &mut decoder);
                let _ = <(Count, Min<i32>)>::read(count, &mut decoder);
            }
        }

        #[test]
        fn any_text_is_an_error_or_a_state(text in "[A-Za-z0-9+/=]{0,80}") {
            let _ = Decoder::unpack(&text, 10_000);
        }
    }
}
