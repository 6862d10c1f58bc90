//! A list that grows without moving what it has.

/// The values of a chunk, a power of two: so many that looking up the chunk costs nothing beside
/// reading the value, and so few that the last one wastes little memory.
const CHUNK: usize = 1024;

/// A list in chunks. A vector of millions of accumulators would copy all of them each time it
/// doubles, into memory that is touched for the first time: a fifth of the time of an archive with a
/// row per reading.
#[derive(Clone, Debug)]
pub(super) struct Chunks<T> {
    /// Only the last may have room.
    chunks: Vec<Vec<T>>,
}

impl<T> Chunks<T> {
    /// An empty list.
    pub(super) fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    /// The number of values.
    pub(super) fn len(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::len);
        self.chunks.len().saturating_sub(1) * CHUNK + last
    }

    /// Appends a value.
    pub(super) fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(value),
            None => self.chunks.push(vec![value]),
            Some(_) => {
                // Where one chunk is full, the next will probably be.
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(value);
                self.chunks.push(chunk);
            }
        }
    }

    /// The value at an index, if there is one.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// The value at an index.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[inline]
    pub(super) fn at(&mut self, index: usize) -> &mut T {
        &mut self.chunks[index / CHUNK][index % CHUNK]
    }

    /// The number of values that there is memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_indexes() {
        let mut list = Chunks::new();
        for value in 0..3 * CHUNK + 1 {
            assert_eq!((list.len(), list.get(value)), (value, None));
            list.push(value);
            assert_eq!(list.get(value), Some(&value));
        }
        *list.at(CHUNK) = 7;
        let values: Vec<_> = (0..list.len()).map(|index| list.get(index)).collect();
        let mut expected: Vec<usize> = (0..3 * CHUNK + 1).collect();
        expected[CHUNK] = 7;
        assert_eq!(values, expected.iter().map(Some).collect::<Vec<_>>());
        assert!(list.capacity() <= 4 * CHUNK);
    }
}
