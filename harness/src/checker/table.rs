//! The judgement as text for people.

use std::fmt;

use super::{Invariant, LostHandOver, Verdict};

/// Most violations, and most lost hand-overs, that are printed one by one.
const SHOWN_MAX: usize = 20;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = &self.summary;
        let overtaken = self
            .lost_hand_overs
            .iter()
            .filter(|lost| !lost.overtaken_by.is_empty())
            .count();
        for (name, value) in [
            ("accepted", sum.accepted as u64),
            ("delivered", sum.delivered as u64),
            ("refused", sum.refused as u64),
            ("dead letters", sum.dead as u64),
            ("sends repeated", sum.repeated_sends as u64),
            ("given back or expired", sum.returned as u64),
            ("redeliveries seen", sum.redeliveries as u64),
            ("processes killed", sum.killed as u64),
            ("processes stopped", sum.stopped as u64),
            ("hand-overs nobody saw", self.lost_hand_overs.len() as u64),
            ("  of these overtaken", overtaken as u64),
            ("longest silence, ms", sum.longest_silence_ms),
            ("drained after, ms", sum.drained_ms),
        ] {
            writeln!(f, "{name:<24}{value:>10}")?;
        }
        for invariant in Invariant::ALL {
            let count = self.count(invariant);
            let state = if count == 0 { "kept" } else { "BROKEN" };
            writeln!(f, "{:<24}{count:>10}  {state}", invariant.to_string())?;
        }
        for lost in self.lost_hand_overs.iter().take(SHOWN_MAX) {
            writeln!(f, "  {lost}")?;
        }
        for violation in self.violations.iter().take(SHOWN_MAX) {
            writeln!(
                f,
                "  {}: {} {}",
                violation.invariant, violation.id, violation.what
            )?;
        }
        let hidden = self.violations.len().saturating_sub(SHOWN_MAX);
        if hidden > 0 {
            writeln!(f, "  … and {hidden} more violations")?;
        }
        Ok(())
    }
}

impl fmt::Display for LostHandOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            from,
            to,
            priority,
            seq,
            delivery,
            overtaken_by,
            ..
        } = self;
        let by = if *delivery == 1 { "the server" } else { "a sidecar" };
        write!(
            f,
            "{from} → {to} {priority} #{seq}: {by} had handed it to a connection that was gone; it came "
        )?;
        if overtaken_by.is_empty() {
            f.write_str("back in its place")
        } else {
            write!(f, "marked, after {overtaken_by:?}")
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delivered => "delivered",
            Self::Finished => "finished",
            Self::DoneOnce => "done once",
            Self::Marked => "marked",
            Self::Intact => "intact",
            Self::Private => "private",
            Self::Reported => "reported",
            Self::Refused => "refused stays out",
            Self::Ordered => "ordered",
            Self::Returned => "returned to its place",
        })
    }
}
