//! Handmade window states, with zstd frames that no compressor writes.
//!
//! Source of the frame format: RFC 8878, section 3.1.1.

const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// The maximum length of a block.
const BLOCK: usize = 128 << 10;

/// The type of a block of raw bytes.
const RAW: usize = 0;
/// The type of a block of one repeated byte.
const RLE: usize = 1;

/// The text of a state: the announced length and a frame, in base64.
pub fn state(announced: u128, frame: &[u8]) -> String {
    let mut packed = varint(announced);
    packed.extend_from_slice(frame);
    base64_simd::STANDARD.encode_to_string(&packed)
}

/// The text of a state with any bytes as its columns.
pub fn state_of(columns: &[u8]) -> String {
    state(
        columns.len() as u128,
        &frame(Some(columns.len() as u64), columns, 0, 0),
    )
}

/// A frame of `bytes`, filled up to `length` with `fill`. `content_size` need not be its real
/// length.
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
        block(&mut frame, RAW, piece.len());
        frame.extend_from_slice(piece);
    }
    let mut left = length.saturating_sub(bytes.len());
    while left > 0 {
        block(&mut frame, RLE, left.min(BLOCK));
        frame.push(fill);
        left -= left.min(BLOCK);
    }
    // The last block is empty.
    frame.extend_from_slice(&[1, 0, 0]);
    frame
}

fn block(frame: &mut Vec<u8>, kind: usize, size: usize) {
    let header = (size << 3) | (kind << 1);
    frame.extend_from_slice(&(header as u32).to_le_bytes()[..3]);
}

/// An unsigned integer, encoded as in columns.
pub fn varint(mut value: u128) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// The columns of an encoded state.
pub fn columns(text: &str) -> Vec<u8> {
    let packed = base64_simd::STANDARD.decode_to_vec(text).unwrap();
    let start = packed.iter().position(|byte| *byte < 0x80).unwrap() + 1;
    zstd::bulk::decompress(&packed[start..], 1 << 20).unwrap()
}
