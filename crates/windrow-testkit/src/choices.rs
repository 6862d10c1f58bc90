//! A generator's choices, drawn from bytes.
//!
//! A generator that draws from [`Choices`] is ordinary code, shrinks with its bytes, and works for
//! property tests and fuzzers. After the end of the bytes every choice is zero, which is the
//! simplest one, so few bytes generate a simple input.

use arbitrary::Unstructured;

/// Choices drawn from bytes.
#[derive(Debug)]
pub struct Choices<'a>(Unstructured<'a>);

impl<'a> Choices<'a> {
    /// The choices in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    /// The next byte, or 0 after the end.
    pub fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or_default()
    }

    /// A number below `bound`, which is 1 to 256.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.int_in_range(0..=bound - 1).unwrap_or_default()
    }

    /// True once in `times`, and never after the end. `times` is 2 to 256.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// One of `choices`, of which the first should be the simplest.
    pub fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A number of any size.
    pub fn number(&mut self) -> u64 {
        let number: u64 = self.0.arbitrary().unwrap_or_default();
        number >> (8 * self.below(8))
    }

    /// Up to `longest` raw bytes; `longest` is below 256.
    pub fn piece(&mut self, longest: usize) -> &'a [u8] {
        let length = self.below(longest + 1).min(self.0.len());
        self.0.bytes(length).unwrap_or_default()
    }

    /// All remaining bytes.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::replace(&mut self.0, Unstructured::new(&[])).take_rest()
    }

    /// Shuffles the items; zeros leave them in order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in 0..items.len() {
            let other = index + self.below(items.len() - index);
            items.swap(index, other);
        }
    }

    /// Damages `bytes` up to `most` times: sets, inserts or removes a byte, flips a bit, repeats a
    /// piece, or truncates.
    pub fn damage(&mut self, bytes: &mut Vec<u8>, most: usize) {
        for _ in 0..self.below(most + 1) {
            let index = usize::from(self.byte()) * 256 + usize::from(self.byte());
            let index = index % (bytes.len() + 1);
            let kind = self.below(6);
            if kind == 0 {
                bytes.insert(index, self.byte());
                continue;
            }
            if index == bytes.len() {
                continue;
            }
            match kind {
                1 => bytes[index] = self.byte(),
                2 => bytes[index] ^= 1 << self.below(8),
                3 => drop(bytes.remove(index)),
                4 => {
                    let end = bytes.len().min(index + self.below(32));
                    let piece = bytes[index..end].to_vec();
                    bytes.splice(index..index, piece);
                }
                _ => bytes.truncate(index),
            }
        }
    }
}
