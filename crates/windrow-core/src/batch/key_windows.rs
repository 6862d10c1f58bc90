//! Which accumulator each window of each key has.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use crate::window::Window;

/// The windows of all keys, which are numbers from 0.
#[derive(Clone, Debug, Default)]
pub(super) struct AllWindows {
    keys: Vec<KeyWindows>,
    /// By key, the accumulators by the number of their window, if it is far from the others of the
    /// key, or if there are more than 32 bits can number.
    distant: HashMap<usize, BTreeMap<i64, usize>, RandomState>,
}

/// The windows of a key.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyWindows {
    /// The window and accumulator of the last reading. Usually, the next reading has the same.
    pub(super) latest: Option<(Window, usize)>,
    /// The number of the first slot's window.
    first: i64,
    /// The accumulators of consecutive windows, plus one; 0 for a window without readings. Finding
    /// one reads memory in one place, in whatever order the windows are opened.
    slots: Vec<u32>,
    /// The number of slots with an accumulator.
    used: usize,
}

/// So many slots a key may have, and two more per window. This is an hour of minutes, whose readings
/// arrive in any order.
const FEW: usize = 64;

impl AllWindows {
    /// The number of keys.
    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// A key's windows.
    #[inline]
    pub(super) fn key(&mut self, key: usize) -> &mut KeyWindows {
        if key >= self.keys.len() {
            self.keys.resize(key + 1, KeyWindows::default());
        }
        &mut self.keys[key]
    }

    /// The accumulator of the window of this number.
    #[inline]
    pub(super) fn find(&self, key: usize, number: i64) -> Option<usize> {
        let near = self.keys.get(key)?.find(number);
        near.or_else(|| self.find_distant(key, number))
    }

    fn find_distant(&self, key: usize, number: i64) -> Option<usize> {
        if self.distant.is_empty() {
            return None;
        }
        self.distant.get(&key)?.get(&number).copied()
    }

    /// Inserts the accumulator of a window that has none.
    pub(super) fn insert(&mut self, key: usize, number: i64, accumulator: usize) {
        if !self.key(key).insert(number, accumulator) {
            let distant = self.distant.entry(key).or_default();
            distant.insert(number, accumulator);
        }
    }

    /// The numbers and accumulators of a key's windows.
    pub(super) fn of(&self, key: usize) -> impl Iterator<Item = (i64, usize)> {
        let near = self.keys.get(key).into_iter().flat_map(KeyWindows::near);
        let distant = self.distant.get(&key).into_iter().flatten();
        near.chain(distant.map(|(&number, &accumulator)| (number, accumulator)))
    }
}

impl KeyWindows {
    #[inline]
    fn find(&self, number: i64) -> Option<usize> {
        let slot = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let accumulator = self.slots.get(slot)?.checked_sub(1)?;
        Some(accumulator as usize)
    }

    /// Returns false if the window is too far from the others. Half of the slots are always used, but
    /// for [`FEW`].
    fn insert(&mut self, number: i64, accumulator: usize) -> bool {
        let Some(entry) = u32::try_from(accumulator)
            .ok()
            .and_then(|index| index.checked_add(1))
        else {
            return false;
        };
        let most = 2 * self.used + FEW;
        if self.slots.is_empty() {
            self.first = number;
        }
        let Some(after_first) = number.checked_sub(self.first) else {
            return false;
        };
        if let Ok(slot) = usize::try_from(after_first) {
            if slot >= most.max(self.slots.len()) {
                return false;
            }
            self.slots.resize(self.slots.len().max(slot + 1), 0);
        } else {
            let len = self.slots.len();
            let missing = usize::try_from(after_first.unsigned_abs()).unwrap_or(usize::MAX);
            let Some(room) = most.checked_sub(len).filter(|room| missing <= *room) else {
                return false;
            };
            // As many again, so that many windows can be opened from the last to the first.
            let added = missing.max(len).min(room);
            let Some(first) = self.first.checked_sub_unsigned(added as u64) else {
                return false;
            };
            self.first = first;
            self.slots.splice(0..0, std::iter::repeat_n(0, added));
        }
        let slot = number.abs_diff(self.first) as usize;
        self.slots[slot] = entry;
        self.used += 1;
        true
    }

    fn near(&self) -> impl Iterator<Item = (i64, usize)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(slot, entry)| {
            let accumulator = entry.checked_sub(1)?;
            Some((
                self.first.checked_add_unsigned(slot as u64)?,
                accumulator as usize,
            ))
        })
    }

    /// The number of slots in memory.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.slots.capacity()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn windows_are_a_map_per_key(
            numbers in prop::collection::vec(
                (
                    0..2_usize,
                    prop_oneof![
                        8 => -40..40_i64,
                        2 => -5_000..5_000_i64,
                        1 => any::<i64>(),
                        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX)],
                    ],
                ),
                0..200,
            ),
            direction: Option<bool>,
        ) {
            let mut numbers = numbers;
            match direction {
                Some(true) => numbers.sort_unstable(),
                Some(false) => numbers.sort_unstable_by(|one, other| other.cmp(one)),
                None => {}
            }
            let mut windows = AllWindows::default();
            let mut expected = vec![BTreeMap::new(); 2];
            for (accumulator, (key, number)) in numbers.into_iter().enumerate() {
                prop_assert_eq!(windows.find(key, number), expected[key].get(&number).copied());
                if expected[key].contains_key(&number) {
                    continue;
                }
                windows.insert(key, number, accumulator);
                expected[key].insert(number, accumulator);
                prop_assert_eq!(windows.find(key, number), Some(accumulator));
                let KeyWindows { slots, used, .. } = windows.key(key);
                prop_assert!(slots.len() <= 2 * *used + FEW);
            }
            for (key, expected) in expected.into_iter().enumerate() {
                let found: BTreeMap<i64, usize> = windows.of(key).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    /// From the last to the first is as cheap, and takes no more memory.
    #[test]
    fn consecutive_windows_are_near() {
        for backwards in [false, true] {
            let mut windows = AllWindows::default();
            for number in 0..10_000 {
                windows.insert(0, if backwards { -number } else { number }, number as usize);
            }
            assert!(windows.distant.is_empty());
            assert!(windows.key(0).slots.len() <= 20_000 + FEW);
        }
    }
}
