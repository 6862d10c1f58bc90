//! The settings in the environment, checked once at startup.

use crate::variables::{MissingVariable, optional_variable, required_variable};
use thiserror::Error;
use windrow_core::sensor::Sensor;

/// Which time determines the window of a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowTime {
    /// The time it arrived in the stream, as in Lambda's own windows.
    #[default]
    Arrival,
    /// The time the sensor took it. A late reading adds another row for its window.
    Event,
}

impl WindowTime {
    /// Checks that the readings of `sensor` have this time.
    ///
    /// # Errors
    ///
    /// [`AggregatorSettingsError::NoTime`] if they do not.
    pub fn check(self, sensor: &impl Sensor) -> Result<(), AggregatorSettingsError> {
        if self == Self::Event && !sensor.has_time() {
            return Err(AggregatorSettingsError::NoTime);
        }
        Ok(())
    }
}

/// The function's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregatorSettings {
    /// `AWS_LAMBDA_FUNCTION_NAME`: the function's name, set by Lambda. It is the dimension of the
    /// metrics.
    pub function_name: String,
    /// `SUMMARY_STREAM`: the Kinesis stream that rows go to.
    pub summary_stream: String,
    /// `REJECTS_STREAM`: the Firehose stream that rejected readings go to.
    pub rejects_stream: String,
    /// `WINDOW_TIME`: `arrival` (the default) or `event`.
    pub window_time: WindowTime,
}

/// A setting that is missing or wrong.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AggregatorSettingsError {
    /// A required variable is not set.
    #[error(transparent)]
    Missing(#[from] MissingVariable),
    /// `WINDOW_TIME` is neither `arrival` nor `event`.
    #[error("WINDOW_TIME is `{0}`: it must be `arrival` or `event`")]
    WindowTime(String),
    /// `WINDOW_TIME` is `event`, and the sensor's readings have no time.
    #[error("WINDOW_TIME is `event`, but the readings of this sensor have no time: use `arrival`")]
    NoTime,
}

impl AggregatorSettings {
    /// Checks that the readings of `sensor` have what the settings need.
    ///
    /// # Errors
    ///
    /// [`AggregatorSettingsError::NoTime`] if windows follow a time that readings do not have.
    pub fn check(self, sensor: &impl Sensor) -> Result<Self, AggregatorSettingsError> {
        self.window_time.check(sensor)?;
        Ok(self)
    }

    /// Reads the settings through `variable`, which looks up an environment variable.
    ///
    /// # Errors
    ///
    /// The error names the variable that is missing or wrong.
    pub fn read(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AggregatorSettingsError> {
        let required = |name, meaning| required_variable(&variable, name, meaning);
        let window_time = match optional_variable(&variable, "WINDOW_TIME").as_deref() {
            None | Some("arrival") => WindowTime::Arrival,
            Some("event") => WindowTime::Event,
            Some(other) => return Err(AggregatorSettingsError::WindowTime(other.to_owned())),
        };
        Ok(Self {
            function_name: required("AWS_LAMBDA_FUNCTION_NAME", "the function itself")?,
            summary_stream: required("SUMMARY_STREAM", "the Kinesis stream for summary rows")?,
            rejects_stream: required(
                "REJECTS_STREAM",
                "the Firehose stream for rejected readings",
            )?,
            window_time,
        })
    }
}

#[cfg(test)]
mod tests {
    use windrow_core::sensor::{DeclaredSensor, Field};
    use windrow_core::value::ColumnType;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<AggregatorSettings, AggregatorSettingsError> {
        AggregatorSettings::read(|name| {
            if name == "AWS_LAMBDA_FUNCTION_NAME" {
                return Some("function".to_owned());
            }
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn missing_setting_is_named() {
        let error = read(&[("SUMMARY_STREAM", ""), ("REJECTS_STREAM", "r")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable SUMMARY_STREAM is not set: it names the Kinesis stream for summary rows"
        );
    }

    #[test]
    fn windows_follow_only_a_time_that_readings_have() {
        let timeless = DeclaredSensor::new(vec![Field::new("a", ColumnType::Text).key()]).unwrap();
        assert_eq!(WindowTime::Arrival.check(&timeless), Ok(()));
        assert_eq!(
            WindowTime::Event.check(&timeless),
            Err(AggregatorSettingsError::NoTime)
        );
        assert_eq!(WindowTime::Event.check(&unicorn::sensor::Unicorn), Ok(()));
    }

    #[test]
    fn window_time_defaults_to_arrival() {
        let with = |value| {
            let settings = read(&[
                ("SUMMARY_STREAM", "s"),
                ("REJECTS_STREAM", "r"),
                ("WINDOW_TIME", value),
            ]);
            settings.map(|settings| settings.window_time)
        };
        assert_eq!(with(""), Ok(WindowTime::Arrival));
        assert_eq!(with("event"), Ok(WindowTime::Event));
        assert_eq!(
            with("Event"),
            Err(AggregatorSettingsError::WindowTime("Event".to_owned()))
        );
    }
}
