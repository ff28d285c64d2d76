//! The sidecars of attached panes: those that are wanted run, the others are ended.

use std::collections::BTreeMap;
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

/// The sidecars that run for attachments.
#[derive(Debug)]
pub(crate) struct Attached {
    places: Places,
    sidecar: PathBuf,
    tell: mpsc::UnboundedSender<child::Event>,
    running: BTreeMap<AgentId, (Attachment, watch::Sender<bool>)>,
    keepers: JoinSet<()>,
}

impl Attached {
    /// None runs yet. `sidecar` is the program; what happens to each is told.
    pub(crate) fn new(places: Places, sidecar: PathBuf, tell: mpsc::UnboundedSender<child::Event>) -> Self {
        Self {
            places,
            sidecar,
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
            arguments: ["--agent", agent.as_str()]
                .into_iter()
                .chain(attachment.arguments.iter().map(String::as_str))
                .map(Into::into)
                .collect(),
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
