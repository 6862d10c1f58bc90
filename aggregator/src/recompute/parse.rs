//! Lines into the readings of each partition.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::io;
use std::sync::Arc;

use foldhash::fast::RandomState;
use unicorn::distance::Distance;
use unicorn::reading::Reading;
use unicorn::totals::{Figures, Totals};
use windowing::aggregate::{Aggregate, Merge};
use windowing::window::{Tumbling, Window};

use super::input::Input;
use super::lines::{LONGEST_LINE, Line, Lines};

/// How many of a piece's refused lines are told with their reason.
pub(super) const TOLD: usize = 5;

/// A reading, as far as it counts: 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Start of its window, in milliseconds since the epoch.
    pub(super) window_start: i64,
    /// Its time, in nanoseconds after that.
    pub(super) nanos: u64,
    /// The number that the parser gave its name.
    pub(super) name: usize,
    micrometres: i64,
    magic_points: i32,
    health_points: i32,
}

/// To add a reading is to merge the figures of that one reading.
impl Aggregate<Entry> for Totals {
    fn add(&mut self, entry: &Entry) {
        self.merge(&Totals::from(Figures {
            distance: Distance::from_micrometres(entry.micrometres.into()),
            min_magic_points: entry.magic_points,
            max_magic_points: entry.magic_points,
            min_health_points: entry.health_points,
            max_health_points: entry.health_points,
        }));
    }
}

/// A piece of a file, parsed.
#[derive(Debug)]
pub(super) struct Piece {
    /// Which parser numbered the names.
    pub(super) parser: usize,
    /// The readings of each partition, in the order of the file.
    pub(super) buckets: Vec<Vec<Entry>>,
    /// How many lines there are, blank ones included.
    pub(super) lines: u64,
    /// How many of them are no readings.
    pub(super) refused: u64,
    /// The first of these: which line of the piece, from 1, and the reason.
    pub(super) reasons: Vec<(u64, String)>,
    /// Whether it is the last of its part of the file.
    pub(super) is_last: bool,
}

/// What a thread parses with.
#[derive(Debug)]
pub(super) struct Parser {
    index: usize,
    windows: Tumbling,
    partitions: usize,
    hasher: RandomState,
    numbers: HashMap<Arc<str>, usize, RandomState>,
    names: Vec<(Arc<str>, u64)>,
    /// For the next file.
    pub(super) buffer: Vec<u8>,
}

impl Parser {
    /// The parser of this index. All parsers have the same hasher, so that they agree on partitions.
    pub(super) fn new(
        index: usize,
        windows: Tumbling,
        partitions: usize,
        hasher: RandomState,
    ) -> Self {
        Self {
            index,
            windows,
            partitions,
            numbers: HashMap::with_hasher(hasher.clone()),
            hasher,
            names: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// The names met so far, by their numbers.
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.names.iter().map(|(name, _)| name)
    }

    /// Parses lines to their end, or until they have that many bytes.
    pub(super) fn piece(&mut self, lines: &mut Lines<Input<'_>>, bytes: u64) -> io::Result<Piece> {
        let mut piece = Piece {
            parser: self.index,
            buckets: vec![Vec::new(); self.partitions],
            lines: 0,
            refused: 0,
            reasons: Vec::new(),
            is_last: false,
        };
        let end = lines.position().saturating_add(bytes);
        while lines.position() < end {
            let Some(line) = lines.next_line()? else {
                piece.is_last = true;
                break;
            };
            piece.lines += 1;
            let reading = match line {
                Line::Whole(line) if line.trim_ascii().is_empty() => continue,
                Line::Whole(line) => Reading::parse(line).map_err(|error| error.to_string()),
                Line::TooLong => Err(format!("the line is longer than {LONGEST_LINE} bytes")),
            };
            match reading {
                Ok(reading) => {
                    let (partition, entry) = self.entry(&reading);
                    piece.buckets[partition].push(entry);
                }
                Err(reason) => {
                    piece.refused += 1;
                    if piece.reasons.len() < TOLD {
                        piece.reasons.push((piece.lines, reason));
                    }
                }
            }
        }
        Ok(piece)
    }

    fn entry(&mut self, reading: &Reading<'_>) -> (usize, Entry) {
        let (name, hash) = self.number(&reading.name);
        let window = self.windows.window_of(reading.status_time.millis());
        let start = i128::from(window.start) * 1_000_000;
        // A reading lies in its window, and a window is far shorter than 2^64 ns.
        let nanos = u64::try_from(reading.status_time.nanos() - start).unwrap_or(0);
        // No reading's distance is past 64 bits.
        let micrometres = i64::try_from(reading.distance.micrometres()).unwrap_or(i64::MAX);
        let entry = Entry {
            window_start: window.start,
            nanos,
            name,
            micrometres,
            magic_points: reading.magic_points,
            health_points: reading.health_points,
        };
        (self.partition(hash, window), entry)
    }

    /// The number and the hash of a name.
    fn number(&mut self, name: &str) -> (usize, u64) {
        if let Some(&number) = self.numbers.get(name) {
            return (number, self.names[number].1);
        }
        let number = self.names.len();
        let hash = self.hasher.hash_one(name);
        let name: Arc<str> = name.into();
        self.numbers.insert(Arc::clone(&name), number);
        self.names.push((name, hash));
        (number, hash)
    }

    /// A pane has one partition, and the panes of even a single unicorn are spread over all.
    fn partition(&self, hash: u64, window: Window) -> usize {
        /// 2^64 by the golden ratio: it carries every bit upwards.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        let mixed = (hash ^ (window.start as u64).wrapping_mul(SPREAD)).wrapping_mul(SPREAD);
        (mixed >> 32) as usize % self.partitions
    }
}
