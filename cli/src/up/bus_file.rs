//! `bus.json`, by which everybody on this machine finds the bus: what `up` writes there, and when it goes.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use wagglebus_nats::bus_file as file;
use wagglebus_schemas::places::{BusFile, CoordinatorAddress, Places};

use crate::failure::Failure;

/// How long a coordinator on this machine may take to take a connection.
const ANSWERS_WITHIN: Duration = Duration::from_millis(200);

/// Writes a new file.
pub(crate) fn write(places: &Places, bus: &BusFile) -> Result<(), Failure> {
    file::write(&places.bus_file(), bus).map_err(|error| Failure::caused(&error))
}

/// Says under which number nats-server runs now.
pub(crate) fn set_server_pid(places: &Places, pid: u32) -> Result<(), Failure> {
    file::set_server_pid(&places.bus_file(), pid).map_err(|error| Failure::caused(&error))
}

/// Says where our coordinator listens, unless one that leads stands there.
pub(crate) fn offer(places: &Places, address: &CoordinatorAddress) -> Result<(), Failure> {
    file::offer(&places.bus_file(), address).map_err(|error| Failure::caused(&error))
}

/// Takes the coordinator's address out when nobody listens there any more. Another one may lead by now.
pub(crate) fn withdraw_dead(places: &Places) -> Result<(), Failure> {
    let dead = |told: &CoordinatorAddress| !listens(&told.http);
    file::withdraw(&places.bus_file(), dead).map_err(|error| Failure::caused(&error))
}

fn listens(url: &str) -> bool {
    let address: Option<SocketAddr> = url
        .strip_prefix("http://")
        .and_then(|address| address.parse().ok());
    address.is_some_and(|address| TcpStream::connect_timeout(&address, ANSWERS_WITHIN).is_ok())
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
