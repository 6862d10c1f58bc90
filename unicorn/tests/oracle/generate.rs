//! Lines that are readings, or nearly.

use crate::tape::Tape;

/// A line: mostly a reading in some spelling, now and then with a fault or damaged.
pub(crate) fn line(tape: &mut Tape<'_>) -> Vec<u8> {
    let mut members: Vec<(String, String)> = Vec::new();
    for (name, value) in FIELDS {
        if tape.one_in(48) {
            continue;
        }
        members.push((spelled(tape, name), value(tape)));
        if tape.one_in(60) {
            members.push((spelled(tape, name), value(tape)));
        }
    }
    for _ in 0..tape.below(4) {
        let key = tape.choose(&[
            "",
            "name",
            "Names",
            "Nam",
            "Altitude",
            "\u{feff}Name",
            "Part",
        ]);
        let key = match tape.one_in(4) {
            true => any_text(tape),
            false => spelled(tape, key),
        };
        members.push((key, any_value(tape, 4)));
    }
    tape.shuffle(&mut members);

    let mut line = space(tape);
    line.push('{');
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        for piece in [key.as_str(), ":", value] {
            line += &space(tape);
            line += piece;
        }
        line += &space(tape);
    }
    line.push('}');
    line += &space(tape);
    if tape.one_in(80) {
        line.insert(0, tape.choose(&['\u{feff}', '\u{a0}', '\u{c}', '[', '\0']));
    }
    if tape.one_in(80) {
        line += tape.choose(&["{}", ",", "}", "0", "\0", "\u{feff}", "//", "\u{b}"]);
    }
    let mut line = line.into_bytes();
    if tape.one_in(6) {
        tape.damage(&mut line, 3);
    }
    line
}

