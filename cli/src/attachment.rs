//! Attachments: which agents `up` keeps a sidecar for, because their programs run in panes or a fleet file names them. One
//! file for each.
//!
//! The files are what is wanted; `up` reads them at its start and when it is told that they changed, and makes it so.

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use wagglebus_client::discovery;
use wagglebus_nats::private_file;
use wagglebus_schemas::places::Places;
use wagglebus_schemas::{AgentId, Id};

use crate::failure::Failure;
use crate::up::{leftovers, lock};

/// An attachment that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    /// The agent.
    pub(crate) agent: AgentId,
    /// Another one for each `attach`: the same pane may be attached to anew.
    pub(crate) id: Id,
    /// What its sidecar is started with, behind `--agent`.
    pub(crate) arguments: Vec<String>,
    /// What a fleet file asked for, where one did: an equal wish changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asked: Option<Vec<String>>,
}

/// What a sidecar records of the pane that it writes into.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Pane {
    /// The socket of the tmux server.
    pub(crate) socket: PathBuf,
    /// The tmux server.
    pub(crate) server: TmuxServer,
    /// The pane's id, such as `%3`.
    pub(crate) pane: String,
    /// How its screen is read.
    pub(crate) profile: String,
}

/// A tmux server; pane ids are its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct TmuxServer {
    /// Its process.
    pub(crate) pid: u32,
}

/// Where they lie.
pub(crate) fn folder(places: &Places) -> PathBuf {
    places.state_dir().join("attachments")
}

fn file(places: &Places, agent: &AgentId) -> PathBuf {
    folder(places).join(format!("{agent}.json"))
}

/// All that are wanted, by agent. What cannot be read is passed over with its reason.
pub(crate) fn all(places: &Places) -> (Vec<Attachment>, Vec<String>) {
    let (mut wanted, mut odd) = (Vec::new(), Vec::new());
    let entries = match std::fs::read_dir(folder(places)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (wanted, odd),
        Err(error) => return (wanted, vec![format!("{}: {error}", folder(places).display())]),
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        match read(&path) {
            Ok(Some(attachment)) => wanted.push(attachment),
            Ok(None) => {}
            Err(why) => odd.push(format!("{}: {why}", path.display())),
        }
    }
    wanted.sort_by(|a, b| a.agent.cmp(&b.agent));
    (wanted, odd)
}

/// The one of this agent.
pub(crate) fn of(places: &Places, agent: &AgentId) -> Option<Attachment> {
    read(&file(places, agent)).ok().flatten()
}

fn read(path: &Path) -> Result<Option<Attachment>, String> {
    let text = private_file::read(path).map_err(|error| error.to_string())?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
        .transpose()
}

/// Wants one, in the place of a former one of the same agent.
pub(crate) fn want(places: &Places, attachment: &Attachment) -> Result<(), Failure> {
    let caused = |error: private_file::PrivateFileError| Failure::caused(&error);
    private_file::create_dir(&folder(places)).map_err(caused)?;
    let text = serde_json::to_string(attachment).unwrap_or_default();
    private_file::replace(&file(places, &attachment.agent), text.as_bytes()).map_err(caused)?;
    tell_up(places)
}

/// Wants the one of this agent no longer.
pub(crate) fn withdraw(places: &Places, agent: &AgentId) -> Result<(), Failure> {
    let path = file(places, agent);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::failed(format!("{} cannot be removed", path.display())).why(error.to_string()))
        }
        Ok(()) | Err(_) => tell_up(places),
    }
}

/// Has `up` look at the files. One that starts just now looks by itself.
fn tell_up(places: &Places) -> Result<(), Failure> {
    let Ok(bus) = discovery::bus(places) else {
        return Ok(());
    };
    // The number in the file of one that was killed may be a stranger's by now, whom the signal would end.
    let Some(who) = lock::holder(places).filter(|up| up.pid == bus.supervisor_pid) else {
        return Ok(());
    };
    leftovers::send(who.pid, Signal::USR1).map_err(|error| {
        Failure::failed(format!("`up` (process {}) cannot be signalled", who.pid)).why(error.to_string())
    })
}

