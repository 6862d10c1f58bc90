//! What a window holds of a unicorn.

use windowing::aggregate::{Aggregate, Max, Merge, Min, Sum};
use windowing::codec::{CodecError, Columnar, Decoder, Encoder};

use crate::distance::Distance;
use crate::reading::Reading;

/// A unicorn's readings of a window: this is where a minute's total is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    distance: Sum,
    lowest_magic: Min<i32>,
    highest_magic: Max<i32>,
    lowest_health: Min<i32>,
    highest_health: Max<i32>,
}

/// Magic and health below this many points are low.
pub const LOW_VITALS: i32 = 100;

/// The figures of at least one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// How far the unicorn moved in all.
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

impl Figures {
    /// Whether magic or health was below [`LOW_VITALS`] points at any time.
    pub fn vitals_are_low(&self) -> bool {
        self.min_magic_points.min(self.min_health_points) < LOW_VITALS
    }
}

impl Totals {
    /// The figures, or none before the first reading.
    pub fn figures(&self) -> Option<Figures> {
        Some(Figures {
            distance: Distance::from_micrometres(self.distance.value()),
            min_magic_points: self.lowest_magic.value()?,
            max_magic_points: self.highest_magic.value()?,
            min_health_points: self.lowest_health.value()?,
            max_health_points: self.highest_health.value()?,
        })
    }
}

impl From<Figures> for Totals {
    fn from(figures: Figures) -> Self {
        Self {
            distance: Sum::of(figures.distance.micrometres()),
            lowest_magic: Min::of(figures.min_magic_points),
            highest_magic: Max::of(figures.max_magic_points),
            lowest_health: Min::of(figures.min_health_points),
            highest_health: Max::of(figures.max_health_points),
        }
    }
}

impl Aggregate<Reading<'_>> for Totals {
    fn add(&mut self, reading: &Reading<'_>) {
        self.distance.add(&reading.distance.micrometres());
        self.lowest_magic.add(&reading.magic_points);
        self.highest_magic.add(&reading.magic_points);
        self.lowest_health.add(&reading.health_points);
        self.highest_health.add(&reading.health_points);
    }
}

impl Merge for Totals {
    fn identity() -> Self {
        Self {
            distance: Sum::identity(),
            lowest_magic: Min::identity(),
            highest_magic: Max::identity(),
            lowest_health: Min::identity(),
            highest_health: Max::identity(),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.distance.merge(&other.distance);
        self.lowest_magic.merge(&other.lowest_magic);
        self.highest_magic.merge(&other.highest_magic);
        self.lowest_health.merge(&other.lowest_health);
        self.highest_health.merge(&other.highest_health);
    }
}

/// Stored as the tuple of its figures. An open pane has at least one reading, so all are there.
impl Columnar for Totals {
    fn write(values: &[&Self], out: &mut Encoder) {
        let figures = || values.iter().filter_map(|totals| totals.figures());
        for figures in figures() {
            out.signed(figures.distance.micrometres());
        }
        write_range(out, || {
            figures().map(|figures| (figures.min_magic_points, figures.max_magic_points))
        });
        write_range(out, || {
            figures().map(|figures| (figures.min_health_points, figures.max_health_points))
        });
    }

    fn read(count: usize, input: &mut Decoder) -> Result<Vec<Self>, CodecError> {
        let mut distances = Vec::with_capacity(count);
        for _ in 0..count {
            distances.push(Distance::from_micrometres(input.signed()?));
        }
        let magic = read_range(count, input)?;
        let health = read_range(count, input)?;
        let figures = distances.into_iter().zip(magic).zip(health);
        Ok(figures
            .map(|((distance, magic), health)| {
                Totals::from(Figures {
                    distance,
                    min_magic_points: magic.0,
                    max_magic_points: magic.1,
                    min_health_points: health.0,
                    max_health_points: health.1,
                })
            })
            .collect())
    }
}

/// The lowest in one column, and in the next how far above it the highest lies: mostly little.
fn write_range<I: Iterator<Item = (i32, i32)>>(out: &mut Encoder, ranges: impl Fn() -> I) {
    for (lowest, _) in ranges() {
        out.signed(lowest.into());
    }
    for (lowest, highest) in ranges() {
        out.signed(i128::from(highest) - i128::from(lowest));
    }
}

fn read_range(count: usize, input: &mut Decoder) -> Result<Vec<(i32, i32)>, CodecError> {
    let lowest: Vec<i32> = (0..count)
        .map(|_| input.signed_as())
        .collect::<Result<_, _>>()?;
    let range = |lowest: i32| {
        let highest = i128::from(lowest).checked_add(input.signed()?);
        let highest = highest.and_then(|highest| i32::try_from(highest).ok());
        highest
            .map(|highest| (lowest, highest))
            .ok_or(CodecError::Broken("points are out of range"))
    };
    lowest.into_iter().map(range).collect()
}