type Value = fn(&mut Tape<'_>) -> String;

const FIELDS: [(&str, Value); 7] = [
    ("Name", |tape| match tape.one_in(16) {
        true => any_value(tape, 2),
        false => name(tape),
    }),
    ("StatusTime", |tape| match tape.one_in(16) {
        true => any_value(tape, 2),
        false => time(tape),
    }),
    ("Latitude", |tape| {
        a_number(
            tape,
            &["90", "-90", "90.00000000000001", "42.264444250051326"],
        )
    }),
    ("Longitude", |tape| {
        a_number(
            tape,
            &["180", "-180", "180.0000000000001", "-71.97582884770408"],
        )
    }),
    ("Distance", |tape| {
        a_number(
            tape,
            &[
                "9223372036854.775807",
                "9223372036854.7758075",
                "29.999999999999996",
                "1e-7",
            ],
        )
    }),
    ("MagicPoints", points),
    ("HealthPoints", points),
];

fn points(tape: &mut Tape<'_>) -> String {
    a_number(
        tape,
        &["2147483647", "2147483648", "-2147483648", "-2147483649"],
    )
}

fn a_number(tape: &mut Tape<'_>, edges: &[&str]) -> String {
    match tape.below(24) {
        0..16 => tape.below(91).to_string(),
        16..19 => tape.choose(edges).to_owned(),
        19..23 => any_number(tape),
        _ => any_value(tape, 2),
    }
}

/// Any number of the grammar, and now and then one that is just outside of it.
fn any_number(tape: &mut Tape<'_>) -> String {
    let mut number = tape.choose(&["", "-", "", ""]).to_owned();
    number += &match tape.below(5) {
        0 => tape.below(10).to_string(),
        1 => tape.number().to_string(),
        2 => format!("{}{}", tape.number(), tape.number()),
        3 => tape.choose(&["0", "7", "150", "5"]).to_owned(),
        _ => format!("1{}", "0".repeat(tape.below(60))),
    };
    if tape.one_in(2) {
        number.push('.');
        number += &"0".repeat(tape.below(50) * tape.below(2));
        number += &match tape.one_in(2) {
            true => tape.number().to_string(),
            false => tape
                .choose(&["5", "0", "25", "4999999", "9999995", "0000005"])
                .to_owned(),
        };
    }
    if tape.one_in(3) {
        number += tape.choose(&["e", "E"]);
        number += tape.choose(&["", "-", "+"]);
        number += &match tape.below(4) {
            0 => tape.below(10).to_string(),
            1 => tape.below(80).to_string(),
            2 => tape.number().to_string(),
            _ => tape
                .choose(&["400", "0", "007", "99999999999999999999"])
                .to_owned(),
        };
    }
    if tape.one_in(60) {
        let place = tape.below(number.len() + 1);
        number.insert(place, tape.choose(&['+', '0', '.', 'e', '-']));
    }
    number
}

fn name(tape: &mut Tape<'_>) -> String {
    match tape.below(8) {
        0..4 => {
            let name = tape.choose(&["Shadowfax", "Bucephalus", "Rocinante 2", "🦄", "الخيل", "é"]);
            spelled(tape, name)
        }
        4 => {
            let one = tape.choose(&["a", "é", "🦄", "\\", "\u{1}"]);
            let long = one.repeat(254 + tape.below(5));
            spelled(tape, &long)
        }
        _ => any_text(tape),
    }
}

fn time(tape: &mut Tape<'_>) -> String {
    // Mostly a real time, since one wrong piece is enough to make it none.
    let odd = tape.one_in(4);
    let mut piece = |real: &[&'static str], odder: &[&'static str]| match odd && tape.one_in(3) {
        true => tape.choose(odder),
        false => tape.choose(real),
    };
    let year = piece(
        &["2026", "2024", "1900", "2000", "1969"],
        &["0000", "9999", "999", "-001"],
    );
    let month = piece(&["12", "01", "03"], &["02", "04", "11", "00", "13", "1"]);
    let day = piece(&["20", "28", "31", "01"], &["29", "30", "00", "32"]);
    let separator = piece(&[" "], &["T", "t", "_", "  "]);
    let hour = piece(&["09", "00", "23", "12"], &["24", "99"]);
    let minute = piece(&["17", "00", "59"], &["60"]);
    let second = piece(&["08", "00", "59"], &["60", "61"]);
    let fraction = piece(
        &[
            ".189",
            "",
            ".1",
            ".000000001",
            ".9999999999",
            ".00000000000",
        ],
        &[".", ",5"],
    );
    let zone = piece(
        &["", "Z", "+01:00", "z", "-00:30", "+23:59", "-23:59"],
        &["+24:00", "+1:00", " ", "-0100", "ZZ", "[UTC]", "+00:60"],
    );
    let mut text =
        format!("{year}-{month}-{day}{separator}{hour}:{minute}:{second}{fraction}{zone}");
    if tape.one_in(30) {
        let place = tape.below(text.len() + 1);
        text.insert(place, tape.choose(&['0', ' ', '-', '１', 'é', '+']));
    }
    spelled(tape, &text)
}

const NO_VALUES: [&str; 10] = [
    "NaN", "nul", "Infinity", "'a'", "[,]", "{,}", "[1,]", "[1 2]", "{\"a\"}", "",
];

/// Any value, of up to `depth` levels.
fn any_value(tape: &mut Tape<'_>, depth: usize) -> String {
    let kinds = if depth == 0 { 6 } else { 8 };
    match tape.below(kinds) {
        0 => "null".to_owned(),
        1 => any_number(tape),
        2 => any_text(tape),
        3 => tape.choose(&["true", "false"]).to_owned(),
        4 => tape
            .choose(&["[]", "{}", "[[]]", "\"Name\"", "[{}, 1e400]"])
            .to_owned(),
        5 if tape.one_in(4) => tape.choose(&NO_VALUES).to_owned(),
        5 => any_number(tape),
        6 => {
            let items: Vec<_> = (0..tape.below(4))
                .map(|_| any_value(tape, depth - 1))
                .collect();
            format!("[{}{}]", space(tape), items.join(","))
        }
        _ => {
            let member = |tape: &mut Tape<'_>| {
                let key = any_text(tape);
                format!("{key}{}:{}", space(tape), any_value(tape, depth - 1))
            };
            let members: Vec<_> = (0..tape.below(4)).map(|_| member(tape)).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// A string of any characters, also such as JSON does not allow.
fn any_text(tape: &mut Tape<'_>) -> String {
    let text = String::from_utf8_lossy(tape.piece(12)).into_owned();
    let mut spelled = spelled(tape, &text);
    if tape.one_in(24) {
        let odd = tape.choose(&[
            r"\ud83e",
            r"\udd84",
            r"\ud83e\ud83e",
            r"\ud83e\u0041",
            r"\x",
            r"\u12",
            "\u{1}",
            "\t",
            r"\u00e9",
            "\"",
            r"\/",
            r"\uD83E\uDD84",
        ]);
        spelled.insert_str(spelled.len() - 1, odd);
    }
    spelled
}

/// The text as a JSON string, each character as it is or in one of its escapes.
fn spelled(tape: &mut Tape<'_>, text: &str) -> String {
    let plain = !tape.one_in(3);
    let mut spelled = "\"".to_owned();
    for character in text.chars() {
        let short = match character {
            '"' => Some("\\\""),
            '\\' => Some("\\\\"),
            '\u{8}' => Some("\\b"),
            '\u{c}' => Some("\\f"),
            '\n' => Some("\\n"),
            '\r' => Some("\\r"),
            '\t' => Some("\\t"),
            _ => None,
        };
        let must = short.is_some() || character < ' ';
        let escape = !plain && tape.one_in(3);
        match short {
            Some(short) if !escape => spelled += short,
            _ if must || escape => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    spelled += &match tape.one_in(2) {
                        true => format!("\\u{unit:04X}"),
                        false => format!("\\u{unit:04x}"),
                    };
                }
            }
            _ => spelled.push(character),
        }
    }
    spelled.push('"');
    spelled
}

fn space(tape: &mut Tape<'_>) -> String {
    let space = tape.choose(&[
        "", "", "", "", " ", "", "", "\t", "", "\r", "", "\n", "", " \t ", "", "",
    ]);
    match tape.one_in(250) {
        true => tape.choose(&["\u{b}", "\u{c}", "\u{a0}", "\0"]).to_owned(),
        false => space.to_owned(),
    }
}
