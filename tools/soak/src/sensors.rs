//! The sensors whose readings are sent.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use unicorn::sensor::Unicorn;
use windrow_core::sensor::{DeclaredSensor, Sensor};
use windrow_core::time::Timestamp;

use crate::spelling::{TrafficField, TrafficReading};

/// A sensor with readings to send.
pub(crate) trait TrafficSensor: Sensor + Clone {
    /// The field with the name that is unique per key. A line with nothing else is broken.
    const NAME: &'static str;

    /// The most bytes that a reading takes in the dedup cache: the key, its index and count, and a
    /// time.
    const MOST_BYTES_HELD: usize;

    /// A reading of the key with this name.
    fn reading(name: &str, time: Timestamp, random: &mut ChaCha8Rng) -> TrafficReading;
}

impl TrafficSensor for Unicorn {
    const NAME: &'static str = "Name";
    const MOST_BYTES_HELD: usize = 90;

    fn reading(name: &str, time: Timestamp, random: &mut ChaCha8Rng) -> TrafficReading {
        let fields = vec![
            TrafficField::text(Self::NAME, name),
            TrafficField::text("StatusTime", time),
            TrafficField::number("Latitude", 407, 1).optional(),
            TrafficField::number("Longitude", -740, 1).optional(),
            TrafficField::number("Distance", random.random_range(0..60_000_000), 6),
            TrafficField::number("MagicPoints", random.random_range(80..180), 0),
            TrafficField::number("HealthPoints", random.random_range(80..180), 0),
        ];
        TrafficReading { fields }
    }
}

/// The thermometers of `examples/thermometer`. A room's name says its site.
impl TrafficSensor for DeclaredSensor {
    const NAME: &'static str = "Room";
    const MOST_BYTES_HELD: usize = 110;

    fn reading(name: &str, time: Timestamp, random: &mut ChaCha8Rng) -> TrafficReading {
        let site = ["Berlin", "Rome", "Tromsø"][name.len() % 3];
        let fields = vec![
            TrafficField::text("Site", site),
            TrafficField::text(Self::NAME, name),
            TrafficField::text("Time", time),
            TrafficField::number("Celsius", random.random_range(-4_000..5_000), 2),
        ];
        TrafficReading { fields }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;
    use soak::log::identities;
    use windrow_core::sensor::readings;

    use super::*;

    /// The key, the identity and the values of the reading in a line.
    fn parsed<S: TrafficSensor>(sensor: &S, line: &str) -> Option<String> {
        let (_, reading) = readings(sensor, line.as_bytes()).next()?;
        let reading = reading.ok()??;
        let values = sensor.inputs(&sensor.values(&reading));
        let identities = identities(sensor, line.as_bytes());
        Some(format!("{identities:?} {values:?}"))
    }

    fn check<S: TrafficSensor>(sensor: &S) {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let time = Timestamp::from_millis(1_790_000_040_120);
        let mut spellings = BTreeSet::new();
        for _ in 0..20 {
            let reading = S::reading("Единорог 🦄 7", time, &mut random);
            let expected = parsed(sensor, &reading.to_line());
            assert!(expected.is_some(), "{}", reading.to_line());
            for _ in 0..20 {
                let spelled = reading.respelled(&mut random);
                assert_eq!(parsed(sensor, &spelled), expected, "{spelled}");
                spellings.insert(spelled);
            }
        }
        assert!(spellings.len() > 300);
    }

    #[test]
    fn every_spelling_is_the_same_reading() {
        check(&Unicorn);
        check(&thermometer::sensor().unwrap());
    }
}
