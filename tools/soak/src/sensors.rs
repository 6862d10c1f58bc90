//! The sensors whose readings are sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use soak::log::LoggedRecord;
use soak::outputs::OutputCheck;
use sql_functions::finished::SqlOutputs;
use unicorn::sensor::Unicorn;
use windrow_core::sensor::{Aggregation, DeclaredSensor, Field, Sensor, SensorError};
use windrow_core::time::Timestamp;
use windrow_core::value::{ColumnType, NumberType};
use windrow_lambda::finisher::{MergedOutput, WINDOWS, WindowOutputs};
use windrow_sql::sensor::SqlSensor;

use crate::spelling::{TrafficField, TrafficReading};

/// A sensor with readings to send.
pub(crate) trait TrafficSensor: Sensor + Clone {
    /// The field with a name that is unique per key.
    const NAME: &'static str;

    /// The most bytes that a reading takes in the dedup cache: the key, its index and count, and a
    /// time.
    const MOST_BYTES_HELD: usize;

    /// A reading of the key with this name.
    fn reading(name: &str, time: Timestamp, random: &mut ChaCha8Rng) -> TrafficReading;

    /// A line with this name that is not a reading, because everything else is missing.
    fn broken_line(name: &str) -> String {
        format!("{{\"{}\":\"{name}\"}}\n", Self::NAME)
    }

    /// The sensor that tells all readings apart, even if this one counts equal readings as often as
    /// they are sent.
    fn telling_apart(&self) -> Self {
        self.clone()
    }

    /// Compares the logs of the outputs without windows, by their names, with the log of readings.
    fn check_outputs(
        &self,
        _log: &[LoggedRecord],
        _outputs: &BTreeMap<String, Vec<LoggedRecord>>,
    ) -> OutputCheck {
        OutputCheck::default()
    }

    /// What the finisher writes.
    fn window_outputs(&self) -> impl WindowOutputs {
        MergedOutput::new(self.schema(), WINDOWS)
    }

    /// The lengths of the sensor's own windows, if it has any.
    fn window_lengths(&self) -> Vec<Duration> {
        Vec::new()
    }
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

/// The measures of the thermometers, and also the first and the last temperature of a room, and its
/// first and last note. Most readings have none.
///
/// # Errors
///
/// None: the declaration does not contradict itself.
pub(crate) fn first_last() -> Result<DeclaredSensor, SensorError> {
    let celsius = ColumnType::Number(NumberType::decimal(2));
    DeclaredSensor::new(vec![
        Field::new("Site", ColumnType::Text).key(),
        Field::new("Room", ColumnType::Text).key(),
        Field::new("Time", ColumnType::Timestamp).time(),
        Field::new("Celsius", celsius)
            .measure("MinCelsius", Aggregation::Min)
            .measure("MaxCelsius", Aggregation::Max)
            .measure("AvgCelsius", Aggregation::average_of(celsius))
            .measure("CountCelsius", Aggregation::Count)
            .measure("First", Aggregation::First)
            .measure("Last", Aggregation::Last),
        Field::new("Note", ColumnType::Text)
            .nullable()
            .measure("FirstNote", Aggregation::First)
            .measure("LastNote", Aggregation::Last),
    ])
}

/// The thermometers of `examples/thermometer`, which have no notes, and [`first_last`]. A room's name
/// says its site.
impl TrafficSensor for DeclaredSensor {
    const NAME: &'static str = "Room";
    const MOST_BYTES_HELD: usize = 110;

    fn reading(name: &str, time: Timestamp, random: &mut ChaCha8Rng) -> TrafficReading {
        let site = ["Berlin", "Rome", "Tromsø"][name.len() % 3];
        let mut fields = vec![
            TrafficField::text("Site", site),
            TrafficField::text(Self::NAME, name),
            TrafficField::text("Time", time),
            TrafficField::number("Celsius", random.random_range(-4_000..5_000), 2),
        ];
        if random.random_bool(0.3) {
            let note = format!("№ {}", random.random_range(0..1_000));
            fields.push(TrafficField::text("Note", note));
        }
        TrafficReading { fields }
    }
}

/// The applications in [`application`](crate::application), which read the same readings.
impl TrafficSensor for SqlSensor {
    const NAME: &'static str = "Name";
    const MOST_BYTES_HELD: usize = 160;

