//! The sidecars of attached panes: those that are wanted run, the others are ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::Places;

use crate::attachment::{self, Attachment};
use crate::up::child::{self, Program, keep};
use crate::up::logs;

/// What the sidecar of an attached agent is called in logs and records.
pub(crate) fn name(agent: &AgentId) -> String {
    format!("agent-{agent}")
}

/// What the sidecar of an agent is started with; its `own` end with the bridge, so what all have stands before.
pub(crate) fn arguments(agent: &str, common: &[String], own: &[impl AsRef<str>]) -> Vec<OsString> {
    let common = common.iter().map(String::as_str);
    let own = own.iter().map(AsRef::as_ref);
    let all = ["--agent", agent].into_iter().chain(common).chain(own);
    all.map(Into::into).collect()
}

/// The sidecars that run for attachments.
#[derive(Debug)]
pub(crate) struct Attached {
    places: Places,
    sidecar: PathBuf,
    /// What each of them is told beside its own.
    common: Vec<String>,
    tell: mpsc::UnboundedSender<child::Event>,
    running: BTreeMap<AgentId, (Attachment, watch::Sender<bool>)>,
    keepers: JoinSet<()>,
}

impl Attached {
    /// None runs yet. `sidecar` is the program and what all are told; what happens to each is told.
    pub(crate) fn new(
        places: Places,
        (sidecar, common): (PathBuf, Vec<String>),
        tell: mpsc::UnboundedSender<child::Event>,
    ) -> Self {
        Self {
            places,
            sidecar,
            common,
            tell,
            running: BTreeMap::new(),
            keepers: JoinSet::new(),
        }
    }

    /// Makes what runs be what is wanted. Returns what is odd about the files.
    pub(crate) fn reconcile(&mut self) -> Vec<String> {
        while self.keepers.try_join_next().is_some() {}
        let (wanted, odd) = attachment::all(&self.places);
        self.running.retain(|_, (attachment, stop)| {
            let stays = wanted.contains(attachment);
            if !stays {
                stop.send_replace(true);
            }
            stays
        });
        for attachment in wanted {
            if !self.running.contains_key(&attachment.agent) {
                self.start(attachment);
            }
        }
        odd
    }

    fn start(&mut self, attachment: Attachment) {
        let agent = attachment.agent.clone();
        let name = name(&agent);
        let program = Program {
            path: self.sidecar.clone(),
            arguments: arguments(agent.as_str(), &self.common, &attachment.arguments),
            environment: Vec::new(),
            log: logs::file(&self.places, &name),
            name,
        };
        let (stop, stopped) = watch::channel(false);
        let hive = self.places.hive().clone();
        self.keepers
            .spawn(keep(program, hive, stopped, self.tell.clone()));
        self.running.insert(agent, (attachment, stop));
    }

    /// Ends all of them in good order; what is wanted stays so for the next `up`.
    pub(crate) async fn end(mut self) {
        for (_, stop) in self.running.values() {
            stop.send_replace(true);
        }
        while self.keepers.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_sidecars_are_told_stands_before_the_bridge() {
        let common = ["--slots".to_owned(), "3".to_owned()];
        let told = arguments("bob", &common, &["--capability", "review", "http"]);
        assert_eq!(
            told.join(std::ffi::OsStr::new(" ")),
            "--agent bob --slots 3 --capability review http"
        );
    }
}
