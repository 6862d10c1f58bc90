//! Lines that are readings, or almost.

use crate::choices::Choices;

/// A line: mostly a reading in some JSON format, sometimes with an error or damaged.
pub fn line(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut members: Vec<(String, String)> = Vec::new();
    for (name, value) in FIELDS {
        if choices.one_in(48) {
            continue;
        }
        members.push((quoted(choices, name), value(choices)));
        if choices.one_in(60) {
            members.push((quoted(choices, name), value(choices)));
        }
    }
    for _ in 0..choices.below(4) {
        let key = choices.choose(&[
            "",
            "name",
            "Names",
            "Nam",
            "Altitude",
            "\u{feff}Name",
            "Part",
        ]);
        let key = if choices.one_in(4) {
            any_text(choices)
        } else {
            quoted(choices, key)
        };
        members.push((key, any_value(choices, 4)));
    }
    choices.shuffle(&mut members);

    let mut line = space(choices);
    line.push('{');
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        for piece in [key.as_str(), ":", value] {
            line += &space(choices);
            line += piece;
        }
        line += &space(choices);
    }
    line.push('}');
    line += &space(choices);
    if choices.one_in(80) {
        line.insert(
            0,
            choices.choose(&['\u{feff}', '\u{a0}', '\u{c}', '[', '\0']),
        );
    }
    if choices.one_in(80) {
        line += choices.choose(&["{}", ",", "}", "0", "\0", "\u{feff}", "//", "\u{b}"]);
    }
    let mut line = line.into_bytes();
    if choices.one_in(6) {
        choices.damage(&mut line, 3);
    }
    line
}

