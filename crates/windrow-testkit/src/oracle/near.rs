//! Lines in the usual formats, and slight changes of them, to test where the fast parsers hand over
//! to the general one.

use crate::choices::Choices;

/// A line. Choices of zeros generate a simple reading.
pub fn line(choices: &mut Choices<'_>) -> Vec<u8> {
    let reformatted = choices.one_in(3);
    let colon = if reformatted {
        choices.choose(&[":", ": ", " :", "\t: \t", ":\r"])
    } else {
        ":"
    };
    let mut members = vec![
        [
            format!("\"Name\"{colon}\"").into_bytes(),
            name(choices),
            b"\"".to_vec(),
        ]
        .concat(),
        format!("\"StatusTime\"{colon}\"{}\"", time(choices)).into_bytes(),
    ];
    let numbers: [(&str, Number); 5] = [
        ("Latitude", |choices| {
            degrees(choices, &["90", "90.0000000000000001"])
        }),
        ("Longitude", |choices| {
            degrees(choices, &["180", "180.0000000000000001"])
        }),
        ("Distance", distance),
        ("MagicPoints", points),
        ("HealthPoints", points),
    ];
    let without_position = choices.one_in(6);
    for (index, (key, number)) in numbers.into_iter().enumerate() {
        if index > 1 || !without_position {
            let number = number(choices);
            members.push(format!("\"{key}\"{colon}{number}").into_bytes());
        }
    }
    if choices.one_in(4) {
        rearrange(choices, &mut members);
    }
    let mut separator = choices
        .choose(&[b",", b",", b",", b",", b",", b",", b",", b";"])
        .as_slice();
    let mut start = &b"{"[..];
    if reformatted {
        choices.shuffle(&mut members);
        separator = choices.choose(&[&b","[..], b", ", b" ,", b"\t,  ", b",\r"]);
        start = choices.choose(&[&b"{"[..], b"{ ", b"{\t", b" {"]);
    }
    let end = choices.choose(&[
        "}", "}", "}", " }", "\t}", "}\r", "} ", "}\t\r", "}}", ",}", "", "}\0", "}\x0c",
    ]);
    let mut line = [start, members.join(separator).as_slice(), end.as_bytes()].concat();
    if choices.one_in(3) {
        choices.damage(&mut line, 3);
    }
    line
}

/// The number of kinds of changes that [`mutate`] makes.
pub const MUTATIONS: usize = 20;

/// The line with one byte changed. `number` determines the byte and the kind of change.
pub fn mutate(line: &[u8], number: usize) -> Vec<u8> {
    let index = number % line.len().max(1);
    let kind = number / line.len().max(1);
    let mut line = line.to_vec();
    let end = line.len().min(index + 1);
    let old = line[index.min(end)..end].to_vec();
    let new: Vec<u8> = match kind % MUTATIONS {
        0 => Vec::new(),
        1 => old.repeat(2),
        2 => b"0".to_vec(),
        3 => b"9".to_vec(),
        4 => b".".to_vec(),
        5 => b"-".to_vec(),
        6 => b"e".to_vec(),
        7 => b"\"".to_vec(),
        8 => b"\\".to_vec(),
        9 => b",".to_vec(),
        10 => b" ".to_vec(),
        11 => b"\0".to_vec(),
        12 => vec![0x1F],
        13 => vec![0x7F],
        14 => vec![0x80],
        15 => b"\xC0\xA2".to_vec(),
        16 => "é".as_bytes().to_vec(),
        17 => old.iter().map(|byte| byte.wrapping_add(1)).collect(),
        18 => old.iter().map(|byte| byte.wrapping_sub(1)).collect(),
        _ => old.iter().map(|byte| byte ^ 0x80).collect(),
    };
    line.splice(index.min(end)..end, new);
    line
}

