//! The keys of a fold, by number.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// Gives every key a number, so that a key is hashed and held once, however many places speak of it.
#[derive(Clone, Debug)]
pub(super) struct Keys<K> {
    numbers: HashMap<K, usize, RandomState>,
    /// Numbers that keys had which were dropped. With those in use they are all from 0 up.
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
    /// These keys, and the number of each of them in turn: the same one where a key comes again.
    pub(super) fn of(keys: Vec<K>) -> (Self, Vec<usize>) {
        let mut numbers: HashMap<K, usize, RandomState> = HashMap::default();
        numbers.reserve(keys.len());
        let mut in_turn = Vec::with_capacity(keys.len());
        for key in keys {
            let next = numbers.len();
            in_turn.push(*numbers.entry(key).or_insert(next));
        }
        let free = Vec::new();
        (Self { numbers, free }, in_turn)
    }

    /// The number of a key, a new one if it has none.
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

    /// Drops all keys but those of the `kept` numbers.
    pub(super) fn keep<'a>(&mut self, kept: impl Iterator<Item = &'a usize>) {
        let is_kept = self.marked(kept);
        self.numbers.retain(|_, number| {
            if !is_kept[*number] {
                self.free.push(*number);
            }
            is_kept[*number]
        });
    }

    /// The keys of the `used` numbers in their order, and by number the place of each in it.
    pub(super) fn table<'a>(&self, used: impl Iterator<Item = &'a usize>) -> (Vec<&K>, Vec<usize>) {
        let is_used = self.marked(used);
        let mut sorted: Vec<(u128, &K, usize)> = self
            .numbers
            .iter()
            .filter(|(_, number)| is_used[**number])
            .map(|(key, number)| (start_of(key.as_ref()), key, *number))
            .collect();
        sorted.sort_unstable();
        let mut places = vec![0; self.all()];
        for (place, (_, _, number)) in sorted.iter().enumerate() {
            places[*number] = place;
        }
        let keys = sorted.into_iter().map(|(_, key, _)| key).collect();
        (keys, places)
    }

    /// By number, whether it is one of these.
    fn marked<'a>(&self, numbers: impl Iterator<Item = &'a usize>) -> Vec<bool> {
        let mut marked = vec![false; self.all()];
        for number in numbers {
            marked[*number] = true;
        }
        marked
    }

    fn all(&self) -> usize {
        self.numbers.len() + self.free.len()
    }
}

/// The first 16 bytes as a number, which tells most keys apart faster than they tell themselves.
fn start_of(key: &[u8]) -> u128 {
    let mut start = [0; 16];
    let length = key.len().min(16);
    start[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_again() {
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
    fn a_table_is_sorted_and_holds_what_is_used() {
        let mut keys: Keys<String> = Keys::default();
        let long = "the same sixteen bytes";
        for key in [long, "b", "unused", "a", &long[..16], ""] {
            keys.number(key);
        }
        let (table, places) = keys.table([0, 1, 3, 4, 5].iter());
        assert_eq!(table, ["", "a", "b", &long[..16], long]);
        assert_eq!(places, [4, 2, 0, 1, 3, 0]);
    }

    #[test]
    fn a_key_that_comes_twice_has_one_number() {
        let (mut keys, in_turn) = Keys::of(["a", "b", "a", "c"].map(str::to_owned).to_vec());
        assert_eq!(in_turn, [0, 1, 0, 2]);
        assert_eq!(["d", "c"].map(|key| keys.number(key)), [3, 2]);
    }
}