/// Whether no sidecar has the state folder of this agent, also none that is just starting or ending.
pub(crate) fn is_free(places: &Places, agent: &AgentId) -> bool {
    let lock = places.agent_state_dir(agent).join("lock");
    match std::fs::File::options().read(true).write(true).open(lock) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => true,
    }
}

/// The pane that the sidecar of an agent writes into, as it has recorded it.
pub(crate) fn pane(places: &Places, agent: &AgentId) -> Option<Pane> {
    let text = private_file::read(&pane_file(places, agent)).ok()??;
    serde_json::from_str(&text).ok()
}

/// Forgets the pane of an agent that is detached: whoever speaks there next is somebody else.
pub(crate) fn forget_pane(places: &Places, agent: &AgentId) {
    std::fs::remove_file(pane_file(places, agent)).ok();
}

fn pane_file(places: &Places, agent: &AgentId) -> PathBuf {
    places.agent_state_dir(agent).join("pane.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_schemas::Hive;
    use wagglebus_schemas::places::PlacesSource;

    fn places() -> (tempfile::TempDir, Places) {
        let home = tempfile::tempdir().unwrap();
        let source = PlacesSource {
            home: Some(home.path().to_owned()),
            temporary: home.path().to_owned(),
            ..PlacesSource::default()
        };
        let places = Places::new(Hive::default(), &source).unwrap();
        (home, places)
    }

    /// An `up` that was killed leaves files that name its number, which is given out again.
    #[test]
    fn a_stranger_with_the_number_of_a_killed_up_is_not_signalled() {
        use std::process::{Command, Stdio};
        let (_home, places) = places();
        let mut stranger = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = stranger.id();
        private_file::create_dir(places.run_dir()).unwrap();
        private_file::create_dir(places.state_dir()).unwrap();
        let bus = serde_json::json!({ "url": "nats://127.0.0.1:1", "monitor": "http://127.0.0.1:1", "pid": pid,
            "supervisor_pid": pid, "credentials_file": "/none", "durability": "always", "coordinator": null });
        std::fs::write(places.bus_file(), bus.to_string()).unwrap();
        assert_eq!(discovery::bus(&places).unwrap().supervisor_pid, pid);
        for left in [format!("{pid}\n"), format!("{pid}\nbefore\n")] {
            std::fs::write(places.state_dir().join("up.lock"), left).unwrap();
            tell_up(&places).unwrap();
        }
        // It ends by itself when nobody writes to it any more, and not by a signal.
        drop(stranger.stdin.take());
        assert!(stranger.wait().unwrap().success());
    }

    #[test]
    fn what_is_wanted_is_read_again_and_what_is_odd_is_told() {
        let (_home, places) = places();
        private_file::create_dir(places.state_dir()).unwrap();
        let attachment = |agent: &str| Attachment {
            agent: agent.parse().unwrap(),
            id: Id::from_uuid(uuid::Uuid::nil()),
            arguments: vec!["tmux".to_owned()],
            asked: None,
        };
        assert_eq!(all(&places), (Vec::new(), Vec::new()));
        for agent in ["bob", "alice"] {
            want(&places, &attachment(agent)).unwrap();
        }
        std::fs::write(folder(&places).join("odd.json"), "{").unwrap();
        let (wanted, odd) = all(&places);
        assert_eq!(wanted, [attachment("alice"), attachment("bob")]);
        assert!(odd.len() == 1 && odd[0].contains("odd.json"), "{odd:?}");
        withdraw(&places, &"bob".parse().unwrap()).unwrap();
        withdraw(&places, &"bob".parse().unwrap()).unwrap();
        assert_eq!(all(&places).0, [attachment("alice")]);
    }
}
