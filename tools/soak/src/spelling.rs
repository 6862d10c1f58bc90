//! One reading in many spellings, all of which are the same to the pipeline.

use rand::RngExt as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use windrow_core::decimal::Decimal;

/// A reading to send: its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrafficReading {
    pub(crate) fields: Vec<TrafficField>,
}

/// A field of a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrafficField {
    name: &'static str,
    value: TrafficValue,
    /// Whether the same reading may lack it.
    is_optional: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TrafficValue {
    Text(String),
    Number { unscaled: i64, places: u8 },
}

impl TrafficField {
    /// A field with a text.
    pub(crate) fn text(name: &'static str, text: impl ToString) -> Self {
        Self {
            name,
            value: TrafficValue::Text(text.to_string()),
            is_optional: false,
        }
    }

    /// A field with a number: `unscaled` divided by 10^`places`.
    pub(crate) fn number(name: &'static str, unscaled: i64, places: u8) -> Self {
        Self {
            name,
            value: TrafficValue::Number { unscaled, places },
            is_optional: false,
        }
    }

    /// The field of a reading that may lack it.
    pub(crate) fn optional(self) -> Self {
        Self {
            is_optional: true,
            ..self
        }
    }
}

impl TrafficValue {
    fn to_json(&self) -> String {
        match self {
            Self::Text(text) => format!("\"{text}\""),
            Self::Number { unscaled, places } => plain(*unscaled, *places),
        }
    }

    fn respelled(&self, random: &mut ChaCha8Rng) -> String {
        match self {
            Self::Text(text) => quoted(text, random),
            Self::Number { unscaled, places } => number(*unscaled, *places, random),
        }
    }
}

impl TrafficReading {
    /// Its line as a producer spells it.
    pub(crate) fn to_line(&self) -> String {
        let fields = self.fields.iter();
        let fields = fields.map(|field| format!("\"{}\":{}", field.name, field.value.to_json()));
        let fields: Vec<String> = fields.collect();
        format!("{{{}}}\n", fields.join(","))
    }

    /// Another line with the same reading: other spaces, another order of the fields, more fields,
    /// escapes, and other spellings of the numbers.
    pub(crate) fn respelled(&self, random: &mut ChaCha8Rng) -> String {
        let mut members = Vec::new();
        for field in &self.fields {
            if !field.is_optional || random.random() {
                members.push((field.name, field.value.respelled(random)));
            }
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
}

/// A number with all places: `29.120300`.
fn plain(unscaled: i64, places: u8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let (digits, width) = (unscaled.unsigned_abs(), usize::from(places) + 1);
    let digits = format!("{digits:0width$}");
    match digits.split_at(digits.len() - usize::from(places)) {
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

fn space(random: &mut ChaCha8Rng) -> &'static str {
    ["", "", " ", "\t "].choose(random).copied().unwrap_or("")
}

/// A number, some of them shorter, longer or with an exponent.
fn number(unscaled: i64, places: u8, random: &mut ChaCha8Rng) -> String {
    match random.random_range(0..5) {
        0 => plain(unscaled, places),
        1 => plain(unscaled * 10, places + 1),
        2 => format!("{unscaled}00e-{}", places + 2),
        3 => format!("{}E+2", plain(unscaled, places + 2)),
        _ => {
            let (unscaled, scale) = (unscaled.into(), places);
            Decimal { unscaled, scale }.to_string()
        }
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
