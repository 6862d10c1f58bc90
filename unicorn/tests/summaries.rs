//! The wire format of rows, their keys, and their merge.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use unicorn::distance::Distance;
use unicorn::merge::merge;
use unicorn::reading::Reading;
use unicorn::status_time::StatusTime;
use unicorn::summary::{SourceRange, Summary, summaries};
use unicorn::totals::{Measures, Totals};
use windrow_core::aggregate::{Aggregate, Merge};
use windrow_core::codec::{Columnar, Decoder, Encoder};
use windrow_core::sequence::SequenceRange;

const LINE: &str = r#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:00.000","Distance":10362,"MinMagicPoints":108,"MaxMagicPoints":112,"MinHealthPoints":148,"MaxHealthPoints":151,"Readings":60,"WindowSeconds":60,"Part":{"Stream":"wildrydes","Shard":"shardId-000000000000","From":"49590338271490256608559692538361571095921575989136588898","To":"49590338271490256608559692538361571095921575989136588899"}}"#;

fn with(old: &str, new: &str) -> String {
    assert!(LINE.contains(old), "{old}");
    LINE.replacen(old, new, 1)
}

#[test]
fn parsed_rows_are_formatted_unchanged() {
    let summary = Summary::parse(LINE.as_bytes()).unwrap();
    assert_eq!(
        String::from_utf8(summary.to_line()).unwrap(),
        format!("{LINE}\n")
    );
}

/// The hash is part of the table's contract: a row written by one release must be overwritten by
/// another, not duplicated.
#[test]
fn the_sort_key_is_the_window_start_and_source_hash() {
    let summary = Summary::parse(LINE.as_bytes()).unwrap();
    let hashed = "wildrydes\nshardId-000000000000\n60\n\
        49590338271490256608559692538361571095921575989136588898\n\
        49590338271490256608559692538361571095921575989136588899\n";
    assert_eq!(hashed.lines().count(), 5);
    // From `printf` of the text above, piped into `sha256sum`.
    assert_eq!(
        summary.sort_key(),
        "2026-11-20 09:17:00.000#b99d09a4d474c0e3"
    );
    let later = with("8899\"}", "8899\",\"Since\":\"495\"}");
    let later = Summary::parse(later.as_bytes()).unwrap();
    // From the same text with the line `495` appended.
    assert_eq!(later.sort_key(), "2026-11-20 09:17:00.000#852edc4bbf9623fd");
    assert!(
        String::from_utf8(later.to_line())
            .unwrap()
            .ends_with(",\"Since\":\"495\"}}\n")
    );
}

/// A source range has such a row if the first of the readings is in an earlier range of the window.
#[test]
fn a_row_of_duplicates_has_no_measures() {
    let line = r#"{"Name":"Shadowfax","StatusTime":"2026-11-20 09:17:00.000","Readings":0,"Repeats":2,"WindowSeconds":60,"Part":{"Stream":"wildrydes","Shard":"shardId-000000000000","From":"7","To":"9","Since":"1"}}"#;
    let summary = Summary::parse(line.as_bytes()).unwrap();
    assert_eq!(
        (summary.readings, summary.duplicates, summary.measures),
        (0, 2, None)
    );
    assert_eq!(
        String::from_utf8(summary.to_line()).unwrap(),
        format!("{line}\n")
    );
}

#[test]
fn a_rejection_names_the_field() {
    for (old, new, reason) in [
        ("\"Readings\":60,", "", "Readings is missing"),
        (
            "\"Readings\":60",
            "\"Readings\":0",
            "Readings is 0, and there are no Repeats",
        ),
        (
            "\"Readings\":60",
            "\"Readings\":60,\"Repeats\":-1",
            "Repeats is `-1`, which is out of range",
        ),
        (
            "8899\"}",
            "8899\",\"Since\":\"49590338271490256608559692538361571095921575989136588898\"}",
            "Part.Since does not come before Part.From",
        ),
        (
            "\"WindowSeconds\":60",
            "\"WindowSeconds\":0",
            "WindowSeconds is 0",
        ),
        ("10362", "-3", "Distance is `-3`, which is below zero"),
        (
            "112",
            "2147483648",
            "MaxMagicPoints is `2147483648`, which is out of range",
        ),
        (
            "\"From\":\"4",
            "\"From\":\"04",
            "Part.From is not a sequence number",
        ),
        (
            "\"From\":\"4",
            "\"From\":\"9",
            "Part.To comes before Part.From",
        ),
        (
            "\"Shard\":\"shardId-000000000000\",",
            "",
            "Part.Shard is missing",
        ),
        (
            "2026-11-20",
            "2026-02-30",
            "StatusTime `2026-02-30 09:17:00.000` is not a real UTC time of the form YYYY-MM-DD HH:MM:SS.mmm",
        ),
    ] {
        let line = with(old, new);
        let rejection = Summary::parse(line.as_bytes()).unwrap_err();
        assert_eq!(rejection.to_string(), reason);
    }
    let source = LINE.split_once("\"Part\":").unwrap().1;
    let line = LINE.replace(source, "7}");
    assert_eq!(
        Summary::parse(line.as_bytes()).unwrap_err().to_string(),
        "Part is not an object"
    );
}

#[test]
fn a_record_holds_many_rows() {
    let record = format!("{LINE}\nbroken\n{}\n", with("Shadowfax", "Franky"));
    let accepted: Vec<_> = summaries(record.as_bytes())
        .map(|(_, row)| row.is_ok())
        .collect();
    assert_eq!(accepted, [true, false, true]);
}

fn row(name: &str, shard: &str, from: u32, to: u32, readings: u64) -> Summary {
    let mut summary = Summary::parse(LINE.as_bytes()).unwrap();
    summary.name = name.to_owned();
    summary.source = SourceRange {
        stream: "wildrydes".to_owned(),
        shard: shard.to_owned(),
        range: SequenceRange::new(
            from.to_string().parse().unwrap(),
            to.to_string().parse().unwrap(),
        )
        .unwrap(),
        dedup_from: None,
    };
    summary.readings = readings;
    summary.measures = Some(Measures {
        distance: Distance::from_micrometres(i128::from(readings) * 2_500_000),
        min_magic_points: from as i32,
        max_magic_points: to as i32,
        min_health_points: from as i32,
        max_health_points: to as i32,
    });
    summary
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
        let mut summary = Summary::parse(LINE.as_bytes()).unwrap();
        summary.name = name;
        summary.window_start = StatusTime::from_millis(millis);
        summary.measures = (readings > 0).then_some(measures);
        summary.readings = readings;
        summary.duplicates = duplicates;
        summary.source.dedup_from = dedup_from.then(|| "495".parse().unwrap());
        summary.window_seconds = window_seconds;
        prop_assert_eq!(Summary::parse(&summary.to_line()), Ok(summary));
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
                totals.add(&Reading {
                    name: "Rocinante".into(),
                    status_time: StatusTime::from_millis(0),
                    latitude: None,
                    longitude: None,
                    distance: Distance::from_micrometres((*micrometres).into()),
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
