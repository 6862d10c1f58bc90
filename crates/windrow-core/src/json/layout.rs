//! The order of an object's fields, as a hint for the next object.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

/// The fields of the last object, in their order and spelling.
///
/// Consecutive objects of a log mostly have the same fields in the same order and spelling. Whoever
/// parses many keeps one layout for them, so that most keys take one comparison. A layout never
/// changes what is parsed, only how long it takes. One that was used for other names starts over.
#[derive(Clone, Debug, Default)]
pub struct FieldLayout {
    /// Tells the names apart.
    names: u64,
    /// Those of the names themselves are used while this is empty.
    keys: Vec<KeySpelling>,
    /// Whether this is not the first object. Noting the keys of the only one would not pay.
    is_reused: bool,
}

/// The names of the fields that are wanted of an object.
#[derive(Clone, Debug, Default)]
pub struct FieldNames {
    names: Vec<String>,
    hash: u64,
    /// The keys of an object with all fields and without spaces.
    keys: Vec<KeySpelling>,
}

/// Everything between two values of an object: a brace or a comma, a key, its colon, and the white
/// space between them.
#[derive(Clone, Debug)]
pub(super) struct KeySpelling {
    /// The first bytes, followed by zeros.
    first: [u64; 2],
    /// Which bits of the text count: all of those bytes.
    mask: [u64; 2],
    length: usize,
    /// What follows the first bytes.
    further: Box<[u8]>,
    /// The index of its name; [`OTHER`] if the field is not wanted.
    pub(super) field: usize,
}

/// The index of a name that is not wanted.
pub(super) const OTHER: usize = usize::MAX;

/// The most keys that a layout has. An object may have more.
const MOST_KEYS: usize = 64;

/// The longest key in a layout, with what is around it.
const LONGEST_KEY: usize = 256;

impl FieldNames {
    /// These names, which are all different.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut keys = Vec::new();
        for (field, name) in names.iter().enumerate().take(MOST_KEYS) {
            let mut key = vec![if field == 0 { b'{' } else { b',' }];
            super::write_text(name, &mut key);
            key.push(b':');
            keys.push(KeySpelling::new(&key, field));
        }
        Self {
            hash: FixedState::default().hash_one(&names),
            names,
            keys,
        }
    }

    /// The names, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The index of a name.
    #[inline]
    pub(super) fn index(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|known| known.as_bytes() == name)
    }
}

impl FieldLayout {
    /// Removes the keys unless they are those of objects with these names.
    #[inline(always)]
    pub(super) fn begin(&mut self, names: &FieldNames) {
        self.is_reused = self.names == names.hash;
        if !self.is_reused {
            self.names = names.hash;
            self.keys.clear();
        }
    }

    /// The keys, in their order.
    #[inline(always)]
    pub(super) fn keys<'k>(&'k self, names: &'k FieldNames) -> &'k [KeySpelling] {
        if self.keys.is_empty() {
            &names.keys
        } else {
            &self.keys
        }
    }

    /// Finds the key at the start of a text among those from `index` on. Returns its index, its
    /// field and the text after it.
    pub(super) fn find<'a>(
        &self,
        names: &FieldNames,
        index: usize,
        text: &'a [u8],
    ) -> Option<(usize, usize, &'a [u8])> {
        let mut keys = self.keys(names).iter().enumerate().skip(index);
        keys.find_map(|(index, key)| Some((index, key.field, key.take(text)?)))
    }

    /// Notes how the key with this index is spelled.
    pub(super) fn record(
        &mut self,
        names: &FieldNames,
        index: usize,
        spelling: &[u8],
        field: usize,
    ) {
        if index >= MOST_KEYS || !self.is_reused {
            return;
        }
        // The names after it have turned out to be in another order.
        if self.keys.is_empty() {
            self.keys.extend(names.keys.iter().take(index).cloned());
        }
        let key = KeySpelling::new(spelling, field);
        match self.keys.get_mut(index) {
            Some(known) => *known = key,
            None => self.keys.push(key),
        }
    }
}

impl KeySpelling {
    fn new(spelling: &[u8], field: usize) -> Self {
        let is_usual = spelling.len() <= LONGEST_KEY && !spelling.contains(&b'\n');
        let mut first = [0; 16];
        let mut mask = [0; 16];
        for (index, byte) in spelling.iter().take(16).enumerate() {
            (first[index], mask[index]) = (*byte, 0xFF);
        }
        Self {
            first: halves(first),
            mask: halves(mask),
            // No text has an unusual one.
            length: if is_usual { spelling.len() } else { usize::MAX },
            further: match spelling.get(16..) {
                Some(further) if is_usual => further.into(),
                _ => Box::default(),
            },
            field,
        }
    }

    /// Takes the key at the start of a text. Returns the text after it; `None` if the text starts with
    /// another key, has more space after its colon, or has fewer than 16 bytes.
    #[inline(always)]
    pub(super) fn take<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let [low, high] = halves(*text.first_chunk()?);
        let differences =
            (low ^ self.first[0]) & self.mask[0] | (high ^ self.first[1]) & self.mask[1];
        if differences != 0 {
            return None;
        }
        let rest = text.get(self.length..)?;
        if self.length > 16 && !text[16..].starts_with(&self.further) {
            return None;
        }
        (!matches!(rest, [..=b' ', ..])).then_some(rest)
    }
}

#[inline(always)]
fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(bytes);
    [both as u64, (both >> 64) as u64]
}
