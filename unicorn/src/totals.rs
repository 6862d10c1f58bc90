//! The totals per unicorn per window.

use windrow_core::aggregate::{Aggregate, Merge, Sum};
use windrow_core::codec::{CodecError, Columnar, Decoder, Encoder};

use crate::distance::Distance;
use crate::reading::Reading;

/// What is aggregated of a reading, in 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingSample {
    /// How far the unicorn moved, in micrometres.
    pub micrometres: i64,
    /// The unicorn's magic.
    pub magic_points: i32,
    /// The unicorn's health.
    pub health_points: i32,
}

impl From<&Reading<'_>> for ReadingSample {
    #[inline]
    fn from(reading: &Reading<'_>) -> Self {
        Self {
            // The distance of a reading always fits 64 bits.
            micrometres: i64::try_from(reading.distance.micrometres()).unwrap_or(i64::MAX),
            magic_points: reading.magic_points,
            health_points: reading.health_points,
        }
    }
}

/// The aggregate of a unicorn's readings in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    distance: Sum,
    magic: Span,
    health: Span,
}

/// The lowest and highest of some points. If there are none, the lowest is above the highest.
///
/// Half the size of [`Min`](windrow_core::aggregate::Min) and
/// [`Max`](windrow_core::aggregate::Max).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    lowest: i32,
    highest: i32,
}

impl Span {
    const NONE: Self = Self {
        lowest: i32::MAX,
        highest: i32::MIN,
    };

    #[inline]
    fn add(&mut self, points: i32) {
        self.lowest = self.lowest.min(points);
        self.highest = self.highest.max(points);
    }

    #[inline]
    fn merge(&mut self, other: Self) {
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
    }

    fn is_none(self) -> bool {
        self.lowest > self.highest
    }
}

/// The span of two points, in any order.
impl From<[i32; 2]> for Span {
    fn from(points: [i32; 2]) -> Self {
        let mut span = Self::NONE;
        for points in points {
            span.add(points);
        }
        span
    }
}

/// Magic and health are low below this number of points.
pub const LOW_VITALS: i32 = 100;

/// The measures of at least one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measures {
    /// The total distance that the unicorn moved.
    pub distance: Distance,
    /// Lowest magic.
    pub min_magic_points: i32,
    /// Highest magic.
    pub max_magic_points: i32,
    /// Lowest health.
    pub min_health_points: i32,
    /// Highest health.
    pub max_health_points: i32,
}

impl Measures {
    /// Whether magic or health was below [`LOW_VITALS`] points at any time.
    pub fn vitals_are_low(&self) -> bool {
        self.min_magic_points.min(self.min_health_points) < LOW_VITALS
    }
}

impl Totals {
    /// The measures; `None` if there are no readings.
    #[inline]
    pub fn measures(&self) -> Option<Measures> {
        if self.magic.is_none() {
            return None;
        }
        Some(Measures {
            distance: Distance::from_micrometres(self.distance.value()),
            min_magic_points: self.magic.lowest,
            max_magic_points: self.magic.highest,
            min_health_points: self.health.lowest,
            max_health_points: self.health.highest,
        })
    }
}

impl From<Measures> for Totals {
    #[inline]
    fn from(measures: Measures) -> Self {
        Self {
            distance: Sum::of(measures.distance.micrometres()),
            magic: Span::from([measures.min_magic_points, measures.max_magic_points]),
            health: Span::from([measures.min_health_points, measures.max_health_points]),
        }
    }
}

impl Totals {
    /// Adds a reading.
    #[inline]
    pub fn add(&mut self, sample: ReadingSample) {
        self.distance.add(&sample.micrometres);
        self.magic.add(sample.magic_points);
        self.health.add(sample.health_points);
    }
}

impl Merge for Totals {
    fn identity() -> Self {
        Self {
            distance: Sum::identity(),
            magic: Span::NONE,
            health: Span::NONE,
        }
    }

    #[inline]
    fn merge(&mut self, other: &Self) {
        self.distance.merge(&other.distance);
        self.magic.merge(other.magic);
        self.health.merge(other.health);
    }
}

/// Only totals of at least one reading are stored, so every span has points.
impl Columnar for Totals {
    fn write(values: &[&Self], out: &mut Encoder) {
        for totals in values {
            out.signed(totals.distance.value());
        }
        write_spans(out, values.iter().map(|totals| totals.magic));
        write_spans(out, values.iter().map(|totals| totals.health));
    }

    fn read(count: usize, input: &mut Decoder) -> Result<Vec<Self>, CodecError> {
        let mut distances = Vec::with_capacity(count);
        for _ in 0..count {
            distances.push(Sum::of(input.signed()?));
        }
        let magic = read_spans(count, input)?;
        let health = read_spans(count, input)?;
        let columns = distances.into_iter().zip(magic).zip(health);
        let totals = columns.map(|((distance, magic), health)| Self {
            distance,
            magic,
            health,
        });
        Ok(totals.collect())
    }
}

/// Writes the lowest points in one column and the difference to the highest, which is usually
/// small, in the next.
fn write_spans(out: &mut Encoder, spans: impl Iterator<Item = Span> + Clone) {
    for span in spans.clone() {
        out.signed(span.lowest.into());
    }
    for span in spans {
        out.signed(i128::from(span.highest) - i128::from(span.lowest));
    }
}

fn read_spans(count: usize, input: &mut Decoder) -> Result<Vec<Span>, CodecError> {
    let lowest: Vec<i32> = (0..count)
        .map(|_| input.signed_as())
        .collect::<Result<_, _>>()?;
    let span = |lowest: i32| {
        let highest = i128::from(lowest).checked_add(input.signed()?);
        highest
            .and_then(|highest| i32::try_from(highest).ok())
            .filter(|highest| lowest <= *highest)
            .map(|highest| Span { lowest, highest })
            .ok_or(CodecError::Malformed("points are out of range"))
    };
    lowest.into_iter().map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reversed_spans_are_rejected_or_swapped() {
        for (width, expected) in [(0, Some(5)), (2, Some(7)), (-1, None), (i128::MAX, None)] {
            let mut out = Encoder::default();
            for value in [1, 5, width, 5, 0] {
                out.signed(value);
            }
            let mut input = Decoder::unpack(&out.pack(), 100).unwrap();
            let totals = Totals::read(1, &mut input).ok();
            let highest = totals.map(|totals| totals[0].measures().unwrap().max_magic_points);
            assert_eq!(highest, expected, "{width}");
        }
        let swapped = Measures {
            distance: Distance::from_micrometres(1),
            min_magic_points: 9,
            max_magic_points: 3,
            min_health_points: 4,
            max_health_points: 4,
        };
        let measures = Totals::from(swapped).measures().unwrap();
        assert_eq!(
            (measures.min_magic_points, measures.max_magic_points),
            (3, 9)
        );
        assert_eq!(Totals::identity().measures(), None);
    }
}