    fn reading(name: &str, time: Timestamp, random: &mut ChaCha8Rng) -> TrafficReading {
        let mut fields = vec![
            TrafficField::text(Self::NAME, name),
            TrafficField::text("StatusTime", time),
            TrafficField::number("Distance", random.random_range(0..60_000_000), 6),
            TrafficField::number("HealthPoints", random.random_range(80..180), 0),
        ];
        // What is missing is NULL.
        if let Some(site) = ["Berlin", "Rome", "Tromsø"].get(name.len() % 4) {
            fields.push(TrafficField::text("Site", site));
        }
        if random.random_bool(0.9) {
            let points = random.random_range(80..180);
            fields.push(TrafficField::number("MagicPoints", points, 0));
        }
        TrafficReading { fields }
    }

    /// A column may be missing, but it cannot be what its type does not allow.
    fn broken_line(name: &str) -> String {
        format!("{{\"Name\":\"{name}\",\"MagicPoints\":\"many\"}}\n")
    }

    fn telling_apart(&self) -> Self {
        // The original cuts names, so some have the same name and time.
        let columns = [Self::NAME, "StatusTime", "Distance"];
        let columns = self.clone().with_identity(&columns);
        columns.unwrap_or_else(|_| self.clone())
    }

    fn window_outputs(&self) -> impl WindowOutputs {
        SqlOutputs::new(Arc::clone(self.application()))
    }

    fn check_outputs(
        &self,
        log: &[LoggedRecord],
        outputs: &BTreeMap<String, Vec<LoggedRecord>>,
    ) -> OutputCheck {
        OutputCheck::of(self, log, outputs)
    }

    fn window_lengths(&self) -> Vec<Duration> {
        let pumps = self.application().pumps().iter();
        let lengths = pumps.map(|pump| Duration::from_secs(pump.window_seconds().into()));
        lengths.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;
    use soak::log::identities;
    use windrow_core::sensor::readings;

    use super::*;
    use crate::application;

    /// The key, the identity and the values of what counts of the reading in a line.
    fn parsed<S: TrafficSensor>(sensor: &S, line: &str) -> Option<Vec<String>> {
        let (_, reading) = readings(sensor, line.as_bytes()).next()?;
        let mut reading = reading.ok()??;
        let mut counted = Vec::new();
        sensor.split(&mut reading, Timestamp::from_millis(0), |reading| {
            counted.push(match reading {
                Ok(reading) => {
                    let inputs = sensor.inputs(&sensor.values(reading));
                    format!(
                        "{} {:?} {inputs:?}",
                        sensor.key(reading),
                        sensor.identity(reading)
                    )
                }
                Err(rejection) => rejection.to_string(),
            });
        });
        Some(counted)
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
        let broken = S::broken_line("broken 7");
        assert_eq!(parsed(sensor, &broken), None, "{broken}");
    }

    #[test]
    fn every_spelling_is_the_same_reading() {
        check(&Unicorn);
        check(&thermometer::sensor().unwrap());
        check(&first_last().unwrap());
        for files in [
            application::ORIGINAL,
            application::TWO_KEYS,
            application::STATELESS,
        ] {
            check(&files.program().unwrap().application.sensor);
        }
    }

    #[test]
    fn readings_are_told_apart_even_if_equal_ones_count() {
        let sensor = application::ORIGINAL.program().unwrap().application.sensor;
        let reading = |millis| {
            let mut random = ChaCha8Rng::seed_from_u64(7);
            SqlSensor::reading("Franky", Timestamp::from_millis(millis), &mut random).to_line()
        };
        let told_apart = |line: &str| identities(&sensor.telling_apart(), line.as_bytes());
        let (one, other) = (reading(1_790_000_040_120), reading(1_790_000_040_121));
        assert_eq!(told_apart(&one).len(), 1);
        assert_ne!(told_apart(&one), told_apart(&other));
        assert_eq!(identities(&sensor, one.as_bytes()), []);
    }
}