type GeneratedValue = fn(&mut Choices<'_>) -> String;

const FIELDS: [(&str, GeneratedValue); 7] = [
    ("Name", |choices| {
        if choices.one_in(16) {
            any_value(choices, 2)
        } else {
            name(choices)
        }
    }),
    ("StatusTime", |choices| {
        if choices.one_in(16) {
            any_value(choices, 2)
        } else {
            time(choices)
        }
    }),
    ("Latitude", |choices| {
        number(
            choices,
            &["90", "-90", "90.00000000000001", "42.264444250051326"],
        )
    }),
    ("Longitude", |choices| {
        number(
            choices,
            &["180", "-180", "180.0000000000001", "-71.97582884770408"],
        )
    }),
    ("Distance", |choices| {
        number(
            choices,
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

fn points(choices: &mut Choices<'_>) -> String {
    number(
        choices,
        &["2147483647", "2147483648", "-2147483648", "-2147483649"],
    )
}

fn number(choices: &mut Choices<'_>, edges: &[&str]) -> String {
    match choices.below(24) {
        0..16 => choices.below(91).to_string(),
        16..19 => choices.choose(edges).to_owned(),
        19..23 => any_number(choices),
        _ => any_value(choices, 2),
    }
}

/// Any number by JSON's grammar, and sometimes text just outside of it.
fn any_number(choices: &mut Choices<'_>) -> String {
    let mut number = choices.choose(&["", "-", "", ""]).to_owned();
    number += &match choices.below(5) {
        0 => choices.below(10).to_string(),
        1 => choices.number().to_string(),
        2 => format!("{}{}", choices.number(), choices.number()),
        3 => choices.choose(&["0", "7", "150", "5"]).to_owned(),
        _ => format!("1{}", "0".repeat(choices.below(60))),
    };
    if choices.one_in(2) {
        number.push('.');
        number += &"0".repeat(choices.below(50) * choices.below(2));
        number += &if choices.one_in(2) {
            choices.number().to_string()
        } else {
            choices
                .choose(&["5", "0", "25", "4999999", "9999995", "0000005"])
                .to_owned()
        };
    }
    if choices.one_in(3) {
        number += choices.choose(&["e", "E"]);
        number += choices.choose(&["", "-", "+"]);
        number += &match choices.below(4) {
            0 => choices.below(10).to_string(),
            1 => choices.below(80).to_string(),
            2 => choices.number().to_string(),
            _ => choices
                .choose(&["400", "0", "007", "99999999999999999999"])
                .to_owned(),
        };
    }
    if choices.one_in(60) {
        let index = choices.below(number.len() + 1);
        number.insert(index, choices.choose(&['+', '0', '.', 'e', '-']));
    }
    number
}

fn name(choices: &mut Choices<'_>) -> String {
    match choices.below(8) {
        0..4 => {
            let name =
                choices.choose(&["Shadowfax", "Bucephalus", "Rocinante 2", "🦄", "الخيل", "é"]);
            quoted(choices, name)
        }
        4 => {
            let one = choices.choose(&["a", "é", "🦄", "\\", "\u{1}"]);
            let long = one.repeat(254 + choices.below(5));
            quoted(choices, &long)
        }
        _ => any_text(choices),
    }
}

fn time(choices: &mut Choices<'_>) -> String {
    if choices.one_in(12) {
        return time_number(choices);
    }
    // Mostly a valid time, since a single wrong piece invalidates it.
    let odd = choices.one_in(4);
    let mut piece = |usual: &[&'static str], edges: &[&'static str]| {
        if odd && choices.one_in(3) {
            choices.choose(edges)
        } else {
            choices.choose(usual)
        }
    };
    let year = piece(
        &["2026", "2024", "1900", "2000", "1969"],
        &["0000", "9999", "999", "-001"],
    );
    let month = piece(&["12", "01", "03"], &["02", "04", "11", "00", "13", "1"]);
    let day = piece(&["20", "28", "31", "01"], &["29", "30", "00", "32"]);
    let separator = piece(&[" ", " ", "T", "t"], &["_", "  "]);
    let hour = piece(&["09", "00", "23", "12"], &["24", "99"]);
    let minute = piece(&["17", "00", "59"], &["60"]);
    let second = piece(&["08", "00", "59", "60"], &["61"]);
    let fraction = piece(
        &[
            ".189",
            "",
            ".1",
            ".000000001",
            ".9999999999",
            ".00000000000",
            ",5",
        ],
        &[".", ",", ".,1"],
    );
    let zone = piece(
        &[
            "", "", "Z", "z", "+01:00", "-00:30", "+23:59", "-23:59", "-0100", "+0000", "+01",
            "-00",
        ],
        &[
            "+24:00", "+1:00", " ", " UTC", "ZZ", "[UTC]", "+00:60", "+010", "+0060", "+01:",
        ],
    );
    let mut text =
        format!("{year}-{month}-{day}{separator}{hour}:{minute}:{second}{fraction}{zone}");
    if choices.one_in(30) {
        let index = choices.below(text.len() + 1);
        text.insert(index, choices.choose(&['0', ' ', '-', '１', 'é', '+']));
    }
    quoted(choices, &text)
}

/// A number of seconds or milliseconds since the epoch, or nearly.
fn time_number(choices: &mut Choices<'_>) -> String {
    let sign = choices.choose(&["", "", "", "-"]);
    let whole = choices.choose(&[
        "0",
        "1795166228",
        "1795166228189",
        "99999999999",
        "100000000000",
        "100000000001",
        "62167219200",
        "62167219201",
        "62167219200000",
        "253402300799999",
        "253402300800000",
        "1795166228189000",
    ]);
    let rest = choices.choose(&[
        "",
        "",
        ".189",
        ".000000001",
        ".9999999999",
        "e0",
        "e-3",
        "E2",
    ]);
    format!("{sign}{whole}{rest}")
}

const INVALID_VALUES: [&str; 10] = [
    "NaN", "nul", "Infinity", "'a'", "[,]", "{,}", "[1,]", "[1 2]", "{\"a\"}", "",
];

/// Any value of up to `depth` levels.
fn any_value(choices: &mut Choices<'_>, depth: usize) -> String {
    let kinds = if depth == 0 { 6 } else { 8 };
    match choices.below(kinds) {
        0 => "null".to_owned(),
        1 => any_number(choices),
        2 => any_text(choices),
        3 => choices.choose(&["true", "false"]).to_owned(),
        4 => choices
            .choose(&["[]", "{}", "[[]]", "\"Name\"", "[{}, 1e400]"])
            .to_owned(),
        5 if choices.one_in(4) => choices.choose(&INVALID_VALUES).to_owned(),
        5 => any_number(choices),
        6 => {
            let items: Vec<_> = (0..choices.below(4))
                .map(|_| any_value(choices, depth - 1))
                .collect();
            format!("[{}{}]", space(choices), items.join(","))
        }
        _ => {
            let member = |choices: &mut Choices<'_>| {
                let key = any_text(choices);
                format!("{key}{}:{}", space(choices), any_value(choices, depth - 1))
            };
            let members: Vec<_> = (0..choices.below(4)).map(|_| member(choices)).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// A JSON string of any characters, including some that JSON does not allow.
fn any_text(choices: &mut Choices<'_>) -> String {
    let text = String::from_utf8_lossy(choices.piece(12)).into_owned();
    let mut quoted = quoted(choices, &text);
    if choices.one_in(24) {
        let odd = choices.choose(&[
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
        quoted.insert_str(quoted.len() - 1, odd);
    }
    quoted
}

/// The text as a JSON string, with any of the possible escapes.
fn quoted(choices: &mut Choices<'_>, text: &str) -> String {
    let plain = !choices.one_in(3);
    let mut quoted = "\"".to_owned();
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
        let escape = !plain && choices.one_in(3);
        match short {
            Some(short) if !escape => quoted += short,
            _ if must || escape => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    quoted += &if choices.one_in(2) {
                        format!("\\u{unit:04X}")
                    } else {
                        format!("\\u{unit:04x}")
                    };
                }
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn space(choices: &mut Choices<'_>) -> String {
    let space = choices.choose(&[
        "", "", "", "", " ", "", "", "\t", "", "\r", "", "\n", "", " \t ", "", "",
    ]);
    if choices.one_in(250) {
        choices
            .choose(&["\u{b}", "\u{c}", "\u{a0}", "\0"])
            .to_owned()
    } else {
        space.to_owned()
    }
}
