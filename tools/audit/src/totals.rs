//! The totals of a window, as this program computes them.

use unicorn::distance::Distance;
use unicorn::reading::Reading;

/// The totals of one unicorn's readings in a window, or in a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditTotals {
    /// How many readings there are.
    pub readings: u64,
    /// The sum of their distances, in micrometres.
    pub micrometres: i128,
    /// The lowest and highest magic; the lowest is above the highest if there are no readings.
    pub magic: [i32; 2],
    /// The lowest and highest health, likewise.
    pub health: [i32; 2],
}

impl AuditTotals {
    /// The totals of no readings.
    pub const NONE: Self = Self {
        readings: 0,
        micrometres: 0,
        magic: [i32::MAX, i32::MIN],
        health: [i32::MAX, i32::MIN],
    };

    /// The totals of one reading.
    pub fn of(reading: &Reading<'_>) -> Self {
        Self {
            readings: 1,
            micrometres: reading.distance.micrometres(),
            magic: [reading.magic_points; 2],
            health: [reading.health_points; 2],
        }
    }

    /// Adds the totals of other readings.
    pub fn add(&mut self, other: &Self) {
        self.readings = self.readings.saturating_add(other.readings);
        // No log is long enough for the sum to exceed 128 bits, but a row can claim any distance.
        self.micrometres = self.micrometres.wrapping_add(other.micrometres);
        for (points, other) in [
            (&mut self.magic, other.magic),
            (&mut self.health, other.health),
        ] {
            let [lowest, highest] = *points;
            *points = [lowest.min(other[0]), highest.max(other[1])];
        }
    }

    /// The distance in metres, as the shortest decimal.
    pub fn metres(&self) -> String {
        Distance::from_micrometres(self.micrometres).to_string()
    }
}
