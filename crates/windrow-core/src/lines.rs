//! The lines of a record.

use crate::rejection::Rejection;

/// The non-blank lines of a record; or, if it has none, the whole record with its rejection.
pub fn lines(record: &[u8]) -> impl Iterator<Item = (&[u8], Result<(), Rejection>)> {
    let rejection = rejection_of(record);
    let mut rest = if rejection.is_some() { &[] } else { record };
    let rejected = rejection.map(|rejection| (record, Err(rejection)));
    let lines = std::iter::from_fn(move || next_line(&mut rest));
    rejected.into_iter().chain(lines.map(|line| (line, Ok(()))))
}

/// Why a record as a whole is rejected, if it is.
pub fn rejection_of(record: &[u8]) -> Option<Rejection> {
    record.trim_ascii().is_empty().then_some(Rejection::Empty)
}

/// Takes the next non-blank line, without its line ending.
pub fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end)?;
        *rest = after.get(1..).unwrap_or_default();
        if !line.trim_ascii().is_empty() {
            return Some(line);
        }
    }
    None
}
