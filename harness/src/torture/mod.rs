//! Torture: runs that try to break the promises, for tests with small counts and for people with large ones.
//!
//! | run | what is done | what must hold |
//! |---|---|---|
//! | [`bodies`] | texts by chance into a pane, and bytes that are no text | each once, in its frame, alone |
//! | [`cycles`] | eight sidecars on one tmux come and go | tmux survives; nothing lost, doubled, joined |
//! | [`tasks`] | leaders and agents are killed and stopped, agents lie | each task ends, none is completed twice |
//! | [`fleet`] | processes are killed and stopped under load | every promise of the [checker](crate::checker) |
//!
//! What a run found is a [`Report`]; an error means that a run could not be carried out.

pub mod bodies;
pub mod cycles;
pub mod fleet;
pub mod frame;
mod judge;
mod pieces;
mod raw;
pub mod tasks;

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::{Serialize, Serializer};
use wagglebus_client::{Client, SendOptions};
use wagglebus_schemas::{Draft, Id, Level};

use crate::checker::Verdict;
use crate::fleet::Fleet;
use crate::fleet::sidecar::Sidecar;
use crate::terminal::missing;

/// Far longer than anything takes on two busy cores.
const WITHIN: Duration = Duration::from_secs(30);
/// Most violations that are printed one by one.
const SHOWN_MAX: usize = 20;
/// What the reader in a pane looks like, without a pause before Enter, and bodies as text.
const READER: &[&str] = &["--profile", "claude", "--inject", "body", "--enter-delay", "0"];

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Which run.
    pub case: &'static str,
    /// What decided everything that is left to chance; the same seed makes the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How much was done, each figure with its name.
    #[serde(serialize_with = "as_map")]
    pub figures: Vec<(&'static str, u64)>,
    /// The judgement about a recorded history, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What was promised and not kept, those of the verdict first. Empty: all was kept.
    pub violations: Vec<String>,
}

impl Report {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "torture {}", self.case)?;
        if let Some(seed) = self.seed {
            write!(f, ", seed {seed}")?;
        }
        match self.violations.len() {
            0 => writeln!(f, ": every promise was kept")?,
            1 => writeln!(f, ": 1 VIOLATION")?,
            count => writeln!(f, ": {count} VIOLATIONS")?,
        }
        for (name, value) in &self.figures {
            writeln!(f, "{:<24}{value:>10}", name.replace('_', " "))?;
        }
        // A verdict tells its own violations.
        let mut told = 0;
        if let Some(verdict) = &self.verdict {
            write!(f, "{verdict}")?;
            told = verdict.violations.len();
        }
        for violation in self.violations.iter().skip(told).take(SHOWN_MAX) {
            writeln!(f, "  {violation}")?;
        }
        let hidden = self
            .violations
            .len()
            .saturating_sub(told.saturating_add(SHOWN_MAX));
        if hidden > 0 {
            writeln!(f, "  … and {hidden} more violations")?;
        }
        Ok(())
    }
}

fn as_map<S: Serializer>(figures: &[(&'static str, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(figures.iter().copied())
}

/// Finds out before anything starts whether there is what a run in a terminal needs.
async fn terminal_needed() -> Result<()> {
    match missing().await {
        None => Ok(()),
        Some(program) => {
            bail!("there is no {program} (Debian: apt-get install {program}; macOS: brew install {program})")
        }
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// What sender and recipient know of a message: how far it came as the sender was told, and what the recipient's sidecar
/// logged about it.
async fn known(fleet: &Fleet, sender: &Client, agent: &str, id: Id) -> String {
    let told = match sender.trace(id).await {
        Ok(trace) => trace.value.explanation,
        Err(error) => error.to_string(),
    };
    let log = fleet.sidecar(agent).map(Sidecar::log).unwrap_or_default();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(&id.to_string()))
        .collect();
    format!("{id}: {told} {}", lines.join(" / "))
        .trim_end()
        .to_owned()
}

/// Sends, and waits until it has come so far.
async fn send(client: &Client, draft: &Draft, wait: Level) -> Result<()> {
    let options = SendOptions {
        wait: Some(wait),
        timeout: Some(WITHIN),
        park: true,
    };
    client.send(draft, options).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_its_seed_its_figures_and_what_was_broken() {
        let clean = Report {
            case: "bodies",
            seed: Some(7),
            figures: vec![("sent_bytes", 12), ("bodies", 3)],
            verdict: None,
            violations: Vec::new(),
        };
        assert!(clean.is_clean());
        assert!(
            clean
                .to_string()
                .starts_with("torture bodies, seed 7: every promise was kept\nsent bytes")
        );
        let json = serde_json::to_value(&clean).unwrap();
        assert_eq!(json["figures"]["sent_bytes"], 12);
        let broken = Report {
            violations: (0..30).map(|number| format!("body {number} was lost")).collect(),
            ..clean
        };
        let text = broken.to_string();
        assert!(!broken.is_clean() && text.contains("30 VIOLATIONS") && text.contains("body 19 was lost"));
        assert!(!text.contains("body 20") && text.ends_with("… and 10 more violations\n"));
    }
}
