//! The cases of `tests/golden/lines.jsonl`: the table of lines that every reader is held to.

/// The bytes of a case's line: its text, or bytes that are no text in hexadecimal.
///
/// # Panics
///
/// If there are no such digits.
pub fn bytes(line: Option<&str>, hex: Option<&str>) -> Vec<u8> {
    if let Some(line) = line {
        return line.as_bytes().to_vec();
    }
    let digits = hex.unwrap_or_default();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
