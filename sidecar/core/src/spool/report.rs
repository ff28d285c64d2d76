//! What a scan found, in words for the operator.

use std::fmt;

use super::scan::{Damage, DamageKind, Item};
use super::segment::SegmentId;

/// Findings listed one by one; more are only counted, so that a ruined disk does not fill the log.
const LISTED: usize = 16;

/// Sum of one segment's [`Item`]s. `Display` gives one line, and one more for each finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Number of the segment.
    pub segment: u64,
    /// Intact records.
    pub kept: u64,
    /// Records lost at the least: a stretch that can't be read may have held several.
    pub lost: u64,
    /// Damaged stretches, the first 16 of them.
    pub damage: Vec<Damage>,
    /// Damaged stretches beyond those listed.
    pub unlisted: u64,
    /// Offset and length in bytes of the torn tail.
    pub torn_tail: Option<(u64, u64)>,
}

impl Report {
    /// An empty report on this segment.
    pub fn new(id: SegmentId) -> Self {
        Self {
            segment: id.number,
            kept: 0,
            lost: 0,
            damage: Vec::new(),
            unlisted: 0,
            torn_tail: None,
        }
    }

    /// Takes the scanner's next item into account.
    pub fn add(&mut self, item: &Item) {
        match item {
            Item::Found { .. } => self.kept = self.kept.saturating_add(1),
            Item::TornTail { offset, len } => self.torn_tail = Some((*offset, *len)),
            Item::Damage(damage) => {
                self.lost = self.lost.saturating_add(u64::from(damage.kind.costs_records()));
                if self.damage.len() < LISTED {
                    self.damage.push(*damage);
                } else {
                    self.unlisted = self.unlisted.saturating_add(1);
                }
            }
        }
    }

    /// Whether there is nothing to tell. A torn tail is a finding, though an ordinary one.
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty() && self.torn_tail.is_none()
    }
}

impl DamageKind {
    /// Whether at least one record is lost with it.
    pub fn costs_records(self) -> bool {
        match self {
            Self::Payload | Self::Unreadable => true,
            Self::FileName | Self::SegmentHeader | Self::RecordHeader => false,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spool segment {}: {} records kept", self.segment, self.kept)?;
        if self.lost > 0 {
            write!(f, ", at least {} lost", self.lost)?;
        }
        for damage in &self.damage {
            write!(f, "\n  {damage}")?;
        }
        if self.unlisted > 0 {
            write!(f, "\n  and {} more", self.unlisted)?;
        }
        if let Some((offset, len)) = self.torn_tail {
            write!(
                f,
                "\n  byte {offset}: {len} bytes of torn tail, no complete record among them"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, len, kind } = self;
        match kind {
            DamageKind::FileName => write!(f, "the file name is another segment's; nothing lost"),
            DamageKind::SegmentHeader => {
                write!(
                    f,
                    "byte {offset}: one copy of the segment header is damaged; nothing lost"
                )
            }
            DamageKind::RecordHeader => {
                write!(
                    f,
                    "byte {offset}: one copy of a record header is damaged; nothing lost"
                )
            }
            DamageKind::Payload => {
                write!(
                    f,
                    "byte {offset}: a record of {len} bytes fails its checksum; skipped"
                )
            }
            DamageKind::Unreadable => write!(f, "byte {offset}: {len} bytes hold no record; skipped"),
        }
    }
}
