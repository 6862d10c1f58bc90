//! The wire format of rows, their keys, and their merge.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use unicorn::distance::Distance;
use unicorn::merge::merge;
use unicorn::row::{parse, rows, schema};
use unicorn::totals::ReadingSample;
use unicorn::totals::{Measures, Totals};
use windrow_core::aggregate::Merge;
use windrow_core::codec::{Columnar, Decoder, Encoder};
use windrow_core::row::{Row, SourceRange};
use windrow_core::sequence::SequenceRange;
use windrow_core::time::Timestamp;
use windrow_core::value::Value;

const LINE: &str = r#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:00.000","Distance":10362,"MinMagicPoints":108,"MaxMagicPoints":112,"MinHealthPoints":148,"MaxHealthPoints":151,"Source":{"Stream":"arn:aws:kinesis:us-east-1:123456789012:stream/wildrydes","Shard":"shardId-000000000000","From":"49590338271490256608559692538361571095921575989136588898","To":"49590338271490256608559692538361571095921575989136588899","Readings":60,"WindowSeconds":60}}"#;

fn with(old: &str, new: &str) -> String {
    assert!(LINE.contains(old), "{old}");
    LINE.replacen(old, new, 1)
}

fn to_text(row: &Row) -> String {
    String::from_utf8(row.to_line(schema())).unwrap()
}

#[test]
fn parsed_rows_are_formatted_unchanged() {
    let row = parse(LINE.as_bytes()).unwrap();
    assert_eq!(to_text(&row), format!("{LINE}\n"));
}

/// The hash is part of the table's contract: a row written by one release must be overwritten by
/// another, not duplicated.
#[test]
fn the_sort_value_is_the_window_start_and_a_hash_of_the_row() {
    // From `printf %s LINE | sha256sum`.
    let sort_value = |line: &str| parse(line.as_bytes()).unwrap().sort_value(schema());
    assert_eq!(sort_value(LINE), "2026-11-20 09:17:00.000#9171860ca31637f8");
    let later = with(
        "8899\",\"Readings",
        "8899\",\"DedupFrom\":\"495\",\"Readings",
    );
    assert_eq!(
        sort_value(&later),
        "2026-11-20 09:17:00.000#c6a58b6dd8082671"
    );
    // Spelled differently, it is the same row.
    let spelled = later.replace("10362", "1.0362e4").replace(',', " , ");
    assert_eq!(sort_value(&spelled), sort_value(&later));
}

#[test]
fn unequal_rows_have_unequal_sort_values() {
    let mut values = BTreeSet::new();
    for (old, new) in [
        ("10362", "10362"),
        ("10362", "10362.000001"),
        ("Shadowfax", "Franky"),
        ("\"Readings\":60", "\"Readings\":61"),
        ("\"Readings\":60", "\"Readings\":60,\"Duplicates\":1"),
        ("\"WindowSeconds\":60", "\"WindowSeconds\":2"),
        ("09:17:00", "09:18:00"),
        ("us-east-1", "eu-west-1"),
        ("123456789012", "123456789013"),
        ("shardId-000000000000", "shardId-000000000001"),
        ("8898\"", "8897\""),
        ("8899\"", "88990\""),
        ("8899\"", "8899\",\"DedupFrom\":\"1\""),
    ] {
        let row = parse(with(old, new).as_bytes()).unwrap();
        assert!(values.insert(row.sort_value(schema())), "{old} -> {new}");
    }
}

/// Such a row comes from a source range after the first of its window.
#[test]
fn a_row_of_duplicates_has_no_measures() {
    let line = r#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:00.000","Source":{"Stream":"wildrydes","Shard":"shardId-000000000000","From":"7","To":"9","DedupFrom":"1","Readings":0,"Duplicates":2,"WindowSeconds":60}}"#;
    let row = parse(line.as_bytes()).unwrap();
    assert_eq!((row.readings, row.duplicates), (0, 2));
    assert!(row.measures.is_empty());
    assert_eq!(Measures::of_row(&row), None);
    assert_eq!(to_text(&row), format!("{line}\n"));
    assert_eq!(merge([row]), []);
}

#[test]
fn a_rejection_names_the_field() {
    for (old, new, reason) in [
        (",\"Readings\":60", "", "Source.Readings is missing"),
        (
            "\"Readings\":60",
            "\"Readings\":0",
            "Source.Readings is 0, and there are no Duplicates",
        ),
        (
            "\"Readings\":60",
            "\"Readings\":60,\"Duplicates\":-1",
            "Source.Duplicates is `-1`, which is out of range",
        ),
        (
            "8899\"",
            "8899\",\"DedupFrom\":\"49590338271490256608559692538361571095921575989136588898\"",
            "Source.DedupFrom does not come before Source.From",
        ),
        (
            "\"WindowSeconds\":60",
            "\"WindowSeconds\":0",
            "Source.WindowSeconds is 0",
        ),
        ("10362", "-3", "Distance is `-3`, which is below zero"),
        (
            "10362",
            "0.0000001",
            "Distance is `0.0000001`, with more than 6 digits after the point",
        ),
        (
            "112",
            "2147483648",
            "MaxMagicPoints is `2147483648`, which is out of range",
        ),
        ("Shadowfax", "", "Name is empty"),
        ("\"Distance\":10362,", "", "Distance is missing"),
        (
            "\"From\":\"4",
            "\"From\":\"04",
            "Source.From is not a sequence number",
        ),
        (
            "\"From\":\"4",
            "\"From\":\"9",
            "Source.To comes before Source.From",
        ),
        (
            "\"Shard\":\"shardId-000000000000\",",
            "",
            "Source.Shard is missing",
        ),
        (
            "2026-11-20",
            "2026-02-30",
            "StatusTime `2026-02-30 09:17:00.000` is not a real time as YYYY-MM-DD HH:MM:SS.mmm in UTC, RFC 3339, or a JSON number of seconds or milliseconds since 1970",
        ),
    ] {
        let line = with(old, new);
        let rejection = parse(line.as_bytes()).unwrap_err();
        assert_eq!(rejection.to_string(), reason);
    }
    let source = LINE.split_once("\"Source\":").unwrap().1;
    let line = LINE.replace(source, "7}");
    assert_eq!(
        parse(line.as_bytes()).unwrap_err().to_string(),
        "Source is not an object"
    );
}

