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
pub(super) struct Home {
    /// Which partition they are in.
    pub(super) partition: u32,
    /// The name's key in that. Each partition's keys are without gaps.
    pub(super) key: u32,
}

impl Home {
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
    by_number: Vec<(Arc<str>, Home)>,
    homes: HashMap<Arc<str>, Home, RandomState>,
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
    pub(super) fn into_vec(self) -> Vec<(Arc<str>, Home)> {
        let numbered = self.numbered.into_inner();
        numbered.unwrap_or_else(PoisonError::into_inner).by_number
    }

    fn home(&self, name: &str) -> (Arc<str>, Home) {
        let numbered = self.numbered.lock();
        let mut numbered = numbered.unwrap_or_else(PoisonError::into_inner);
        if let Some((name, &home)) = numbered.homes.get_key_value(name) {
            return (Arc::clone(name), home);
        }
        let name = Arc::<str>::from(name);
        let home = Home::of(numbered.by_number.len(), self.partitions);
        numbered.by_number.push((Arc::clone(&name), home));
        numbered.homes.insert(Arc::clone(&name), home);
        (name, home)
    }
}

/// The names that one thread has met.
///
/// A fleet reports in rounds: whoever came after a unicorn the last time mostly comes after it again.
/// So the name that is expected next is compared first, and only if it is another one looked up.
#[derive(Debug)]
pub(super) struct MetNames<'n> {
    all: &'n NameTable,
    met: Vec<Met>,
    places: HashMap<Arc<str>, usize, RandomState>,
    /// Place of the name before, and of the one expected after it.
    last: usize,
    expected: usize,
}

#[derive(Debug)]
struct Met {
    name: Arc<str>,
    home: Home,
    /// Place of the one that came after it the last time.
    next: usize,
}

impl<'n> MetNames<'n> {
    pub(super) fn new(all: &'n NameTable) -> Self {
        Self {
            all,
            met: Vec::new(),
            places: HashMap::default(),
            last: 0,
            expected: 0,
        }
    }

    /// Where a name's readings are added.
    pub(super) fn home(&mut self, name: &str) -> Home {
        if let Some(met) = self.met.get(self.expected)
            && *met.name == *name
        {
            (self.last, self.expected) = (self.expected, met.next);
            return met.home;
        }
        let place = match self.places.get(name) {
            Some(&place) => place,
            None => self.meet(name),
        };
        if let Some(last) = self.met.get_mut(self.last) {
            last.next = place;
        }
        let met = &self.met[place];
        (self.last, self.expected) = (place, met.next);
        met.home
    }

    fn meet(&mut self, name: &str) -> usize {
        let (name, home) = self.all.home(name);
        let place = self.met.len();
        self.places.insert(Arc::clone(&name), place);
        self.met.push(Met {
            name,
            home,
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
            let mut threads = [(); 3].map(|()| MetNames::new(&names));
            let mut homes = HashMap::new();
            for (thread, name) in asked {
                let home = threads[thread].home(&name);
                prop_assert_eq!(*homes.entry(name).or_insert(home), home);
            }
            let by_number = names.into_vec();
            prop_assert_eq!(by_number.len(), homes.len());
            for (number, (name, home)) in by_number.iter().enumerate() {
                prop_assert_eq!(homes[&**name], *home);
                prop_assert_eq!(*home, Home::of(number, partitions));
            }
        }
    }
}
