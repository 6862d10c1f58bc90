//! Every name's number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

/// All names, numbered from 0 up in the order in which threads come upon them. So the numbers differ
/// from run to run, and nothing that comes out may depend on them.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Numbered>);

#[derive(Debug, Default)]
struct Numbered {
    by_number: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32, RandomState>,
}

impl Names {
    /// The names by their numbers.
    pub(super) fn into_vec(self) -> Vec<Arc<str>> {
        let numbered = self.0.into_inner();
        numbered.unwrap_or_else(PoisonError::into_inner).by_number
    }

    fn number(&self, name: &str) -> (Arc<str>, u32) {
        let mut numbered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, &number)) = numbered.numbers.get_key_value(name) {
            return (Arc::clone(name), number);
        }
        let name = Arc::<str>::from(name);
        // So many names that their number is cut off would take half a terabyte.
        let number = numbered.by_number.len() as u32;
        numbered.by_number.push(Arc::clone(&name));
        numbered.numbers.insert(Arc::clone(&name), number);
        (name, number)
    }
}

/// The names that one thread has met.
///
/// A fleet reports in rounds: whoever came after a unicorn the last time mostly comes after it again.
/// So the name that is expected next is compared first, and only if it is another one looked up.
#[derive(Debug)]
pub(super) struct MetNames<'n> {
    all: &'n Names,
    met: Vec<Met>,
    places: HashMap<Arc<str>, usize, RandomState>,
    /// Place of the name before, and of the one expected after it.
    last: usize,
    expected: usize,
}

#[derive(Debug)]
struct Met {
    name: Arc<str>,
    number: u32,
    /// Place of the one that came after it the last time.
    next: usize,
}

impl<'n> MetNames<'n> {
    pub(super) fn new(all: &'n Names) -> Self {
        Self {
            all,
            met: Vec::new(),
            places: HashMap::default(),
            last: 0,
            expected: 0,
        }
    }

    /// A name's number.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(met) = self.met.get(self.expected)
            && *met.name == *name
        {
            (self.last, self.expected) = (self.expected, met.next);
            return met.number;
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
        met.number
    }

    fn meet(&mut self, name: &str) -> usize {
        let (name, number) = self.all.number(name);
        let place = self.met.len();
        self.places.insert(Arc::clone(&name), place);
        self.met.push(Met {
            name,
            number,
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
        fn a_name_has_one_number_whoever_asks(
            asked in prop::collection::vec((0..3_usize, "[ab]{0,3}"), 0..200),
        ) {
            let names = Names::default();
            let mut threads = [(); 3].map(|()| MetNames::new(&names));
            let mut numbers = HashMap::new();
            for (thread, name) in asked {
                let number = threads[thread].number(&name);
                prop_assert_eq!(*numbers.entry(name).or_insert(number), number);
            }
            let by_number = names.into_vec();
            prop_assert_eq!(by_number.len(), numbers.len());
            for (name, number) in numbers {
                prop_assert_eq!(&*by_number[number as usize], name);
            }
        }
    }
}
