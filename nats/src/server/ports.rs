//! Ports of a nats-server on 127.0.0.1: choosing free ones, and reading the file in which it says that it listens.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;

/// Free ports are taken from here: below the ranges from which systems give ports to outgoing connections (Linux from
/// 32768, macOS from 49152). A client that redials a dead server can otherwise be given that very port and connect to
/// itself, and the server cannot come back on its port while that lasts.
const FREE_FROM: u32 = 20_000;
const FREE_COUNT: u32 = 12_000;

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// For clients.
    pub client: u16,
    /// For `/healthz` and its like.
    pub monitor: u16,
}

impl Ports {
    /// Two ports that nobody listens on now. Somebody else may take one before the server does: then it fails to start
    /// and the caller chooses again.
    ///
    /// # Errors
    /// When every port of the range is taken.
    pub fn free() -> io::Result<Self> {
        Ok(Self {
            client: free_port()?,
            monitor: free_port()?,
        })
    }

    /// `nats://127.0.0.1:<client>`
    #[must_use]
    pub fn client_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.client)
    }

    /// `http://127.0.0.1:<monitor>`
    #[must_use]
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor)
    }

    pub(super) fn monitor_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.monitor).into()
    }
}

fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes begin at different places, so that they seldom ask for the same port at the same time.
    let begin = std::process::id().wrapping_mul(97);
    first_free((0..FREE_COUNT).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        FREE_FROM + begin.wrapping_add(step) % FREE_COUNT
    }))
}

fn first_free(candidates: impl Iterator<Item = u32>) -> io::Result<u16> {
    let mut failure = io::Error::from(io::ErrorKind::AddrInUse);
    for port in candidates {
        let port = u16::try_from(port).map_err(io::Error::other)?;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Reads the ports file of the server process `pid` in `dir`: it appears once the server listens.
///
/// `None` while there is none, or only half of one.
pub(super) fn read_ports_file(dir: &Path, pid: u32) -> Option<Ports> {
    let path = ports_file(dir, pid)?;
    let file: PortsFile = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let port = |urls: &[String]| urls.first()?.rsplit_once(':')?.1.parse().ok();
    Some(Ports {
        client: port(&file.nats)?,
        monitor: port(&file.monitoring)?,
    })
}

/// A server that was killed leaves its ports file behind.
pub(super) fn remove_ports_file(dir: &Path, pid: u32) -> io::Result<()> {
    match ports_file(dir, pid) {
        Some(path) => fs::remove_file(path),
        None => Ok(()),
    }
}

/// The name is `<name of the binary>_<pid>.ports`, and the binary may have any name.
fn ports_file(dir: &Path, pid: u32) -> Option<PathBuf> {
    let ending = format!("_{pid}.ports");
    let paths = fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .into_iter()
        .find(|path| path.to_string_lossy().ends_with(&ending))
}

#[derive(Deserialize)]
struct PortsFile {
    nats: Vec<String>,
    monitoring: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_are_outside_the_range_of_outgoing_connections() {
        let all: Vec<Ports> = (0..10).map(|_| Ports::free().unwrap()).collect();
        let mut numbers: Vec<u16> = all.iter().flat_map(|p| [p.client, p.monitor]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 20);
        assert!(
            numbers.iter().all(|&p| (20_000..32_000).contains(&p)),
            "{numbers:?}"
        );
    }

    #[test]
    fn a_taken_port_is_not_offered() {
        let Ports {
            client: taken,
            monitor: other,
        } = Ports::free().unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).unwrap();
        assert_eq!(
            first_free([taken, other].into_iter().map(u32::from)).unwrap(),
            other
        );
        assert!(first_free(std::iter::once(taken.into())).is_err());
    }

    #[test]
    fn the_ports_file_of_this_process_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        file(
            "nats-server_11.ports",
            r#"{"nats":["nats://127.0.0.1:1"],"monitoring":["http://127.0.0.1:2"]}"#,
        );
        file(
            "my-server_1.ports",
            r#"{"nats":["nats://127.0.0.1:4222"],"monitoring":["http://127.0.0.1:8222"]}"#,
        );
        file("nats-server_2.ports", r#"{"nats":["nats://127.0."#);
        assert_eq!(
            read_ports_file(dir.path(), 1),
            Some(Ports {
                client: 4222,
                monitor: 8222
            })
        );
        assert_eq!(read_ports_file(dir.path(), 2), None);
        assert_eq!(read_ports_file(dir.path(), 3), None);
        remove_ports_file(dir.path(), 1).unwrap();
        assert_eq!(read_ports_file(dir.path(), 1), None);
        assert!(read_ports_file(dir.path(), 11).is_some());
    }
}
