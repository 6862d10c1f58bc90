//! Distances, exact to the micrometre.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use windrow_core::decimal::Decimal;

/// A distance in micrometres, zero or more.
///
/// A fixed-point integer: unlike sums of floating point numbers, sums of distances are exact and do
/// not depend on the order. Formatted as the shortest decimal in metres: `10362`, `1789.25`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance(i128);

impl Distance {
    /// The maximum distance of a single reading: 9,223,372,036,854.775807 m, or 2^63 - 1
    /// micrometres. Sums have 128 bits.
    pub const FARTHEST: Self = Self(i64::MAX as i128);

    /// A distance of `micrometres`; negative numbers are clamped to zero.
    #[inline]
    pub fn from_micrometres(micrometres: i128) -> Self {
        Self(micrometres.max(0))
    }

    /// The distance in micrometres.
    pub fn micrometres(self) -> i128 {
        self.0
    }
}

/// Metres, exact to the micrometre.
impl From<Distance> for Decimal {
    fn from(distance: Distance) -> Self {
        Self {
            unscaled: distance.0,
            scale: 6,
        }
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::from(*self).fmt(formatter)
    }
}

/// Serializes as a JSON number in metres with all digits; exact with `serde_json` only.
impl Serialize for Distance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string())
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metres_are_formatted_as_the_shortest_decimal() {
        for (micrometres, text) in [
            (0, "0"),
            (1, "0.000001"),
            (175_000_000, "175"),
            (1_789_250_000, "1789.25"),
            (10_362_000_000, "10362"),
            (i64::MAX.into(), "9223372036854.775807"),
            (10_i128.pow(30), "1000000000000000000000000"),
        ] {
            let distance = Distance::from_micrometres(micrometres);
            assert_eq!(distance.to_string(), text);
            assert_eq!(serde_json::to_string(&distance).unwrap(), text);
        }
    }
}
