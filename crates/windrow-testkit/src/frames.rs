//! States put together by hand: the text around zstd frames that no compressor would write.
//!
//! Source of the layout: RFC 8878, section 3.1.1.

const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// The most that one block holds.
const BLOCK: usize = 128 << 10;

/// A block's kind: its bytes as they are, or one byte that many times.
const STORED: usize = 0;
const REPEATED: usize = 1;

/// The text of a state: base64 of the announced length and a frame.
pub fn state(announced: u128, frame: &[u8]) -> String {
    let mut packed = varint(announced);
    packed.extend_from_slice(frame);
    base64_simd::STANDARD.encode_to_string(&packed)
}

/// The text of a state that holds `columns`, whatever they are.
pub fn state_of(columns: &[u8]) -> String {
    state(
        columns.len() as u128,
        &frame(Some(columns.len() as u64), columns, 0, 0),
    )
}

/// A frame that holds `bytes`, and after them `fill` up to `length` in all. It need not hold what it
/// says is its content size.
pub fn frame(content_size: Option<u64>, bytes: &[u8], fill: u8, length: usize) -> Vec<u8> {
    let mut frame = MAGIC.to_vec();
    match content_size {
        Some(size) => {
            // A single segment with its size in eight bytes.
            frame.push(0b1110_0000);
            frame.extend_from_slice(&size.to_le_bytes());
        }
        // A window of 128 KiB.
        None => frame.extend_from_slice(&[0, 7 << 3]),
    }
    for piece in bytes.chunks(BLOCK) {
        block(&mut frame, STORED, piece.len());
        frame.extend_from_slice(piece);
    }
    let mut left = length.saturating_sub(bytes.len());
    while left > 0 {
        block(&mut frame, REPEATED, left.min(BLOCK));
        frame.push(fill);
        left -= left.min(BLOCK);
    }
    // An empty block is the last.
    frame.extend_from_slice(&[1, 0, 0]);
    frame
}

fn block(frame: &mut Vec<u8>, kind: usize, size: usize) {
    let header = (size << 3) | (kind << 1);
    frame.extend_from_slice(&(header as u32).to_le_bytes()[..3]);
}

/// An unsigned integer as columns have it.
pub fn varint(mut value: u128) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// The columns of a state that was encoded.
pub fn columns(text: &str) -> Vec<u8> {
    let packed = base64_simd::STANDARD.decode_to_vec(text).unwrap();
    let start = packed.iter().position(|byte| *byte < 0x80).unwrap() + 1;
    zstd::bulk::decompress(&packed[start..], 1 << 20).unwrap()
}
