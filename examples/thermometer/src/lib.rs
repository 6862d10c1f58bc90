//! The thermometers of several sites: temperatures per site and room per minute.

use windrow::Sensor;
use windrow::core::sensor::{DeclaredSensor, Fixed, SensorError};
use windrow::core::time::Timestamp;

/// A reading: `{"Site":"Berlin","Room":"Attic","Time":"2026-11-20 09:17:08","Celsius":21.5}`.
#[derive(Sensor)]
#[sensor(rename_all = "PascalCase")]
pub struct Temperature {
    #[sensor(key)]
    pub site: String,
    #[sensor(key)]
    pub room: String,
    #[sensor(time)]
    pub time: Timestamp,
    #[sensor(min, max, avg, count)]
    pub celsius: Fixed<2>,
}

/// The sensor, for the functions and tools.
pub fn sensor() -> Result<DeclaredSensor, SensorError> {
    windrow::sensor::<Temperature>()
}
