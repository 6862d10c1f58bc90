//! Choices for a test to build its input from, one byte each.
//!
//! A generator that reads its choices from a tape is plain code, shrinks with the tape, and serves a
//! property test and a fuzzer alike. Past its end a tape gives zeros, and a zero is the plainest
//! choice, so a short tape makes a plain input.

#![allow(dead_code, reason = "not every test makes every kind of choice")]

/// Bytes to choose by.
pub(crate) struct Tape<'a> {
    bytes: &'a [u8],
}

impl<'a> Tape<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next byte, or 0 past the end.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    /// A number below `bound`, which is at most 256.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// True once in `times`; never past the end. `times` is 2 to 256.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// One of `choices`, of which the first is the plainest.
    pub(crate) fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A number of any size.
    pub(crate) fn number(&mut self) -> u64 {
        let bytes: [u8; 8] = std::array::from_fn(|_| self.byte());
        u64::from_le_bytes(bytes) >> (8 * self.below(8))
    }

    /// Up to `longest` bytes of the tape as they are; `longest` is below 256.
    pub(crate) fn piece(&mut self, longest: usize) -> &'a [u8] {
        let length = self.below(longest + 1).min(self.bytes.len());
        let (piece, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        piece
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    /// Swaps the items about; a tape of zeros leaves them in their order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in 0..items.len() {
            let other = place + self.below(items.len() - place);
            items.swap(place, other);
        }
    }

    /// Damages `bytes` up to `most` times: a byte set, put in or taken out, a bit turned over, a
    /// piece repeated, or the end cut off.
    pub(crate) fn damage(&mut self, bytes: &mut Vec<u8>, most: usize) {
        for _ in 0..self.below(most + 1) {
            let place = usize::from(self.byte()) * 256 + usize::from(self.byte());
            let place = place % (bytes.len() + 1);
            let kind = self.below(6);
            if kind == 0 {
                bytes.insert(place, self.byte());
                continue;
            }
            if place == bytes.len() {
                continue;
            }
            match kind {
                1 => bytes[place] = self.byte(),
                2 => bytes[place] ^= 1 << self.below(8),
                3 => drop(bytes.remove(place)),
                4 => {
                    let end = bytes.len().min(place + self.below(32));
                    let piece = bytes[place..end].to_vec();
                    bytes.splice(place..place, piece);
                }
                _ => bytes.truncate(place),
            }
        }
    }
}
