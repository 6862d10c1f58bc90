//! The simulated unicorn.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use unicorn::distance::Distance;
use unicorn::reading::Reading;
use windrow_core::time::Timestamp;

/// Where every unicorn starts: New York, in degrees north and east.
const START: (f64, f64) = (40.749167, -73.985184);

/// Magic and health at the start.
const START_POINTS: i32 = 150;

/// A unicorn's speed, in metres per second.
const SPEED: std::ops::RangeInclusive<f64> = 29.0..=31.0;

/// Metres per degree of latitude.
const LATITUDE_METRES: f64 = 110_540.0;

/// Metres per degree of longitude at the equator.
const LONGITUDE_METRES: f64 = 111_320.0;

/// Where a unicorn turns back, in degrees north or south. At the pole, a degree of longitude has
/// length zero.
const TURNING_LATITUDE: f64 = 89.99;

/// One simulated unicorn.
///
/// It keeps a constant bearing and flies 29 to 31 m per second. Each second, its magic and health
/// change by -1, 0, 0 or +1 with equal probability.
///
/// It reads no clock: the same seed, number and rate always give the same flight.
#[derive(Clone, Debug)]
pub struct FlyingUnicorn {
    name: String,
    random: ChaCha8Rng,
    /// Clockwise from north, in radians.
    bearing: f64,
    latitude: f64,
    longitude: f64,
    magic: i32,
    health: i32,
    /// Readings per second.
    rate: f64,
    /// How many readings were taken.
    readings: u64,
    /// Time of the last reading, in milliseconds since the epoch.
    last: Option<i64>,
}

impl FlyingUnicorn {
    /// Creates unicorn `number` of the fleet with this `seed`, at the start of its flight. It takes
    /// `rate` readings per second.
    ///
    /// Each number has its own random stream, so a larger fleet contains the smaller one.
    pub fn new(name: String, seed: u64, number: u64, rate: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        Self {
            name,
            bearing: random.random_range(0.0..std::f64::consts::TAU),
            random,
            latitude: START.0,
            longitude: START.1,
            magic: START_POINTS,
            health: START_POINTS,
            rate,
            readings: 0,
            last: None,
        }
    }

    /// The unicorn's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Flies to the next reading and returns it. Its time is `millis`, in milliseconds since the
    /// epoch, but at least one millisecond after the previous reading: two readings of one unicorn
    /// with the same time would count as duplicates.
    pub fn fly(&mut self, millis: i64) -> Reading<'_> {
        let millis = self
            .last
            .map_or(millis, |last| millis.max(last.saturating_add(1)));
        self.last = Some(millis);

        let seconds_before = (self.readings as f64 / self.rate).floor();
        self.readings += 1;
        let seconds_after = (self.readings as f64 / self.rate).floor();
        for _ in 0..(seconds_after - seconds_before) as u64 {
            self.magic = self.magic.saturating_add(self.change());
            self.health = self.health.saturating_add(self.change());
        }

