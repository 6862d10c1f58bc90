//! The lines of `tests/golden/lines.jsonl`: the table has the readings that the parser accepts.

use std::path::Path;

use serde_json::Value;
use windrow_testkit::lines::bytes;

use crate::Data;

/// A reading as the table's row shows it: times have milliseconds, and distances are numbers.
fn row(reading: &Value) -> [Value; 7] {
    let text = |name: &str| reading[name].as_str().unwrap();
    let degrees = |name: &str| Value::from(reading[name].as_f64());
    [
        reading["Name"].clone(),
        text("StatusTime")[..23].into(),
        degrees("Latitude"),
        degrees("Longitude"),
        text("Distance").parse::<f64>().unwrap().into(),
        reading["MagicPoints"].clone(),
        reading["HealthPoints"].clone(),
    ]
}

#[tokio::test]
async fn every_line_of_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let text = std::fs::read_to_string(folder.join("lines.jsonl")).unwrap();
    let cases: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let data = Data::new();
    // A day tells the rows of a case from those of others.
    let day = |number: usize| format!("2026/{:02}/{:02}", number / 28 + 1, number % 28 + 1);
    for (number, case) in cases.iter().enumerate() {
        data.write(
            &format!("wildrydes/{}/00/a", day(number)),
            bytes(case["line"].as_str(), case["hex"].as_str()),
        );
    }
    let sql = "SELECT Name, StatusTime, Latitude, Longitude, CAST(Distance AS DOUBLE) AS Distance, MagicPoints, \
               HealthPoints, day FROM wildrydes";
    let answer = data.ask_as("lines", sql).await;
    assert_eq!(answer.error, None);
    let found: Vec<Value> = answer
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (number, case) in cases.iter().enumerate() {
        let of_case = found.iter().filter(|row| row["day"] == day(number));
        let rows: Vec<[Value; 7]> = of_case
            .map(|found| {
                let names = ["Name", "StatusTime", "Latitude", "Longitude", "Distance"];
                let [name, time, latitude, longitude, distance] =
                    names.map(|name| found[name].clone());
                let number = |value: Value| Value::from(value.as_f64());
                [
                    name,
                    time,
                    number(latitude),
                    number(longitude),
                    number(distance),
                    found["MagicPoints"].clone(),
                    found["HealthPoints"].clone(),
                ]
            })
            .collect();
        let expected: Vec<_> = case["readings"]
            .as_array()
            .unwrap()
            .iter()
            .map(row)
            .collect();
        assert_eq!(rows, expected, "{}", case["case"]);
    }
}
