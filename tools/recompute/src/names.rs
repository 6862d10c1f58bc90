//! Every name's number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

/// All names, numbered from 0 up in the order in which threads come upon them. So the numbers differ
/// from run to run, and nothing that comes out may depend on them.
#[derive(Debug)]
pub(super) struct NameTable {
    partitions: usize,
    numbered: Mutex<Numbered>,
}

/// Where the readings of a name are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameSlot {
    /// Which partition they are in.
    pub(super) partition: u32,
    /// The name's key in that. Each partition's keys are without gaps.
    pub(super) key: u32,
}

impl NameSlot {
    /// That of the name with this number: the partitions take turns.
    fn of(number: usize, partitions: usize) -> Self {
        // So many names that their number is cut off would take half a terabyte.
        Self {
            partition: (number % partitions) as u32,
            key: (number / partitions) as u32,
        }
    }
}

#[derive(Debug, Default)]
struct Numbered {
    by_number: Vec<(Arc<str>, NameSlot)>,
    slots: HashMap<Arc<str>, NameSlot, RandomState>,
}

impl NameTable {
    /// No names yet, for that many partitions; 0 count as 1.
    pub(super) fn new(partitions: usize) -> Self {
        Self {
            partitions: partitions.max(1),
            numbered: Mutex::default(),
        }
    }

    /// The names by their numbers, each with its home.
    pub(super) fn into_vec(self) -> Vec<(Arc<str>, NameSlot)> {
        let numbered = self.numbered.into_inner();
        numbered.unwrap_or_else(PoisonError::into_inner).by_number
    }

    fn slot(&self, name: &str) -> (Arc<str>, NameSlot) {
        let numbered = self.numbered.lock();
        let mut numbered = numbered.unwrap_or_else(PoisonError::into_inner);
        if let Some((name, &slot)) = numbered.slots.get_key_value(name) {
            return (Arc::clone(name), slot);
        }
        let name = Arc::<str>::from(name);
        let slot = NameSlot::of(numbered.by_number.len(), self.partitions);
        numbered.by_number.push((Arc::clone(&name), slot));
        numbered.slots.insert(Arc::clone(&name), slot);
        (name, slot)
    }
}

/// The names that one thread has met.
///
/// A fleet reports in rounds: whoever came after a unicorn the last time mostly comes after it again.
/// So the name that is expected next is compared first, and only if it is another one looked up.
#[derive(Debug)]
pub(super) struct KnownNames<'n> {
    all: &'n NameTable,
    known: Vec<KnownName>,
    indexes: HashMap<Arc<str>, usize, RandomState>,
    /// Place of the name before, and of the one expected after it.
    last: usize,
    expected: usize,
}

#[derive(Debug)]
struct KnownName {
    name: Arc<str>,
    slot: NameSlot,
    /// Place of the one that came after it the last time.
    next: usize,
}

impl<'n> KnownNames<'n> {
    pub(super) fn new(all: &'n NameTable) -> Self {
        Self {
            all,
            known: Vec::new(),
            indexes: HashMap::default(),
            last: 0,
            expected: 0,
        }
    }

    /// Where a name's readings are added.
    pub(super) fn slot(&mut self, name: &str) -> NameSlot {
        if let Some(known) = self.known.get(self.expected)
            && *known.name == *name
        {
            (self.last, self.expected) = (self.expected, known.next);
            return known.slot;
        }
        let place = match self.indexes.get(name) {
            Some(&place) => place,
            None => self.meet(name),
        };
        if let Some(last) = self.known.get_mut(self.last) {
            last.next = place;
        }
        let known = &self.known[place];
        (self.last, self.expected) = (place, known.next);
        known.slot
    }

    fn meet(&mut self, name: &str) -> usize {
        let (name, slot) = self.all.slot(name);
        let place = self.known.len();
        self.indexes.insert(Arc::clone(&name), place);
        self.known.push(KnownName {
            name,
            slot,
            next: 0,
        });
        place
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_has_one_home_whoever_asks(
            asked in prop::collection::vec((0..3_usize, "[ab]{0,3}"), 0..200),
            partitions in 0..4_usize,
        ) {
            let names = NameTable::new(partitions);
            let partitions = partitions.max(1);
            let mut threads = [(); 3].map(|()| KnownNames::new(&names));
            let mut slots = HashMap::new();
            for (thread, name) in asked {
                let slot = threads[thread].slot(&name);
                prop_assert_eq!(*slots.entry(name).or_insert(slot), slot);
            }
            let by_number = names.into_vec();
            prop_assert_eq!(by_number.len(), slots.len());
            for (number, (name, slot)) in by_number.iter().enumerate() {
                prop_assert_eq!(slots[&**name], *slot);
                prop_assert_eq!(*slot, NameSlot::of(number, partitions));
            }
        }
    }
}
