//! Writes `bus.json`, by which everybody on this machine finds the bus.

use wagglebus_nats::private_file;
use wagglebus_schemas::places::{BusFile, Places};

use crate::failure::Failure;

/// Writes the file.
pub(crate) fn write(places: &Places, bus: &BusFile) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(bus).unwrap_or_default();
    private_file::replace(&places.bus_file(), text.as_bytes()).map_err(|error| Failure::caused(&error))
}

/// Removes the file: nobody shall look for a bus that has ended.
pub(crate) fn remove(places: &Places) -> Result<(), Failure> {
    match std::fs::remove_file(places.bus_file()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::failed(format!(
            "{} cannot be removed",
            places.bus_file().display()
        ))
        .why(error.to_string())),
        Ok(()) | Err(_) => Ok(()),
    }
}