#[test]
fn a_record_holds_many_rows() {
    let record = format!("{LINE}\nbroken\n{}\n", with("Shadowfax", "Franky"));
    let accepted: Vec<_> = rows(record.as_bytes())
        .map(|(_, row)| row.is_ok())
        .collect();
    assert_eq!(accepted, [true, false, true]);
}

fn row(name: &str, shard: &str, from: u32, to: u32, readings: u64) -> Row {
    let measures = Measures {
        distance: Distance::from_micrometres(i128::from(readings) * 2_500_000),
        min_magic_points: from as i32,
        max_magic_points: to as i32,
        min_health_points: from as i32,
        max_health_points: to as i32,
    };
    Row {
        key: vec![Value::Text(name.to_owned())],
        readings,
        measures: measures.to_row(),
        source: Arc::new(SourceRange {
            stream: "wildrydes".to_owned(),
            shard: shard.to_owned(),
            range: SequenceRange::new(
                from.to_string().parse().unwrap(),
                to.to_string().parse().unwrap(),
            )
            .unwrap(),
            dedup_from: None,
        }),
        ..parse(LINE.as_bytes()).unwrap()
    }
}

#[test]
fn rows_are_merged_over_shards() {
    let mut rows = vec![
        row("Shadowfax", "shardId-000000000001", 1, 9, 6),
        row("Shadowfax", "shardId-000000000001", 1, 5, 4),
        row("Shadowfax", "shardId-000000000001", 1, 9, 6),
        row("Shadowfax", "shardId-000000000002", 3, 4, 2),
        row("Franky", "shardId-000000000002", 3, 4, 1),
    ];
    let merged = merge(rows.clone());
    let totals: Vec<_> = merged
        .iter()
        .map(|row| {
            (
                row.name.as_str(),
                row.readings,
                row.measures.distance.to_string(),
            )
        })
        .collect();
    assert_eq!(
        totals,
        [
            ("Franky", 1, "2.5".to_owned()),
            ("Shadowfax", 8, "20".to_owned())
        ]
    );
    assert_eq!(
        (
            merged[1].measures.min_magic_points,
            merged[1].measures.max_magic_points
        ),
        (1, 9)
    );
    rows.reverse();
    assert_eq!(merge(rows), merged);
}

#[test]
fn windows_of_different_lengths_are_not_merged() {
    let mut short = row("Shadowfax", "shardId-000000000001", 1, 9, 6);
    short.window_seconds = 5;
    assert_eq!(
        merge([short, row("Shadowfax", "shardId-000000000001", 1, 9, 6)]).len(),
        2
    );
}

fn any_measures() -> impl Strategy<Value = Measures> {
    (0..i128::MAX, any::<[i32; 4]>()).prop_map(|(micrometres, points)| Measures {
        distance: Distance::from_micrometres(micrometres),
        min_magic_points: points[0].min(points[1]),
        max_magic_points: points[0].max(points[1]),
        min_health_points: points[2].min(points[3]),
        max_health_points: points[2].max(points[3]),
    })
}

proptest! {
    #[test]
    fn rows_round_trip(name in ".{1,60}", millis in 0..4_000_000_000_000_i64, measures in any_measures(), readings in 0..3_u64, duplicates in any::<u64>(), window_seconds in 1..u32::MAX, dedup_from: bool) {
        prop_assume!(readings + duplicates.min(1) > 0);
        let mut row = Row {
            key: vec![Value::Text(name)],
            window_start: Timestamp::from_millis(millis),
            measures: if readings > 0 { measures.to_row() } else { Vec::new() },
            readings,
            duplicates,
            window_seconds,
            ..parse(LINE.as_bytes()).unwrap()
        };
        Arc::make_mut(&mut row.source).dedup_from = dedup_from.then(|| "495".parse().unwrap());
        prop_assert_eq!(parse(&row.to_line(schema())), Ok(row));
    }

    #[test]
    fn totals_round_trip(measures in proptest::collection::vec(any_measures(), 0..30)) {
        let totals: Vec<Totals> = measures.into_iter().map(Totals::from).collect();
        let mut out = Encoder::default();
        Totals::write(&totals.iter().collect::<Vec<_>>(), &mut out);
        let mut input = Decoder::unpack(&out.pack(), 100_000).unwrap();
        prop_assert_eq!(Totals::read(totals.len(), &mut input).unwrap(), totals);
        input.finish().unwrap();
    }

    #[test]
    fn order_and_split_do_not_matter(
        (readings, shuffled) in proptest::collection::vec((0..=i64::MAX, any::<i32>(), any::<i32>()), 1..40)
            .prop_flat_map(|readings| (Just(readings.clone()), Just(readings).prop_shuffle())),
        cut in 0..40_usize,
    ) {
        let fold = |readings: &[(i64, i32, i32)]| {
            let mut totals = Totals::identity();
            for (micrometres, magic_points, health_points) in readings {
                totals.add(ReadingSample {
                    micrometres: *micrometres,
                    magic_points: *magic_points,
                    health_points: *health_points,
                });
            }
            totals
        };
        let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
        let mut merged = fold(right);
        merged.merge(&fold(left));
        prop_assert_eq!(merged, fold(&readings));
    }
}
