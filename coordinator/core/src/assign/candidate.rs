//! An agent as the router sees it: what it can do, what it holds, and whether it is fit.

use std::collections::BTreeMap;

use wagglebus_schemas::heartbeat::Proficiency;
use wagglebus_schemas::{AgentId, CapabilityName};

use super::job::Job;
use super::skill::Skill;

/// What is known of an agent's way with one capability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ability {
    /// What the agent says of itself; `None`: it never declared the capability.
    pub proficiency: Option<Proficiency>,
    /// What was measured: how often it succeeds.
    pub skill: Skill,
    /// A success rate drawn from `skill` ([`Skill::sample`]), used in place of its mean while the fleet learns.
    pub draw: Option<f64>,
    /// How long it takes, as a multiple of what a job is expected to take.
    pub pace: f64,
}

impl Ability {
    /// What is assumed of a capability before anything was measured.
    pub const fn assumed(proficiency: Option<Proficiency>) -> Self {
        Self {
            proficiency,
            skill: Skill::prior(proficiency.is_some()),
            draw: None,
            pace: 1.0,
        }
    }

    /// The chance of success that decisions use.
    pub fn success(&self) -> f64 {
        self.draw.unwrap_or_else(|| self.skill.mean())
    }
}

/// Whether an agent can be given work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// It can.
    Ready,
    /// It is being started, or was reset and has not shown that it works.
    Starting,
    /// Its heartbeat is late: in seconds it is either back or lost.
    Suspect,
    /// It came and went too often, and must hold for a while.
    Unsteady,
    /// It waits for a person.
    BlockedOnHuman,
    /// Its provider limits its rate.
    RateLimited,
    /// The operator paused it.
    Paused,
    /// The operator halted the hive.
    Halted,
    /// It takes nothing new.
    Draining,
    /// It is lost, gone or was never there.
    Lost,
}

impl Health {
    /// Why the agent gets nothing, in words; of `Ready` too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Starting => "is starting",
            Self::Suspect => "is suspect: its heartbeat is late",
            Self::Unsteady => "came and went too often, and must hold for a while",
            Self::BlockedOnHuman => "waits for a person",
            Self::RateLimited => "is limited by its provider",
            Self::Paused => "is paused",
            Self::Halted => "gets nothing while the hive is halted",
            Self::Draining => "takes nothing new",
            Self::Lost => "is not there",
        }
    }
}

/// How much of a resource an agent has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resource {
    /// All of it.
    pub total: f64,
    /// What is not in use; below 0 after an assignment by force.
    pub free: f64,
}

impl Resource {
    /// Whether `amount` is enough for what is wanted: sums of parts may miss by a rounding what they make up, so that a
    /// tenth three times is three tenths.
    pub fn suffices(amount: f64, wanted: f64) -> bool {
        !amount.is_nan() && wanted <= amount + amount.abs() * 1e-9
    }
}

/// An agent that may get a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Who.
    pub agent: AgentId,
    /// What it can do.
    pub abilities: BTreeMap<CapabilityName, Ability>,
    /// Its way with jobs that need no capability.
    pub general: Ability,
    /// Tasks that it may hold at once.
    pub slots: u32,
    /// Milliseconds that each task that it holds will still take, started or not.
    pub held_ms: Vec<u64>,
    /// Whether it is fit.
    pub health: Health,
    /// Its resources by name, with what the held tasks leave free.
    pub resources: BTreeMap<String, Resource>,
    /// The number of the last assignment that it got, of a count over the fleet; for `round_robin`.
    pub last_turn: Option<u64>,
    /// How many tasks it was given, for `weighted`. A newcomer starts at the least of the others, or it would get
    /// everything until it has caught up.
    pub given: u64,
}

impl Candidate {
    /// An idle agent with one slot that declared nothing.
    pub fn new(agent: AgentId) -> Self {
        Self {
            agent,
            abilities: BTreeMap::new(),
            general: Ability {
                skill: Skill::prior(true),
                ..Ability::assumed(None)
            },
            slots: 1,
            held_ms: Vec::new(),
            health: Health::Ready,
            resources: BTreeMap::new(),
            last_turn: None,
            given: 0,
        }
    }

    /// Its way with a job: of several capabilities that of the weakest decides about success, that of the slowest about
    /// time. A capability of which nothing is known counts as undeclared.
    pub fn ability(&self, job: &Job) -> Fitness {
        let unknown = Ability::assumed(None);
        let needed = job
            .capabilities
            .iter()
            .map(|name| self.abilities.get(name).unwrap_or(&unknown));
        needed
            .map(Fitness::of)
            .reduce(Fitness::worse)
            .unwrap_or_else(|| Fitness::of(&self.general))
    }
}

/// How well one agent fits one job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fitness {
    /// Chance of success, above 0 and at most 1.
    pub success: f64,
    /// Time that it takes, as a multiple of what is expected.
    pub pace: f64,
    /// Declared proficiency, 0 when undeclared.
    pub proficiency: u8,
}

impl Fitness {
    /// Nothing is hopeless: a success chance of 0 would make every cost infinite.
    const SUCCESS_MIN: f64 = 0.02;
    /// No pace is below a thousandth or above thousandfold, whatever was measured.
    const PACE: std::ops::RangeInclusive<f64> = 0.001..=1000.0;

    fn of(ability: &Ability) -> Self {
        // What is no number counts as the worst.
        let bounded = |value: f64, low: f64, high: f64, worst: f64| {
            if value.is_nan() {
                worst
            } else {
                value.clamp(low, high)
            }
        };
        let (fast, slow) = (*Self::PACE.start(), *Self::PACE.end());
        Self {
            success: bounded(ability.success(), Self::SUCCESS_MIN, 1.0, Self::SUCCESS_MIN),
            pace: bounded(ability.pace, fast, slow, slow),
            proficiency: ability.proficiency.map_or(0, Proficiency::get),
        }
    }

    fn worse(self, other: Self) -> Self {
        Self {
            success: self.success.min(other.success),
            pace: self.pace.max(other.pace),
            proficiency: self.proficiency.min(other.proficiency),
        }
    }
}
