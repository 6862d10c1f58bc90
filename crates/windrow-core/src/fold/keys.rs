//! Numbers for the keys of a fold.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// Assigns a number to every key, so that a key is hashed and stored only once.
#[derive(Clone, Debug)]
pub(super) struct Keys<K> {
    numbers: HashMap<K, usize, RandomState>,
    /// Numbers of dropped keys, for reuse. Together with those in use they are contiguous from 0.
    free: Vec<usize>,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Self {
            numbers: HashMap::default(),
            free: Vec::new(),
        }
    }
}

impl<K: Eq + Hash + Ord + AsRef<[u8]>> Keys<K> {
    /// Assigns numbers to `keys`. Also returns the number of each, in order; equal keys share one.
    pub(super) fn assign(keys: Vec<K>) -> (Self, Vec<usize>) {
        let mut numbers: HashMap<K, usize, RandomState> = HashMap::default();
        numbers.reserve(keys.len());
        let mut assigned = Vec::with_capacity(keys.len());
        for key in keys {
            let next = numbers.len();
            assigned.push(*numbers.entry(key).or_insert(next));
        }
        let free = Vec::new();
        (Self { numbers, free }, assigned)
    }

    /// The number of a key. Assigns one if it has none.
    pub(super) fn number<Q>(&mut self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let number = self.free.pop().unwrap_or(self.numbers.len());
        self.numbers.insert(key.to_owned(), number);
        number
    }

    /// Drops all keys except those with the `kept` numbers.
    pub(super) fn keep<'a>(&mut self, kept: impl Iterator<Item = &'a usize>) {
        let is_kept = self.marked(kept);
        self.numbers.retain(|_, number| {
            if !is_kept[*number] {
                self.free.push(*number);
            }
            is_kept[*number]
        });
    }

    /// The keys with the `used` numbers, sorted. Also returns, for every number, the index of its
    /// key in that list.
    pub(super) fn table<'a>(&self, used: impl Iterator<Item = &'a usize>) -> (Vec<&K>, Vec<usize>) {
        let is_used = self.marked(used);
        let mut sorted: Vec<(u128, &K, usize)> = self
            .numbers
            .iter()
            .filter(|(_, number)| is_used[**number])
            .map(|(key, number)| (prefix_of(key.as_ref()), key, *number))
            .collect();
        sorted.sort_unstable();
        let mut indices = vec![0; self.count()];
        for (index, (_, _, number)) in sorted.iter().enumerate() {
            indices[*number] = index;
        }
        let keys = sorted.into_iter().map(|(_, key, _)| key).collect();
        (keys, indices)
    }

    /// For every number, whether it is one of `numbers`.
    fn marked<'a>(&self, numbers: impl Iterator<Item = &'a usize>) -> Vec<bool> {
        let mut marked = vec![false; self.count()];
        for number in numbers {
            marked[*number] = true;
        }
        marked
    }

    fn count(&self) -> usize {
        self.numbers.len() + self.free.len()
    }
}

/// The first 16 bytes as a number, since comparing numbers is faster than comparing keys.
fn prefix_of(key: &[u8]) -> u128 {
    let mut prefix = [0; 16];
    let length = key.len().min(16);
    prefix[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_reused() {
        let mut keys: Keys<String> = Keys::default();
        assert_eq!(
            ["c", "a", "b", "a"].map(|key| keys.number(key)),
            [0, 1, 2, 1]
        );
        keys.keep([1].iter());
        let mut again = ["d", "e", "f"].map(|key| keys.number(key));
        again.sort_unstable();
        assert_eq!(again, [0, 2, 3]);
    }

    #[test]
    fn a_table_is_sorted_and_holds_used_keys() {
        let mut keys: Keys<String> = Keys::default();
        let long = "the same sixteen bytes";
        for key in [long, "b", "unused", "a", &long[..16], ""] {
            keys.number(key);
        }
        let (table, indices) = keys.table([0, 1, 3, 4, 5].iter());
        assert_eq!(table, ["", "a", "b", &long[..16], long]);
        assert_eq!(indices, [4, 2, 0, 1, 3, 0]);
    }

    #[test]
    fn equal_keys_share_a_number() {
        let (mut keys, assigned) = Keys::assign(["a", "b", "a", "c"].map(str::to_owned).to_vec());
        assert_eq!(assigned, [0, 1, 0, 2]);
        assert_eq!(["d", "c"].map(|key| keys.number(key)), [3, 2]);
    }
}