        let metres = self.random.random_range(SPEED) / self.rate;
        let micrometres = (metres * 1e6).round();
        self.advance(micrometres / 1e6);
        Reading {
            name: self.name.as_str().into(),
            status_time: Timestamp::from_millis(millis),
            latitude: Some(self.latitude),
            longitude: Some(self.longitude),
            distance: Distance::from_micrometres(micrometres as i128),
            magic_points: self.magic,
            health_points: self.health,
        }
    }

    fn change(&mut self) -> i32 {
        [-1, 0, 0, 1][self.random.random_range(0..4_usize)]
    }

    fn advance(&mut self, metres: f64) {
        let metres_per_degree_east = LONGITUDE_METRES * self.latitude.to_radians().cos();
        self.latitude += metres * self.bearing.cos() / LATITUDE_METRES;
        self.longitude += metres * self.bearing.sin() / metres_per_degree_east;
        if self.latitude.abs() > TURNING_LATITUDE {
            self.latitude = self.latitude.clamp(-TURNING_LATITUDE, TURNING_LATITUDE);
            self.bearing = std::f64::consts::PI - self.bearing;
        }
        self.longitude = (self.longitude + 180.0).rem_euclid(360.0) - 180.0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unicorn(seed: u64, number: u64, rate: f64) -> FlyingUnicorn {
        FlyingUnicorn::new("Shadowfax".to_owned(), seed, number, rate)
    }

    fn flight(seed: u64, number: u64, rate: f64, readings: i64) -> Vec<Reading<'static>> {
        let mut unicorn = unicorn(seed, number, rate);
        let fly = |second| {
            let reading = unicorn.fly(second * 1000);
            Reading {
                name: "Shadowfax".into(),
                ..reading
            }
        };
        (1..=readings).map(fly).collect()
    }

    fn metres_between(from: (f64, f64), to: (f64, f64)) -> f64 {
        let (north, east) = ((to.0 - from.0).to_radians(), (to.1 - from.1).to_radians());
        let (from, to) = (from.0.to_radians(), to.0.to_radians());
        let h = (north / 2.0).sin().powi(2) + from.cos() * to.cos() * (east / 2.0).sin().powi(2);
        2.0 * 6_371_000.0 * h.sqrt().asin()
    }

    #[test]
    fn seed_determines_the_fleet() {
        assert_eq!(flight(7, 3, 1.0, 100), flight(7, 3, 1.0, 100));
        assert_ne!(flight(7, 3, 1.0, 1), flight(7, 4, 1.0, 1));
        assert_ne!(flight(7, 3, 1.0, 1), flight(8, 3, 1.0, 1));
    }

    /// Degrees are not compared: the last digit of a sine depends on the platform.
    #[test]
    fn flight_of_a_seed_is_stable_between_versions() {
        let measures = |reading: &Reading<'_>| {
            let metres = reading.distance.to_string();
            (metres, reading.magic_points, reading.health_points)
        };
        let flight: Vec<_> = flight(7, 0, 1.0, 2).iter().map(measures).collect();
        let expected = [("30.408552", 149, 149), ("30.202518", 148, 149)];
        assert_eq!(
            flight,
            expected.map(|(m, magic, health)| (m.to_owned(), magic, health))
        );
    }

    #[test]
    fn turns_back_at_the_pole_and_crosses_the_date_line() {
        let mut unicorn = unicorn(1, 0, 1.0);
        unicorn.bearing = 0.0;
        unicorn.latitude = 89.9899;
        let north = unicorn.fly(0).latitude.unwrap();
        let south = unicorn.fly(1).latitude.unwrap();
        assert_eq!(north, TURNING_LATITUDE);
        assert!(south < north);

        unicorn.bearing = std::f64::consts::FRAC_PI_2;
        (unicorn.latitude, unicorn.longitude) = (0.0, 179.9999);
        let east = unicorn.fly(2).longitude.unwrap();
        assert!((-180.0..-179.99).contains(&east), "{east}");
    }

    #[test]
    fn readings_never_share_a_time() {
        let mut unicorn = unicorn(1, 0, 1000.0);
        let times = [5, 5, 3, 100].map(|millis| unicorn.fly(millis).status_time.millis());
        assert_eq!(times, [5, 6, 7, 100]);
    }

    proptest! {
        #[test]
        fn speed_is_29_to_31_metres_per_second(seed: u64, number in 0..100_u64, rate in 0.1..100.0_f64) {
            let mut position = START;
            for reading in flight(seed, number, rate, 50) {
                let reported = reading.distance.micrometres() as f64 / 1e6 * rate;
                prop_assert!((28.9..31.1).contains(&reported), "reported {reported}");
                let next = (reading.latitude.unwrap(), reading.longitude.unwrap());
                // Distances on the plane and on the sphere differ by less than 1 % here.
                let flown = metres_between(position, next) * rate;
                prop_assert!((28.7..31.4).contains(&flown), "flown {flown}");
                position = next;
            }
        }

        #[test]
        fn points_change_by_at_most_one_per_second(seed: u64, rate in 0.1..20.0_f64) {
            let most = (1.0 / rate).ceil() as i32;
            let (mut magic, mut health) = (START_POINTS, START_POINTS);
            for reading in flight(seed, 0, rate, 100) {
                prop_assert!((reading.magic_points - magic).abs() <= most);
                prop_assert!((reading.health_points - health).abs() <= most);
                (magic, health) = (reading.magic_points, reading.health_points);
            }
        }

        #[test]
        fn every_reading_can_be_parsed(seed: u64, latitude in -90.0..90.0_f64, longitude in -180.0..180.0_f64) {
            let mut unicorn = unicorn(seed, 0, 0.001);
            (unicorn.latitude, unicorn.longitude) = (latitude, longitude);
            for second in 0..20 {
                let line = unicorn.fly(second).to_line();
                prop_assert!(Reading::parse(&line).is_ok(), "{}", String::from_utf8_lossy(&line));
            }
        }
    }
}
