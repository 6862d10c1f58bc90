//! One reading in many spellings, all of which are the same to the pipeline.

use rand::RngExt as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use soak::log::Identity;
use windrow_core::time::Timestamp;

/// A reading to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrafficReading {
    pub(crate) name: String,
    /// Its StatusTime.
    pub(crate) time: Timestamp,
    pub(crate) micrometres: u32,
    pub(crate) magic: u32,
    pub(crate) health: u32,
}

impl TrafficReading {
    /// What its duplicates share.
    pub(crate) fn identity(&self) -> Identity {
        (self.name.clone(), self.time.nanos())
    }

    /// Its line as a producer spells it.
    pub(crate) fn to_line(&self) -> String {
        let Self {
            name,
            time,
            magic,
            health,
            ..
        } = self;
        let metres = self.metres();
        format!(
            "{{\"Name\":\"{name}\",\"StatusTime\":\"{time}\",\"Latitude\":40.7,\"Longitude\":-74.0,\"Distance\":{metres},\"MagicPoints\":{magic},\"HealthPoints\":{health}}}\n"
        )
    }

    /// Another line with the same reading: other spaces, another order of the fields, more fields,
    /// escapes, and other spellings of the numbers.
    pub(crate) fn respelled(&self, random: &mut ChaCha8Rng) -> String {
        let metres = self.metres();
        let metres = match random.random_range(0..2) {
            0 => metres,
            _ => metres
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned(),
        };
        let mut members = vec![
            ("Name", quoted(&self.name, random)),
            ("StatusTime", quoted(&self.time.to_string(), random)),
            ("Distance", metres),
            ("MagicPoints", integer(self.magic, random)),
            ("HealthPoints", integer(self.health, random)),
        ];
        if random.random() {
            members.push(("Latitude", "4.07e1".to_owned()));
            members.push(("Longitude", "-74".to_owned()));
        }
        if random.random() {
            members.push(("Herd", r#"[{"Name":null},"}",-1e9]"#.to_owned()));
        }
        members.shuffle(random);
        let mut line = format!("{}{{", space(random));
        for (index, (key, value)) in members.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let (before, after) = (space(random), space(random));
            let key = quoted(key, random);
            line.push_str(&format!(
                "{comma}{before}{key}{after}:{before}{value}{after}"
            ));
        }
        line + "}\n"
    }

    fn metres(&self) -> String {
        let (metres, rest) = (self.micrometres / 1_000_000, self.micrometres % 1_000_000);
        format!("{metres}.{rest:06}")
    }
}

fn space(random: &mut ChaCha8Rng) -> &'static str {
    ["", "", " ", "\t "].choose(random).copied().unwrap_or("")
}

/// An integer, some of them with a fraction or an exponent.
fn integer(number: u32, random: &mut ChaCha8Rng) -> String {
    match random.random_range(0..4) {
        0 => number.to_string(),
        1 => format!("{number}.0"),
        2 => format!("{number}00e-2"),
        _ => format!("{}.{:02}E+2", number / 100, number % 100),
    }
}

/// A string, some of them with `\u` escapes.
fn quoted(text: &str, random: &mut ChaCha8Rng) -> String {
    let share = *[0.0, 0.2, 1.0].choose(random).unwrap_or(&0.0);
    let mut quoted = String::from('"');
    for character in text.chars() {
        if random.random_bool(share) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                quoted.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            quoted.push(character);
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use soak::log::identity;
    use unicorn::reading::Reading;

    use super::*;

    #[test]
    fn every_spelling_is_the_same_reading() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let reading = TrafficReading {
            name: "Единорог 🦄 7".to_owned(),
            time: Timestamp::from_millis(1_790_000_040_120),
            micrometres: 29_120_300,
            magic: 150,
            health: 99,
        };
        let line = reading.to_line();
        let parsed = Reading::parse(line.trim_end().as_bytes()).ok();
        assert!(parsed.is_some());
        let mut spellings = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let spelled = reading.respelled(&mut random);
            let mut other = Reading::parse(spelled.trim_end().as_bytes()).ok();
            if let (Some(other), Some(parsed)) = (&mut other, &parsed) {
                (other.latitude, other.longitude) = (parsed.latitude, parsed.longitude);
            }
            assert_eq!(other, parsed, "{spelled}");
            let parsed_identity = other.as_ref().map(identity);
            assert_eq!(parsed_identity, Some(reading.identity()));
            spellings.insert(spelled);
        }
        assert!(spellings.len() > 150);
    }
}
