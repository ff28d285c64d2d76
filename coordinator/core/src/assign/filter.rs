//! Who may get a job at all, who may get it now, and every reason against it.

use wagglebus_schemas::CapabilityName;

use super::candidate::{Health, Resource};
use super::desk::Desk;
use super::job::Job;
use super::params::Params;

/// A reason why an agent does not get a job.
#[derive(Debug, Clone, PartialEq)]
pub enum WhyNot {
    /// It is not fit for any work.
    Health(Health),
    /// It refused this one.
    Refused,
    /// It did not declare this capability.
    Capability(CapabilityName),
    /// It does not have so much of this resource; `has` is `None` when it does not say that it has any.
    Resource {
        /// Its name.
        name: String,
        /// What the job takes.
        wanted: f64,
        /// What the agent has altogether.
        has: Option<f64>,
    },
    /// It holds as many tasks as it may.
    NoSlot,
    /// It has enough of this resource, but not now.
    ResourceInUse {
        /// Its name.
        name: String,
        /// What the job takes.
        wanted: f64,
        /// What is left.
        free: f64,
    },
}

impl std::fmt::Display for WhyNot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Health(health) => f.write_str(health.as_str()),
            Self::Refused => f.write_str("refused it"),
            Self::Capability(name) => write!(f, "does not declare {name}"),
            Self::Resource { name, wanted, has } => match has {
                Some(has) => write!(f, "has {has} {name}, it needs {wanted}"),
                None => write!(f, "reports no {name}, it needs {wanted}"),
            },
            Self::NoSlot => f.write_str("has no free slot"),
            Self::ResourceInUse { name, wanted, free } => {
                write!(f, "has {free} {name} free, it needs {wanted}")
            }
        }
    }
}

/// Why the agent cannot get the job, however long it waits for what the agent does now; nothing: it can.
pub(super) fn never(job: &Job, desk: &Desk<'_>, params: &Params) -> Vec<WhyNot> {
    let who = desk.who;
    let mut reasons = Vec::new();
    if who.health != Health::Ready {
        reasons.push(WhyNot::Health(who.health));
    }
    if job.refused_by.contains(&who.agent) {
        reasons.push(WhyNot::Refused);
    }
    if !params.undeclared {
        let declared =
            |name: &CapabilityName| who.abilities.get(name).is_some_and(|a| a.proficiency.is_some());
        let lacking = job.capabilities.iter().filter(|name| !declared(name));
        reasons.extend(lacking.cloned().map(WhyNot::Capability));
    }
    for (name, wanted) in wanted(job) {
        let has = who.resources.get(name).map(|resource| resource.total);
        if has.is_none_or(|has| !Resource::suffices(has, wanted)) {
            let name = name.to_owned();
            reasons.push(WhyNot::Resource { name, wanted, has });
        }
    }
    reasons
}

/// Why the agent, though it could, cannot get the job now.
pub(super) fn not_now(job: &Job, desk: &Desk<'_>) -> Vec<WhyNot> {
    let mut reasons = Vec::new();
    if desk.free_slots() == 0 {
        reasons.push(WhyNot::NoSlot);
    }
    reasons.extend(in_use(job, desk));
    reasons
}

/// What of the agent's resources other tasks take, so that the job cannot begin.
pub(super) fn in_use(job: &Job, desk: &Desk<'_>) -> Vec<WhyNot> {
    let mut reasons = Vec::new();
    for (name, wanted) in wanted(job) {
        // Who never has so much is known from `never`.
        let has = desk
            .who
            .resources
            .get(name)
            .is_some_and(|resource| Resource::suffices(resource.total, wanted));
        let free = desk.free(name).unwrap_or(0.0);
        if has && !Resource::suffices(free, wanted) {
            let name = name.to_owned();
            reasons.push(WhyNot::ResourceInUse { name, wanted, free });
        }
    }
    reasons
}

/// What a job takes of resources, without what is no amount.
fn wanted(job: &Job) -> impl Iterator<Item = (&str, f64)> {
    let amounts = job
        .resources
        .iter()
        .map(|(name, wanted)| (name.as_str(), *wanted));
    amounts.filter(|(_, wanted)| wanted.is_finite() && *wanted > 0.0)
}
