//! Metrics in CloudWatch's embedded metric format.
//!
//! A function prints one line per invocation to standard output, and CloudWatch extracts the
//! metrics from it. This needs no API call and no agent, and adds no latency.
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

/// The CloudWatch namespace of all metrics.
pub const NAMESPACE: &str = "Windrow";

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain count.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
            Self::Seconds => "Seconds",
        }
    }
}

/// The metrics of one invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    values: Vec<(&'static str, Unit, u64)>,
}

impl Metrics {
    /// Metrics as tuples of name, unit and value.
    pub fn new(values: Vec<(&'static str, Unit, u64)>) -> Self {
        Self { values }
    }

    /// The value of the metric called `name`, if there is one.
    pub fn value(&self, name: &str) -> Option<u64> {
        let mut values = self.values.iter();
        values
            .find(|(other, ..)| *other == name)
            .map(|(_, _, value)| *value)
    }

    /// The line to print, without a newline.
    ///
    /// `function` is the function's name, which is the metrics' only dimension, as in Lambda's own
    /// metrics. `millis` is the time in milliseconds since the epoch.
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

/// Receives an invocation's metrics. A Lambda function prints them; the local cloud and tests
/// inspect them.
pub type Sink = Box<dyn Fn(&Metrics) + Send + Sync>;

/// A sink that prints the metrics of the Lambda function `function` to standard output, stamped
/// with the current time.
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
                "Namespace": "Windrow",
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
