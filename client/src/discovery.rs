//! Finds what runs here: reads `<agent>.json` and `bus.json` and checks that the processes they name live.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::process::getuid;
use serde::de::DeserializeOwned;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::{AgentFile, BusFile, Places};

use crate::error::{Absence, ClientError};
use crate::process;

/// Longest file that is read here, in bytes; ours have a few hundred.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The user id of this process, which decides the run folder.
pub fn uid() -> u32 {
    getuid().as_raw()
}

/// The running sidecar of `agent`.
///
/// # Errors
/// [`ClientError::NoSidecar`] when its file is not there, is unreadable, or names a process that has ended.
pub fn sidecar(places: &Places, agent: &AgentId) -> Result<AgentFile, ClientError> {
    let path = places.agent_file(agent);
    read::<AgentFile>(&path)
        .and_then(|file| live(path, file.pid).map(|()| file))
        .map_err(|absence| ClientError::NoSidecar {
            agent: agent.clone(),
            absence,
        })
}

/// The running `up` of this user. nats-server itself may be down at the moment: its supervisor brings it back.
///
/// # Errors
/// [`ClientError::NoBus`] when its file is not there, is unreadable, or names a supervisor that has ended.
pub fn bus(places: &Places) -> Result<BusFile, ClientError> {
    let path = places.bus_file();
    read::<BusFile>(&path)
        .and_then(|file| live(path, file.supervisor_pid).map(|()| file))
        .map_err(|absence| ClientError::NoBus { absence })
}

/// The sidecars of this hive that run on this machine, by agent. Left-over and unreadable files are passed over.
///
/// # Errors
/// When the run folder is there and cannot be listed.
pub fn sidecars(places: &Places) -> io::Result<Vec<AgentFile>> {
    let entries = match std::fs::read_dir(places.run_dir()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found: Vec<AgentFile> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let agent: AgentId = name.to_str()?.strip_suffix(".json")?.parse().ok()?;
            sidecar(places, &agent).ok()
        })
        .collect();
    found.sort_by(|a, b| a.agent.cmp(&b.agent));
    Ok(found)
}

fn live(path: PathBuf, pid: u32) -> Result<(), Absence> {
    if process::exists(pid) {
        Ok(())
    } else {
        Err(Absence::Stale { path, pid })
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Absence> {
    let unreadable = |source| Absence::Unreadable {
        path: path.to_owned(),
        source,
    };
    let bytes = match read_bounded(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Absence::NoFile(path.to_owned()));
        }
        Err(error) => return Err(unreadable(error)),
    };
    serde_json::from_slice(&bytes).map_err(|error| unreadable(error.into()))
}

/// The whole of a small file.
pub(crate) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("over {FILE_BYTES_MAX} bytes"),
        ));
    }
    Ok(bytes)
}
