//! Lines in usual spellings, or a step beside one: where the ways that are fast for these lines end,
//! and the way for any others begins.

use crate::tape::Tape;

/// A line; a tape of zeros makes a plain reading.
pub(crate) fn line(tape: &mut Tape<'_>) -> Vec<u8> {
    let respelled = tape.one_in(3);
    let colon = match respelled {
        true => tape.choose(&[":", ": ", " :", "\t: \t", ":\r"]),
        false => ":",
    };
    let mut members = vec![
        [
            format!("\"Name\"{colon}\"").into_bytes(),
            name(tape),
            b"\"".to_vec(),
        ]
        .concat(),
        format!("\"StatusTime\"{colon}\"{}\"", time(tape)).into_bytes(),
    ];
    let numbers: [(&str, Number); 5] = [
        ("Latitude", |tape| {
            degrees(tape, &["90", "90.0000000000000001"])
        }),
        ("Longitude", |tape| {
            degrees(tape, &["180", "180.0000000000000001"])
        }),
        ("Distance", distance),
        ("MagicPoints", points),
        ("HealthPoints", points),
    ];
    let without_position = tape.one_in(6);
    for (index, (key, number)) in numbers.into_iter().enumerate() {
        if index > 1 || !without_position {
            let number = number(tape);
            members.push(format!("\"{key}\"{colon}{number}").into_bytes());
        }
    }
    if tape.one_in(4) {
        rearrange(tape, &mut members);
    }
    let mut separator = tape
        .choose(&[b",", b",", b",", b",", b",", b",", b",", b";"])
        .as_slice();
    let mut start = &b"{"[..];
    if respelled {
        tape.shuffle(&mut members);
        separator = tape.choose(&[&b","[..], b", ", b" ,", b"\t,  ", b",\r"]);
        start = tape.choose(&[&b"{"[..], b"{ ", b"{\t", b" {"]);
    }
    let end = tape.choose(&[
        "}", "}", "}", " }", "\t}", "}\r", "} ", "}\t\r", "}}", ",}", "", "}\0", "}\x0c",
    ]);
    let mut line = [start, members.join(separator).as_slice(), end.as_bytes()].concat();
    if tape.one_in(3) {
        tape.damage(&mut line, 3);
    }
    line
}

/// How many kinds of steps there are.
pub(crate) const KINDS: usize = 20;

/// The line with one step taken aside, at a place and of a kind that the number tells.
pub(crate) fn step_aside(line: &[u8], number: usize) -> Vec<u8> {
    let place = number % line.len().max(1);
    let kind = number / line.len().max(1);
    let mut line = line.to_vec();
    let end = line.len().min(place + 1);
    let old = line[place.min(end)..end].to_vec();
    let new: Vec<u8> = match kind % KINDS {
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
    line.splice(place.min(end)..end, new);
    line
}

type Number = fn(&mut Tape<'_>) -> String;

/// Members swapped, repeated or left out.
fn rearrange(tape: &mut Tape<'_>, members: &mut Vec<Vec<u8>>) {
    let (one, other) = (tape.below(members.len()), tape.below(members.len()));
    match tape.below(4) {
        0 => members.swap(one, other),
        1 => members.insert(other, members[one].clone()),
        2 => drop(members.remove(one)),
        _ => members.insert(other, b"\"Altitude\":[{\"Name\":null}]".to_vec()),
    }
}

fn name(tape: &mut Tape<'_>) -> Vec<u8> {
    // Not UTF-8: a surrogate, an overlong quote, a character cut short, one past the last.
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
    let mut name = match tape.below(8) {
        0..4 => tape
            .choose(&["Shadowfax", "Bucephalus 12", "é", "🦄", "الخيل", "𝒳 1"])
            .into(),
        4 => tape
            .choose(&["a", "é", "🦄"])
            .repeat(62 + tape.below(4))
            .into_bytes(),
        5 => tape
            .choose(&["a", "é", "🦄"])
            .repeat(254 + tape.below(4))
            .into_bytes(),
        _ => {
            let length = tape.below(20);
            (0..length)
                .map(|_| b' ' + tape.byte() % 95)
                .filter(|byte| *byte != b'"')
                .collect()
        }
    };
    if tape.one_in(8) {
        let place = tape.below(name.len().min(255) + 1);
        let odd = tape.choose(&odd);
        name.splice(place..place, odd.iter().copied());
    }
    name
}

/// Mostly a real time, since one wrong piece is enough to make it none.
fn time(tape: &mut Tape<'_>) -> String {
    let odd = tape.one_in(4);
    let mut piece = |most: usize, edges: &[usize]| match odd && tape.one_in(3) {
        true => tape.choose(edges),
        false => 1 + tape.below(most),
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
    match tape.below(24) {
        0 => format!("{date}T{clock}.{milli:03}Z"),
        1 => format!("{date} {clock}.{milli:03}+01:00"),
        2 => format!("{date} {clock}"),
        3 => format!("{date} {clock}.{milli:09}"),
        4 => format!("{date} {clock}.{milli:02}"),
        _ => format!("{date} {clock}.{milli:03}"),
    }
}

fn fraction(tape: &mut Tape<'_>, longest: usize) -> String {
    let digits = tape.below(longest + 1);
    (0..digits)
        .map(|_| char::from(b'0' + tape.byte() % 10))
        .collect()
}

/// A spelling that is not a plain decimal; most are no numbers.
fn odd_number(tape: &mut Tape<'_>) -> String {
    tape.choose(&[
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

fn degrees(tape: &mut Tape<'_>, edges: &[&str]) -> String {
    if tape.one_in(16) {
        return odd_number(tape);
    }
    let sign = tape.choose(&["", "-"]);
    if tape.one_in(16) {
        return format!("{sign}{}", tape.choose(edges));
    }
    let whole = match tape.one_in(8) {
        true => tape.below(200),
        false => tape.below(90),
    };
    match fraction(tape, 20) {
        none if none.is_empty() => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

fn distance(tape: &mut Tape<'_>) -> String {
    match tape.below(16) {
        0 => odd_number(tape),
        1 => tape
            .choose(&[
                "9223372036854.775807",
                "9223372036854.775808",
                "9223372036854.7758075",
            ])
            .to_owned(),
        2 => tape.number().to_string(),
        3 => format!("{}.{}", tape.number(), fraction(tape, 20)),
        4 => format!("{}.{}5", tape.below(40), fraction(tape, 12)),
        _ => match fraction(tape, 16) {
            none if none.is_empty() => tape.below(40).to_string(),
            fraction => format!("{}.{fraction}", tape.below(40)),
        },
    }
}

fn points(tape: &mut Tape<'_>) -> String {
    match tape.below(16) {
        0 => odd_number(tape),
        1 => tape
            .choose(&["2147483647", "2147483648", "-2147483648", "-2147483649"])
            .to_owned(),
        2 => format!("-{}", tape.number()),
        3 => tape.number().to_string(),
        4 => format!("{}.{}", tape.below(256), fraction(tape, 4)),
        _ => tape.below(256).to_string(),
    }
}
