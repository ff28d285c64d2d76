//! What a bus that has come up says of itself.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wagglebus_nats::trust::meaning;
use wagglebus_schemas::Hive;
use wagglebus_schemas::places::{BusFile, Durability, Trust};

use crate::failure::Failure;
use crate::output::Output;
use crate::programs;

/// A bus that is ready: its `bus.json` and what else is worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// What is in `bus.json`.
    #[serde(flatten)]
    pub(crate) bus: BusFile,
    /// Version of nats-server.
    pub(crate) server_version: String,
    /// Bytes that all streams together may take.
    pub(crate) storage_bytes: u64,
    /// Streams and buckets that were made or changed.
    pub(crate) changed: Vec<String>,
    /// Contexts for the stock CLI.
    pub(crate) contexts: Vec<String>,
    /// The folder of the logs.
    pub(crate) logs: PathBuf,
    /// What is not as it should be, and does not hinder.
    pub(crate) warnings: Vec<String>,
}

impl Ready {
    /// Says it: as one record, or for people with what to type next.
    pub(crate) fn tell(&self, hive: &Hive, output: &mut Output) -> Result<(), Failure> {
        if output.json() {
            output.record(self)?;
            return Ok(());
        }
        output.line(format!(
            "bus        {} (nats-server {}, process {})",
            self.bus.url, self.server_version, self.bus.pid
        ))?;
        output.line(format!("durability {}", durability(self.bus.durability)))?;
        output.line(format!("storage    {}", mebibytes(self.storage_bytes)))?;
        output.line(format!(
            "trust      {}: {}",
            Trust::Isolated,
            meaning(Trust::Isolated)
        ))?;
        if !self.changed.is_empty() {
            output.line(format!("made       {}", self.changed.join(", ")))?;
        }
        output.line(format!("logs       {}", self.logs.display()))?;
        for warning in &self.warnings {
            output.note(format!("warning: {warning}"))?;
        }
        output.note("next:")?;
        if let Some(line) = programs::path_first() {
            output.note(format!("  {line}"))?;
        }
        let own = match hive.as_str() {
            "wb" => "wagglebus".to_owned(),
            other => format!("wagglebus --hive {other}"),
        };
        output.note(format!(
            "  {own} sidecar --agent alice http &   # an agent that you play yourself; for a program: stdio -- COMMAND
  {own} send alice hello               # write to it
  {own} --as alice inbox --take 1      # read what it got
  {own} status                         # what runs; to stop it: {own} down"
        ))?;
        if let Some(context) = self.contexts.first() {
            output.note(format!(
                "  nats --context {context} stream ls         # the stock CLI works, too"
            ))?;
        }
        Ok(())
    }
}

/// What an ack promises, in words.
pub(crate) fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Always => "always: what is acknowledged survives a power loss",
        Durability::Relaxed => {
            "relaxed: what is acknowledged survives crashes of programs, not of the machine"
        }
    }
}

/// A size for people.
pub(crate) fn mebibytes(bytes: u64) -> String {
    match bytes >> 20 {
        mib @ 0..10_240 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(mebibytes(64 << 20), "64 MiB");
        assert_eq!(mebibytes((20 << 30) + 5), "20 GiB");
    }
}
