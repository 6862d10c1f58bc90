//! Runs many applications over many inputs, for tests that compare with other engines.
//!
//! Standard input has a case per line: `{"sql":"...","schema":{...},"input":"..."}`, where `input` has
//! the lines that `sql run --input` takes. Standard output has a line per case: `rows` and `rejects`,
//! each as the lines that `sql run` prints, or `error` with the reason why the case cannot be run.

use std::io::{self, BufRead as _, BufWriter, Write as _};

use serde::Deserialize;
use serde_json::{Value, json};
use sql::run::run;
use windrow_sql::input::InputSchema;
use windrow_sql::sensor::SqlSensor;

#[derive(Deserialize)]
struct SqlCase {
    sql: String,
    schema: Value,
    input: String,
}

fn main() -> anyhow::Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let case: SqlCase = serde_json::from_str(&line?)?;
        let result = match rows(&case) {
            Ok([rows, rejects]) => json!({"rows": rows, "rejects": rejects}),
            Err(error) => json!({"error": format!("{error:#}")}),
        };
        writeln!(output, "{result}")?;
    }
    output.flush()?;
    Ok(())
}

fn rows(case: &SqlCase) -> anyhow::Result<[String; 2]> {
    let schema = InputSchema::parse(&case.schema.to_string())?;
    let sensor = SqlSensor::new(&case.sql, schema)?;
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    run(sensor, None, case.input.as_bytes(), &mut rows, &mut rejects)?;
    Ok([String::from_utf8(rows)?, String::from_utf8(rejects)?])
}
