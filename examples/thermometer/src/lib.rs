//! The thermometers of several sites: temperatures per site and room per minute.

use windrow::{DeclaredSensor, Fixed, Sensor, SensorError, Timestamp};

/// A reading: `{"Site":"Berlin","Room":"Attic","Time":"2026-11-20 09:17:08","Celsius":21.5}`.
#[derive(Sensor)]
#[sensor(rename_all = "PascalCase")]
pub struct Temperature {
    /// Where the building is.
    #[sensor(key)]
    pub site: String,
    /// The room of the building.
    #[sensor(key)]
    pub room: String,
    /// When it was measured.
    #[sensor(time)]
    pub time: Timestamp,
    /// Exact to a hundredth of a degree.
    #[sensor(min, max, avg, count)]
    pub celsius: Fixed<2>,
}

/// The sensor, for the functions and tools.
///
/// # Errors
///
/// [`SensorError`] if the declaration contradicts itself.
pub fn sensor() -> Result<DeclaredSensor, SensorError> {
    windrow::sensor::<Temperature>()
}
