//! Compares the general parser, and declared sensors of any fields, with `serde_json`: equal values
//! or equal messages.
//!
//! A normal run has more than 200,000 lines. For more, set `PROPTEST_CASES` to the number of cases
//! per property; a case has up to 27 lines.
//!
//! ```text
//! PROPTEST_CASES=1000000 cargo test --release -p windrow-core --test fuzz_fields
//! ```

use proptest::prelude::*;
use serde_json::Value;
use windrow_core::json::{self, FieldLayout, FieldNames, FieldToken};
use windrow_core::sensor::{DeclaredSensor, Sensor};
use windrow_testkit::cases::cases;
use windrow_testkit::choices::Choices;
use windrow_testkit::fields::{check_fields, check_sensor, sensor, write};
use windrow_testkit::oracle::generate;
use windrow_testkit::oracle::near::{self, mutate};

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..longest)
}

/// How many changed lines are made from each line.
const STEPS: usize = 12;

/// Parses lines with one layout, so that each is parsed with the layout of another.
fn check_lines(sensor: &DeclaredSensor, lines: &[Vec<u8>]) {
    let names = FieldNames::new(sensor.fields().iter().map(|field| field.name.as_str()));
    let (mut layout, mut sensor_layout) = (FieldLayout::default(), FieldLayout::default());
    for line in lines {
        check_fields(&names, &mut layout, line);
        check_sensor(sensor, &mut sensor_layout, line);
    }
}

proptest! {
    #![proptest_config(cases(8_000))]

    #[test]
    fn lines_in_usual_forms_agree_with_serde_json(
        choices in bytes(200), steps in prop::array::uniform::<_, STEPS>(0..8_000_usize),
    ) {
        let mut choices = Choices::new(&choices);
        let sensor = sensor(&mut choices);
        let line = near::line(&mut choices);
        let mut lines = vec![line.clone()];
        for step in steps {
            lines.push(mutate(&line, step));
            lines.push(line.clone());
        }
        lines.push(generate::line(&mut choices));
        lines.push(line);
        check_lines(&sensor, &lines);
    }
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn lines_in_any_form_agree_with_serde_json(choices in bytes(900)) {
        let mut choices = Choices::new(&choices);
        let sensor = sensor(&mut choices);
        let lines: Vec<_> = (0..3).map(|_| generate::line(&mut choices)).collect();
        let again = lines.clone();
        check_lines(&sensor, &[lines, again].concat());
    }

    #[test]
    fn any_bytes_agree_with_serde_json(choices in bytes(30), bytes in bytes(60)) {
        let sensor = sensor(&mut Choices::new(&choices));
        let mut object = b"{\"Name\":".to_vec();
        object.extend(&bytes);
        check_lines(&sensor, &[bytes, object]);
    }

    #[test]
    fn nested_values_agree_with_serde_json(choices in bytes(40), start in bytes(12), depth in 100..140_usize) {
        let mut choices = Choices::new(&choices);
        let sensor = sensor(&mut choices);
        let open = |byte: &u8| if byte.is_multiple_of(2) { "[" } else { "{\"Name\":" };
        let close = |byte: &u8| if byte.is_multiple_of(2) { "]" } else { "}" };
        let levels: Vec<u8> = start.iter().copied().cycle().take(depth * usize::from(!start.is_empty())).collect();
        let opened: String = levels.iter().map(open).collect();
        let closed: String = levels.iter().rev().map(close).collect();
        let key = choices.choose(&["Other", "Name", "Part"]);
        let mut line = format!("{{\"{key}\":{opened}1{closed}}}").into_bytes();
        if choices.one_in(3) {
            choices.damage(&mut line, 2);
        }
        check_lines(&sensor, &[line.clone(), line]);
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            members(inner).prop_map(Value::from),
        ]
    })
}

fn members(
    value: impl Strategy<Value = Value>,
) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let member = ("Name|Part|.{0,20}", value);
    prop::collection::vec(member, 0..6).prop_map(|members| members.into_iter().collect())
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// Whatever its spacing and escapes, an object has the values that were written.
    #[test]
    fn any_spelling_has_the_same_values(members in members(any_value()), choices in bytes(400)) {
        let mut choices = Choices::new(&choices);
        let names = FieldNames::new(["Name", "Part", "Missing"].into_iter().map(str::to_owned).chain(
            members.keys().filter(|name| !["Name", "Part", "Missing"].contains(&name.as_str())).take(2).cloned(),
        ));
        let object = Value::from(members);
        let mut layout = FieldLayout::default();
        for _ in 0..3 {
            let mut text = String::new();
            write(&mut choices, &object, &mut text);
            let mut tokens = vec![FieldToken::default(); names.names().len()];
            json::fields(&names, &mut layout, text.as_bytes(), &mut tokens).unwrap();
            for (name, token) in names.names().iter().zip(&tokens) {
                let written = object.get(name).filter(|value| !value.is_null());
                let read = token.raw().map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap());
                prop_assert_eq!(written, read.as_ref());
                let text = token.text();
                prop_assert_eq!(written.and_then(Value::as_str), text.as_deref());
            }
        }
    }
}

/// A text nested without bound neither overflows the stack nor is accepted.
#[test]
fn deep_values_are_rejected() {
    let sensor = sensor(&mut Choices::new(&[]));
    for depth in [126, 127, 128, 1_000_000] {
        let line = format!("{{\"Other\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let parsed = sensor.parse(line.as_bytes());
        assert_eq!(parsed.is_ok(), depth <= 127);
        if let Err(rejection) = parsed {
            assert!(
                rejection
                    .to_string()
                    .ends_with("it is nested deeper than 128 levels")
            );
        }
    }
}