type Number = fn(&mut Choices<'_>) -> String;

/// Swaps two members, or duplicates, removes or adds one.
fn rearrange(choices: &mut Choices<'_>, members: &mut Vec<Vec<u8>>) {
    let (one, other) = (choices.below(members.len()), choices.below(members.len()));
    match choices.below(4) {
        0 => members.swap(one, other),
        1 => members.insert(other, members[one].clone()),
        2 => drop(members.remove(one)),
        _ => members.insert(other, b"\"Altitude\":[{\"Name\":null}]".to_vec()),
    }
}

fn name(choices: &mut Choices<'_>) -> Vec<u8> {
    // The first five are not UTF-8: a surrogate, an overlong quote, a truncated character, one
    // beyond the last, and an invalid byte.
    let odd: [&[u8]; 9] = [
        b"\xED\xA0\x80",
        b"\xC0\xA2",
        b"\xE2\x82",
        b"\xF4\x90\x80\x80",
        b"\xFF",
        b"\\u0041",
        b"\\\"",
        b"\x1F",
        b"\0",
    ];
    let mut name = match choices.below(8) {
        0..4 => choices
            .choose(&["Shadowfax", "Bucephalus 12", "é", "🦄", "الخيل", "𝒳 1"])
            .into(),
        4 => choices
            .choose(&["a", "é", "🦄"])
            .repeat(62 + choices.below(4))
            .into_bytes(),
        5 => choices
            .choose(&["a", "é", "🦄"])
            .repeat(254 + choices.below(4))
            .into_bytes(),
        _ => {
            let length = choices.below(20);
            (0..length)
                .map(|_| b' ' + choices.byte() % 95)
                .filter(|byte| *byte != b'"')
                .collect()
        }
    };
    if choices.one_in(8) {
        let index = choices.below(name.len().min(255) + 1);
        let odd = choices.choose(&odd);
        name.splice(index..index, odd.iter().copied());
    }
    name
}

/// Mostly a valid time, since a single wrong piece invalidates it.
fn time(choices: &mut Choices<'_>) -> String {
    let odd = choices.one_in(4);
    let mut piece = |most: usize, edges: &[usize]| {
        if odd && choices.one_in(3) {
            choices.choose(edges)
        } else {
            1 + choices.below(most)
        }
    };
    let year = 1900 + piece(200, &[0, 100, 8099, 8100]);
    let (month, day) = (piece(12, &[0, 2, 13]), piece(28, &[0, 29, 30, 31, 32]));
    let (hour, minute, second) = (
        piece(23, &[0, 24]),
        piece(59, &[0, 60]),
        piece(59, &[0, 60]),
    );
    let milli = piece(255, &[0, 999]);
    let date = format!("{year:04}-{month:02}-{day:02}");
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    match choices.below(28) {
        0 => format!("{date}T{clock}.{milli:03}Z"),
        5 => format!("{date}T{clock}.{milli:06}"),
        6 => format!("{date} {clock},{milli:03}"),
        7 => format!("{date}T{clock}+0000"),
        8 => format!("{date}T23:59:60.{milli:03}"),
        1 => format!("{date} {clock}.{milli:03}+01:00"),
        2 => format!("{date} {clock}"),
        3 => format!("{date} {clock}.{milli:09}"),
        4 => format!("{date} {clock}.{milli:02}"),
        _ => format!("{date} {clock}.{milli:03}"),
    }
}

fn fraction(choices: &mut Choices<'_>, longest: usize) -> String {
    let digits = choices.below(longest + 1);
    (0..digits)
        .map(|_| char::from(b'0' + choices.byte() % 10))
        .collect()
}

/// Text that is not a plain decimal; most are not numbers.
fn odd_number(choices: &mut Choices<'_>) -> String {
    choices
        .choose(&[
            "-0",
            "-0.0",
            "0.0",
            "1.",
            ".5",
            "01",
            "00",
            "-",
            "+1",
            "1e1",
            "1E+1",
            "1.5e1",
            "15e-1",
            "1e",
            "null",
            "\"1\"",
            "0x1",
            "1_0",
            "1.5.5",
            "--1",
            "１",
            "9223372036854775808",
            "18446744073709551616",
            "100000000000000000000",
            "0.0000000000000000000000001",
            "NaN",
            "-.5",
            "0e0",
            "1e400",
            "",
        ])
        .to_owned()
}

fn degrees(choices: &mut Choices<'_>, edges: &[&str]) -> String {
    if choices.one_in(16) {
        return odd_number(choices);
    }
    let sign = choices.choose(&["", "-"]);
    if choices.one_in(16) {
        return format!("{sign}{}", choices.choose(edges));
    }
    let whole = if choices.one_in(8) {
        choices.below(200)
    } else {
        choices.below(90)
    };
    match fraction(choices, 20) {
        fraction if fraction.is_empty() => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

fn distance(choices: &mut Choices<'_>) -> String {
    match choices.below(16) {
        0 => odd_number(choices),
        1 => choices
            .choose(&[
                "9223372036854.775807",
                "9223372036854.775808",
                "9223372036854.7758075",
            ])
            .to_owned(),
        2 => choices.number().to_string(),
        3 => format!("{}.{}", choices.number(), fraction(choices, 20)),
        4 => format!("{}.{}5", choices.below(40), fraction(choices, 12)),
        _ => match fraction(choices, 16) {
            fraction if fraction.is_empty() => choices.below(40).to_string(),
            fraction => format!("{}.{fraction}", choices.below(40)),
        },
    }
}

fn points(choices: &mut Choices<'_>) -> String {
    match choices.below(16) {
        0 => odd_number(choices),
        1 => choices
            .choose(&["2147483647", "2147483648", "-2147483648", "-2147483649"])
            .to_owned(),
        2 => format!("-{}", choices.number()),
        3 => choices.number().to_string(),
        4 => format!("{}.{}", choices.below(256), fraction(choices, 4)),
        _ => choices.below(256).to_string(),
    }
}
