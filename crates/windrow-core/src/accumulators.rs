//! One aggregate per window and key.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use foldhash::fast::RandomState;

use crate::aggregate::Merge;
use crate::window::Window;

/// Aggregates by window and key, for tumbling and hopping windows.
#[derive(Clone, Debug)]
pub struct Accumulators<K, A> {
    windows: BTreeMap<Window, HashMap<K, A, RandomState>>,
    open: usize,
}

impl<K, A> Default for Accumulators<K, A> {
    fn default() -> Self {
        Self {
            windows: BTreeMap::new(),
            open: 0,
        }
    }
}

/// A closed accumulator: the aggregate of one window and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowAccumulator<K, A> {
    /// The window.
    pub window: Window,
    /// The key.
    pub key: K,
    /// The aggregate of the key's readings in the window.
    pub aggregate: A,
}

impl<K: Eq + Hash + Ord, A: Merge> Accumulators<K, A> {
    /// Passes the accumulator of `window` and `key` to `add`. Returns true if that opened the
    /// accumulator.
    pub fn add<Q>(&mut self, window: Window, key: &Q, add: impl FnOnce(&mut A)) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let keys = self.windows.entry(window).or_default();
        if let Some(aggregate) = keys.get_mut(key) {
            add(aggregate);
            return false;
        }
        let mut aggregate = A::identity();
        add(&mut aggregate);
        keys.insert(key.to_owned(), aggregate);
        self.open += 1;
        true
    }

    /// Merges an aggregate into the accumulator of its window and key.
    pub fn merge(&mut self, accumulator: WindowAccumulator<K, A>) {
        let keys = self.windows.entry(accumulator.window).or_default();
        match keys.get_mut(&accumulator.key) {
            Some(aggregate) => aggregate.merge(&accumulator.aggregate),
            None => {
                keys.insert(accumulator.key, accumulator.aggregate);
                self.open += 1;
            }
        }
    }

    /// Removes and returns the accumulators of every window that ends at or before `time`, ordered
    /// by window and key.
    pub fn close(&mut self, time: i64) -> Vec<WindowAccumulator<K, A>> {
        let mut closed = BTreeMap::new();
        self.windows.retain(|window, keys| {
            let open = window.end > time;
            if !open {
                closed.insert(*window, std::mem::take(keys));
            }
            open
        });
        self.sorted(closed)
    }

    /// Removes and returns all accumulators, ordered by window and key.
    pub fn close_all(&mut self) -> Vec<WindowAccumulator<K, A>> {
        let closed = std::mem::take(&mut self.windows);
        self.sorted(closed)
    }

    fn sorted(
        &mut self,
        closed: BTreeMap<Window, HashMap<K, A, RandomState>>,
    ) -> Vec<WindowAccumulator<K, A>> {
        let mut accumulators = Vec::new();
        for (window, keys) in closed {
            let first = accumulators.len();
            accumulators.extend(keys.into_iter().map(|(key, aggregate)| WindowAccumulator {
                window,
                key,
                aggregate,
            }));
            accumulators[first..].sort_unstable_by(|a, b| a.key.cmp(&b.key));
        }
        self.open -= accumulators.len();
        accumulators
    }

    /// The windows that have accumulators, earliest first, each with its keys in no order.
    pub(crate) fn by_window(&self) -> impl ExactSizeIterator<Item = (Window, KeysOf<'_, K, A>)> {
        self.windows.iter().map(|(window, keys)| (*window, keys))
    }

    /// How many accumulators are open.
    pub fn len(&self) -> usize {
        self.open
    }

    /// Whether no accumulator is open.
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }
}

pub(crate) type KeysOf<'a, K, A> = &'a HashMap<K, A, RandomState>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::{Aggregate, Count, Max, Sum};
    use crate::window::Tumbling;
    use proptest::prelude::*;

    type TestTotals = (Count, Sum, Max<i64>);

    #[test]
    fn close_takes_only_ended_windows() {
        let minutes = Tumbling::new(60_000).unwrap();
        let mut accumulators: Accumulators<String, TestTotals> = Accumulators::default();
        for (time, key) in [(1, "b"), (2, "a"), (60_000, "a"), (-1, "a")] {
            accumulators.add(minutes.window_of(time), key, |totals| totals.add(&time));
        }
        assert_eq!(accumulators.len(), 4);
        let closed: Vec<(i64, String)> = accumulators
            .close(60_000)
            .into_iter()
            .map(|accumulator| (accumulator.window.start, accumulator.key))
            .collect();
        let name = str::to_owned;
        assert_eq!(
            closed,
            [(-60_000, name("a")), (0, name("a")), (0, name("b"))]
        );
        assert_eq!(accumulators.close_all().len(), 1);
        assert!(accumulators.is_empty());
    }

    #[test]
    fn distant_windows_open_nothing_between_them() {
        let minutes = Tumbling::new(60_000).unwrap();
        let mut accumulators: Accumulators<u8, TestTotals> = Accumulators::default();
        for time in [0, 253_402_300_799_999, i64::MAX, i64::MIN] {
            accumulators.add(minutes.window_of(time), &7, |totals| totals.add(&time));
        }
        assert_eq!((accumulators.len(), accumulators.by_window().len()), (4, 4));
    }

    proptest! {
        #[test]
        fn order_and_split_do_not_matter(
            (readings, shuffled) in proptest::collection::vec((-500..500_i64, 0..4_u8), 0..60)
                .prop_flat_map(|r| (Just(r.clone()), Just(r).prop_shuffle())),
            cut in 0..60_usize,
        ) {
            let tumbling = Tumbling::new(60).unwrap();
            let fold = |readings: &[(i64, u8)]| {
                let mut accumulators: Accumulators<u8, TestTotals> = Accumulators::default();
                for (time, key) in readings {
                    accumulators.add(tumbling.window_of(*time), key, |totals| totals.add(time));
                }
                accumulators
            };
            let mut accumulators = fold(&readings);
            let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
            let mut merged = fold(right);
            let mut other = fold(left);
            other.close_all().into_iter().for_each(|accumulator| merged.merge(accumulator));
            prop_assert_eq!(accumulators.close_all(), merged.close_all());
        }
    }
}
