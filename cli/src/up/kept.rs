//! What stays the same from one `up` to the next: storage and ports.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wagglebus_nats::private_file;
use wagglebus_nats::server::Ports;
use wagglebus_nats::topology::Sizing;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;

/// Kept in `up.json` in the state folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Bytes of all streams together, decided at the first `up` and never lowered: the server accepts a lower
    /// `max_bytes` silently and then refuses every publish (DESIGN 6).
    pub(crate) storage_bytes: u64,
    /// Where clients found the bus last time. Sidecars that outlive it come back without asking.
    pub(crate) client_port: Option<u16>,
    /// Where the monitor was last time.
    pub(crate) monitor_port: Option<u16>,
}

impl Kept {
    fn path(places: &Places) -> PathBuf {
        places.state_dir().join("up.json")
    }

    /// What was kept, or the rule for a first `up`.
    pub(crate) fn load(places: &Places) -> Result<Self, Failure> {
        let path = Self::path(places);
        match private_file::read(&path).map_err(|error| Failure::caused(&error))? {
            Some(text) => serde_json::from_str(&text).map_err(|error| {
                // Guessing a size could lower it.
                Failure::failed(format!("{} is not as wagglebus writes it", path.display()))
                    .why(error.to_string())
                    .fix("restore it; without it write {\"storage_bytes\":N}, N = the max_bytes of all streams together")
            }),
            None => Ok(Self { storage_bytes: first_size(places)?.storage_bytes(), client_port: None, monitor_port: None }),
        }
    }

    /// Keeps it.
    pub(crate) fn save(&self, places: &Places) -> Result<(), Failure> {
        let text = serde_json::to_string(self).unwrap_or_default();
        private_file::replace(&Self::path(places), text.as_bytes()).map_err(|error| Failure::caused(&error))
    }

    /// How much may be stored.
    pub(crate) fn sizing(&self) -> Result<Sizing, Failure> {
        Sizing::new(self.storage_bytes, 1).map_err(|error| Failure::caused(&error))
    }

    /// The ports to use: the one asked for, else the kept ones as far as they are free, else free ones.
    pub(crate) fn ports(&self, asked: Option<u16>) -> Result<Ports, Failure> {
        let free =
            Ports::free().map_err(|error| Failure::failed("no port is free").why(error.to_string()))?;
        let client = match asked {
            Some(port) if !can_listen(port) => {
                return Err(
                    Failure::failed(format!("port {port} is in use by another program"))
                        .fix("stop it, or choose another with --port; without --port a free one is taken"),
                );
            }
            Some(port) => port,
            None => self
                .client_port
                .filter(|port| can_listen(*port))
                .unwrap_or(free.client),
        };
        let kept = self
            .monitor_port
            .filter(|port| *port != client && can_listen(*port));
        let monitor = kept.unwrap_or(if free.monitor == client {
            free.client
        } else {
            free.monitor
        });
        Ok(Ports { client, monitor })
    }
}

fn can_listen(port: u16) -> bool {
    port != 0 && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn first_size(places: &Places) -> Result<Sizing, Failure> {
    let dir = places.state_dir();
    let space = rustix::fs::statvfs(dir).map_err(|error| {
        Failure::failed(format!("the free space of {} is not known", dir.display())).why(error.to_string())
    })?;
    Sizing::of_free_space(space.f_bavail.saturating_mul(space.f_frsize))
        .map_err(|error| Failure::caused(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(client_port: Option<u16>) -> Kept {
        Kept {
            storage_bytes: 1 << 30,
            client_port,
            monitor_port: None,
        }
    }

    #[test]
    fn kept_ports_come_back_unless_somebody_has_them() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(kept(Some(port)).ports(None).unwrap().client, port);
        let refused = kept(None).ports(Some(port)).unwrap_err();
        assert_eq!(refused.exit_code(), 1);
        drop(taken);
        let ports = kept(Some(port)).ports(None).unwrap();
        assert_eq!(ports.client, port);
        assert_ne!(ports.client, ports.monitor);
        assert_eq!(kept(None).ports(Some(port)).unwrap().client, port);
    }
}
