//! Interns keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use windrow_core::rejection::Rejection;
use windrow_core::schema::Schema;
use windrow_core::value::Value;

/// The texts of all keys, numbered from 0 in the order in which threads find them. The numbers
/// differ between runs, so the output must not depend on them.
#[derive(Debug)]
pub(super) struct KeyTable {
    schema: Arc<Schema>,
    shares: usize,
    numbered: Mutex<Numbered>,
}

/// Where the readings of a key are aggregated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeySlot {
    /// The index of the share.
    pub(super) share: u32,
    /// The key's number in the share. A share's numbers have no gaps.
    pub(super) key: u32,
}

impl KeySlot {
    /// The slot of the key with this number. Keys are assigned to shares round-robin.
    fn of(number: usize, shares: usize) -> Self {
        // Numbers that overflow would need half a terabyte of keys.
        Self {
            share: (number % shares) as u32,
            key: (number / shares) as u32,
        }
    }
}

/// A key of the archive.
#[derive(Clone, Debug)]
pub(super) struct ArchivedKey {
    /// Its text ([`Schema::key_text`]).
    pub(super) text: Arc<str>,
    pub(super) slot: KeySlot,
    /// The values of its columns; `None` if the text itself is the only one.
    pub(super) columns: Option<Box<[Value]>>,
}

#[derive(Debug, Default)]
struct Numbered {
    by_number: Vec<ArchivedKey>,
    slots: HashMap<Arc<str>, KeySlot, RandomState>,
}

impl KeyTable {
    /// An empty table for `shares` shares, at least one.
    pub(super) fn new(schema: Arc<Schema>, shares: usize) -> Self {
        Self {
            schema,
            shares: shares.max(1),
            numbered: Mutex::default(),
        }
    }

    /// The keys, ordered by number.
    pub(super) fn into_vec(self) -> Vec<ArchivedKey> {
        let numbered = self.numbered.into_inner();
        numbered.unwrap_or_else(PoisonError::into_inner).by_number
    }

    /// The slot of a key, which gets one if needed.
    ///
    /// # Errors
    /// If it is not the text of a key of the schema.
    fn slot(&self, key: &str) -> Result<(Arc<str>, KeySlot), Rejection> {
        let numbered = self.numbered.lock();
        let mut numbered = numbered.unwrap_or_else(PoisonError::into_inner);
        if let Some((text, &slot)) = numbered.slots.get_key_value(key) {
            return Ok((Arc::clone(text), slot));
        }
        let columns = if has_text_key(&self.schema) {
            None
        } else {
            Some(self.schema.key_values(key.to_owned())?.into_boxed_slice())
        };
        let text = Arc::<str>::from(key);
        let slot = KeySlot::of(numbered.by_number.len(), self.shares);
        numbered.by_number.push(ArchivedKey {
            text: Arc::clone(&text),
            slot,
            columns,
        });
        numbered.slots.insert(Arc::clone(&text), slot);
        Ok((text, slot))
    }
}

/// Whether the text of a key is the value of its only column.
fn has_text_key(schema: &Schema) -> bool {
    matches!(schema.key(), [column] if column.name == schema.partition_attribute())
}

/// One thread's cache of keys.
///
/// Sensors often report in rounds, so a key is usually followed by the same key as last time. That
/// expected key is compared first; only if it differs is the key looked up. That saves 7 % of the
/// CPU time of an archive in rounds, and costs nothing in one in random order.
#[derive(Debug)]
pub(super) struct KnownKeys<'n> {
    all: &'n KeyTable,
    known: Vec<KnownKey>,
    indexes: HashMap<Arc<str>, usize, RandomState>,
    /// The index of the previous key, and of the one expected next.
    last: usize,
    expected: usize,
}

#[derive(Debug)]
struct KnownKey {
    text: Arc<str>,
    slot: KeySlot,
    /// The index of the key that followed it last time.
    next: usize,
}

impl<'n> KnownKeys<'n> {
    pub(super) fn new(all: &'n KeyTable) -> Self {
        Self {
            all,
            known: Vec::new(),
            indexes: HashMap::default(),
            last: 0,
            expected: 0,
        }
    }

    /// Where a key's readings are aggregated.
    ///
    /// # Errors
    /// If it is not the text of a key of the schema.
    #[inline]
    pub(super) fn slot(&mut self, key: &str) -> Result<KeySlot, Rejection> {
        if let Some(known) = self.known.get(self.expected)
            && *known.text == *key
        {
            (self.last, self.expected) = (self.expected, known.next);
            return Ok(known.slot);
        }
        self.unexpected(key)
    }

    fn unexpected(&mut self, key: &str) -> Result<KeySlot, Rejection> {
        let index = match self.indexes.get(key) {
            Some(&index) => index,
            None => self.add(key)?,
        };
        if let Some(last) = self.known.get_mut(self.last) {
            last.next = index;
        }
        let known = &self.known[index];
        (self.last, self.expected) = (index, known.next);
        Ok(known.slot)
    }

    fn add(&mut self, key: &str) -> Result<usize, Rejection> {
        let (text, slot) = self.all.slot(key)?;
        let index = self.known.len();
        self.indexes.insert(Arc::clone(&text), index);
        self.known.push(KnownKey {
            text,
            slot,
            next: 0,
        });
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use windrow_core::schema::KeyColumn;
    use windrow_core::value::ColumnType;

    use super::*;

    fn schema(column_type: ColumnType) -> Arc<Schema> {
        let key = vec![KeyColumn::new("Name", column_type)];
        Arc::new(Schema::new(key, "Time", Vec::new()).unwrap())
    }

    #[test]
    fn keys_have_the_columns_of_the_schema() {
        let keys = KeyTable::new(schema(ColumnType::Boolean), 1);
        let mut known = KnownKeys::new(&keys);
        assert!(known.slot("[true]").is_ok());
        for text in ["[true", "[]", "[7]"] {
            assert!(known.slot(text).is_err(), "{text}");
        }
        let keys = keys.into_vec();
        let columns: Vec<_> = keys.iter().map(|key| key.columns.as_deref()).collect();
        assert_eq!(columns, [Some(&[Value::Boolean(true)][..])]);
    }

    proptest! {
        #[test]
        fn threads_agree_on_slots(
            lookups in prop::collection::vec((0..3_usize, "[ab]{0,3}"), 0..200),
            shares in 0..4_usize,
        ) {
            let names = KeyTable::new(schema(ColumnType::Text), shares);
            let shares = shares.max(1);
            let mut threads = [(); 3].map(|()| KnownKeys::new(&names));
            let mut slots = HashMap::new();
            for (thread, name) in lookups {
                let slot = threads[thread].slot(&name).unwrap();
                prop_assert_eq!(*slots.entry(name).or_insert(slot), slot);
            }
            let by_number = names.into_vec();
            prop_assert_eq!(by_number.len(), slots.len());
            for (number, key) in by_number.iter().enumerate() {
                prop_assert_eq!(slots[&*key.text], key.slot);
                prop_assert_eq!(key.slot, KeySlot::of(number, shares));
            }
        }
    }
}
