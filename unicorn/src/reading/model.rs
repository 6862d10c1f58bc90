//! A reading, and its formatting as a line.

use std::borrow::Cow;

use serde::Serialize;

use crate::distance::Distance;
use windrow_core::time::Timestamp;

/// One reading of one unicorn's sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<'a> {
    /// The unicorn's name: 1 to 256 characters of any script.
    pub name: Cow<'a, str>,
    /// When the sensor took the reading.
    pub status_time: Timestamp,
    /// Degrees north, -90 to 90.
    pub latitude: Option<f64>,
    /// Degrees east, -180 to 180.
    pub longitude: Option<f64>,
    /// How far the unicorn moved since its last reading.
    pub distance: Distance,
    /// The unicorn's magic.
    pub magic_points: i32,
    /// The unicorn's health.
    pub health_points: i32,
}

/// The maximum length of a name, in characters.
pub const LONGEST_NAME: usize = 256;

impl Reading<'_> {
    /// Formats the reading as it is sent: a JSON object and a newline.
    pub fn to_line(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct ReadingLine<'a> {
            name: &'a str,
            status_time: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            latitude: Option<f64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            longitude: Option<f64>,
            distance: Distance,
            magic_points: i32,
            health_points: i32,
        }

        to_line(&ReadingLine {
            name: &self.name,
            status_time: self.status_time.to_string(),
            latitude: self.latitude,
            longitude: self.longitude,
            distance: self.distance,
            magic_points: self.magic_points,
            health_points: self.health_points,
        })
    }
}

/// Formats a value as a JSON line. Text, numbers and options always serialize, so the line is never
/// empty.
fn to_line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}
