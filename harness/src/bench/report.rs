//! What a benchmark found, as rows for people and programs.

use serde::Serialize;

use super::Plan;
use super::pair::median;

/// Unit of a row's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Messages in a second.
    #[serde(rename = "1/s")]
    PerSecond,
    /// Microseconds.
    #[serde(rename = "us")]
    Microseconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Mebibytes.
    #[serde(rename = "MiB")]
    Mebibytes,
    /// Percent of one core.
    #[serde(rename = "%")]
    PercentOfCore,
    /// Percent of all.
    #[serde(rename = "percent")]
    Percent,
    /// A count.
    #[serde(rename = "")]
    Count,
}

impl Unit {
    /// As shown behind a figure.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Mebibytes => "MiB",
            Self::PercentOfCore | Self::Percent => "%",
            Self::Count => "",
        }
    }
}

/// A goal of DESIGN 8. It is shown beside what was measured; nothing fails by it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Goal {
    /// The ratio to the baseline is at least this.
    #[serde(rename = "ratio_min")]
    RatioMin(f64),
    /// The figure less the baseline is at most this.
    #[serde(rename = "added_max")]
    AddedMax(f64),
    /// The figure is at least this.
    #[serde(rename = "min")]
    Min(f64),
    /// The figure is at most this.
    #[serde(rename = "max")]
    Max(f64),
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What was measured.
    pub case: String,
    /// Unit of all figures.
    pub unit: Unit,
    /// Median of ours over the rounds.
    pub ours: f64,
    /// Median over the rounds of the baseline, where there is one: what the case names, else direct async-nats.
    pub direct: Option<f64>,
    /// Median over the rounds of ours ÷ baseline.
    pub ratio: Option<f64>,
    /// Median over the rounds of ours − baseline.
    pub added: Option<f64>,
    /// The goal, where DESIGN 8 names one.
    pub goal: Option<Goal>,
    /// Whether the goal was met.
    pub met: Option<bool>,
    /// The rounds, ours.
    pub rounds: Vec<f64>,
    /// The rounds, the baseline.
    pub direct_rounds: Vec<f64>,
}

/// What a benchmark found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What the server's acks promised.
    pub durability: String,
    /// How many rounds each case had.
    pub rounds: usize,
    /// Processors of the machine.
    pub processors: usize,
    /// The cases.
    pub rows: Vec<Row>,
    /// What could not be measured here, and why.
    pub left_out: Vec<String>,
}

impl Report {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            durability: plan.durability.to_string(),
            rounds: plan.rounds,
            processors: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            rows: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Adds a case with its rounds; `direct` is empty or as long as `ours`.
    pub(super) fn add(
        &mut self,
        case: &str,
        unit: Unit,
        ours: Vec<f64>,
        direct: Vec<f64>,
        goal: Option<Goal>,
    ) {
        let pairs = || ours.iter().zip(&direct);
        let ratios: Vec<f64> = pairs().filter(|(_, d)| **d > 0.0).map(|(o, d)| o / d).collect();
        let added: Vec<f64> = pairs().map(|(o, d)| o - d).collect();
        let some = |values: &[f64]| (!values.is_empty()).then(|| median(values));
        let (middle, ratio, added) = (median(&ours), some(&ratios), some(&added));
        let met = goal.and_then(|goal| match goal {
            Goal::RatioMin(min) => ratio.map(|ratio| ratio >= min),
            Goal::AddedMax(max) => added.map(|added| added <= max),
            Goal::Min(min) => Some(middle >= min),
            Goal::Max(max) => Some(middle <= max),
        });
        self.rows.push(Row {
            case: case.to_owned(),
            unit,
            ours: middle,
            direct: some(&direct),
            ratio,
            added,
            goal,
            met,
            rounds: ours,
            direct_rounds: direct,
        });
    }

    /// Says that something is not measured, and why.
    pub(super) fn leave_out(&mut self, why: &str) {
        self.left_out.push(why.to_owned());
    }

    /// The report as a table for people.
    pub fn table(&self) -> String {
        let mut lines = vec![format!(
            "durability {}, medians of {} rounds, {} processors",
            self.durability, self.rounds, self.processors
        )];
        lines.push(format!(
            "{:<58} {:>12} {:>12} {:>7} {:>10}  {}",
            "case", "wagglebus", "baseline", "ratio", "added", "goal"
        ));
        lines.extend(self.rows.iter().map(Row::line));
        lines.extend(self.left_out.iter().cloned());
        lines.join("\n")
    }
}

impl Row {
    fn line(&self) -> String {
        let unit = self.unit.as_str();
        let figure = |value: Option<f64>| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{} {unit}", short(value)))
        };
        let ratio = self
            .ratio
            .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let goal = match self.goal {
            None => String::new(),
            Some(Goal::RatioMin(min)) => format!("ratio ≥ {min}"),
            Some(Goal::AddedMax(max)) => format!("added ≤ {} {unit}", short(max)),
            Some(Goal::Min(min)) => format!("≥ {} {unit}", short(min)),
            Some(Goal::Max(max)) => format!("≤ {} {unit}", short(max)),
        };
        let met = match self.met {
            None => "",
            Some(true) => ": met",
            Some(false) => ": missed",
        };
        // Where a rate is compared, what is added says nothing.
        let added = if self.unit == Unit::PerSecond {
            "-".to_owned()
        } else {
            figure(self.added)
        };
        format!(
            "{:<58} {:>12} {:>12} {ratio:>7} {added:>10}  {goal}{met}",
            self.case,
            figure(Some(self.ours)),
            figure(self.direct),
        )
    }
}

/// Three significant digits or so.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use wagglebus_schemas::places::Durability;

    #[test]
    fn goals_are_held_against_medians_of_pairs() {
        let plan = Plan {
            round: Duration::ZERO,
            ..Plan::smoke(Durability::Relaxed)
        };
        let mut report = Report::new(&plan);
        report.add(
            "rate",
            Unit::PerSecond,
            vec![50.0, 10.0, 60.0],
            vec![100.0, 100.0, 100.0],
            Some(Goal::RatioMin(0.5)),
        );
        report.add(
            "time",
            Unit::Microseconds,
            vec![5.0, 9.0, 7.0],
            vec![1.0, 1.0, 1.0],
            Some(Goal::AddedMax(5.0)),
        );
        report.add(
            "size",
            Unit::Mebibytes,
            vec![12.0],
            Vec::new(),
            Some(Goal::Max(10.0)),
        );
        let met: Vec<_> = report.rows.iter().map(|row| row.met).collect();
        assert_eq!(met, [Some(true), Some(false), Some(false)]);
        assert!(report.table().contains("missed"));
    }
}
