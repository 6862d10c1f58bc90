//! What a function did, as metrics in CloudWatch's embedded metric format.
//!
//! A function prints one such line an invocation to its standard output, and CloudWatch makes
//! metrics of it: no call, no agent, nothing to wait for.
//!
//! Source: "Specification: Embedded metric format" in the Amazon CloudWatch user guide.
//!
//! ```
//! use windrow_lambda::metrics::{Metrics, Unit};
//!
//! let metrics = Metrics::new(vec![("Readings", Unit::Count, 60)]);
//! let line = metrics.to_line("wildrydes-aggregator", 1_790_000_000_000);
//! assert!(line.contains(r#""Readings":60"#));
//! ```

use serde_json::{Map, Value, json};

/// The CloudWatch namespace of all the metrics here.
pub const NAMESPACE: &str = "WildRydes";

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
        }
    }
}

/// The metrics of one invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    values: Vec<(&'static str, Unit, u64)>,
}

impl Metrics {
    /// Metrics, each with its unit and value.
    pub fn new(values: Vec<(&'static str, Unit, u64)>) -> Self {
        Self { values }
    }

    /// The value of a metric, if there is one of that name.
    pub fn value(&self, name: &str) -> Option<u64> {
        let mut values = self.values.iter();
        values
            .find(|(other, ..)| *other == name)
            .map(|(_, _, value)| *value)
    }

    /// The line to print, without a newline; `function` is the name of the function, the metrics' one
    /// dimension (as in Lambda's own metrics), `millis` the time in milliseconds since the epoch.
    pub fn to_line(&self, function: &str, millis: u64) -> String {
        let metrics: Vec<Value> = self
            .values
            .iter()
            .map(|(name, unit, _)| json!({"Name": name, "Unit": unit.name()}))
            .collect();
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": millis,
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["FunctionName"]],
                    "Metrics": metrics,
                }],
            }),
        );
        line.insert("FunctionName".to_owned(), function.into());
        for (name, _, value) in &self.values {
            line.insert((*name).to_owned(), (*value).into());
        }
        Value::Object(line).to_string()
    }
}

/// Takes an invocation's metrics: a Lambda function prints them, the local cloud and tests look.
pub type Sink = Box<dyn Fn(&Metrics) + Send + Sync>;

/// The sink of the Lambda function of that name: prints the line on standard output, stamped with the
/// time now.
pub fn standard_output(function: String) -> Sink {
    Box::new(move |metrics| {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the edge that stamps the metrics"
        )]
        let now = std::time::SystemTime::now();
        let millis = now
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        println!("{}", metrics.to_line(&function, millis));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_declares_every_metric_and_holds_its_value() {
        let metrics = Metrics::new(vec![
            ("Readings", Unit::Count, 7),
            ("StateBytes", Unit::Bytes, 9),
        ]);
        let line = metrics.to_line("wildrydes-aggregator", 12);
        let line: Value = serde_json::from_str(&line).unwrap();
        let expected = json!({
            "_aws": {"Timestamp": 12, "CloudWatchMetrics": [{
                "Namespace": "WildRydes",
                "Dimensions": [["FunctionName"]],
                "Metrics": [
                    {"Name": "Readings", "Unit": "Count"},
                    {"Name": "StateBytes", "Unit": "Bytes"},
                ],
            }]},
            "FunctionName": "wildrydes-aggregator", "Readings": 7, "StateBytes": 9,
        });
        assert_eq!(line, expected);
    }
}
