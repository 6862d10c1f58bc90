//! The air quality at several stations, per minute.

use windrow::{DeclaredSensor, Fixed, Sensor, SensorError};

/// `{"station":"Mitte","pm25":12.5,"aqi":52}`
#[derive(Sensor)]
pub struct AirReading {
    #[sensor(key)]
    pub station: String,
    /// Micrograms per cubic metre.
    #[sensor(sum, max, avg)]
    pub pm25: Fixed<1>,
    #[sensor(sum, max, avg)]
    pub aqi: u16,
}

pub fn sensor() -> Result<DeclaredSensor, SensorError> {
    windrow::sensor::<AirReading>()
}
