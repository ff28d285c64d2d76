//! `intelligent`: all waiting tasks and all agents in one assignment problem, and only what can start now is given out.

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_schemas::CapabilityName;

use super::candidate::{Fitness, Health};
use super::desk::Desk;
use super::filter;
use super::job::Job;
use super::lsap;
use super::params::Params;
use super::score::View;

/// Slots of one agent that are planned at once: those that are free first. More would make the problem large and say
/// nothing about the next assignment.
const SLOTS_MAX: usize = 4;
/// Most jobs of a plan that follow one another in a slot.
const DEPTH_MAX: u64 = 8;
/// Parts of a mean task that costs are counted in: the solver wants integers.
const PARTS: f64 = 1e4;

/// A slot of an agent.
struct Slot {
    desk: usize,
    free_in_ms: u64,
    /// How many other jobs of the plan go before.
    before: u64,
}

/// The plan: for each job that was planned, by its place in `jobs`, the desk that shall take it, now or later.
///
/// Busy agents take part with the time until they are free, so that a job waits for a good agent when that is cheaper than
/// being done badly now, and an idle agent is not taken by a job that another one will soon do better (late binding).
pub(super) fn plan(jobs: &[&Job], desks: &[Desk<'_>], view: View<'_>) -> BTreeMap<usize, usize> {
    if desks.iter().all(|desk| desk.free_slots() == 0) {
        return BTreeMap::new(); // Nothing could start, so nothing needs to be decided.
    }
    let (window, slots) = (window(jobs, desks, view), slots(desks, view));
    let crowded = window.len() > slots.len();
    let cost = |row: usize, column: usize| -> Option<i64> {
        let (offer, slot) = (window.get(row)?, slots.get(column)?);
        let (job, desk) = (jobs.get(offer.job)?, desks.get(slot.desk)?);
        let fitness = (*offer.fitness.get(slot.desk)?)?;
        let again = job.failed_on.contains(&desk.who.agent);
        // A slot is worth nothing before the job finds room there.
        let room_in_ms = if filter::in_use(job, desk).is_empty() {
            0
        } else {
            desk.held_ms
                .iter()
                .min()
                .copied()
                .unwrap_or(view.params.mean_task_ms)
                .max(1)
        };
        let wait_ms = slot.free_in_ms.max(room_in_ms);
        let costs: f64 = view.costs(job, fitness, wait_ms, again).iter().sum();
        // Where not all can be placed, whoever is left out pays for it.
        let urge = if crowded { view.urge(job) } else { 0.0 };
        // The cast saturates; what is no number becomes 0.
        Some(((costs - urge) * PARTS) as i64)
    };
    let pairs = lsap::solve(window.len(), slots.len(), cost);
    // Who comes second is only there so that the first place goes to the right one.
    let first = |column: Option<usize>| slots.get(column?).filter(|slot| slot.before == 0);
    let planned = window.iter().zip(pairs);
    planned
        .filter_map(|(offer, column)| Some((offer.job, first(column)?.desk)))
        .collect()
}

/// A job and who may ever take it.
struct Offer {
    /// Its place among the jobs.
    job: usize,
    /// By the place of the desk: how well it fits, or `None` when it never can.
    fitness: Vec<Option<Fitness>>,
}

/// How many jobs are planned at once for one agent.
pub(super) fn room(desk: &Desk<'_>, params: &Params) -> usize {
    let slots = if desk.who.health == Health::Ready {
        desk.slots()
    } else {
        0
    };
    slots.min(SLOTS_MAX).saturating_mul(params.window.max(1))
}

/// The most urgent jobs that somebody may take, so many for each slot. Each is counted to that agent among those who may
/// take it that has the fewest: a crowd that waits for one agent leaves room for what others could do.
fn window(jobs: &[&Job], desks: &[Desk<'_>], view: View<'_>) -> Vec<Offer> {
    let mut room: Vec<usize> = desks.iter().map(|desk| room(desk, view.params)).collect();
    // Many jobs need the same: what each agent makes of it is looked up once.
    let mut known: BTreeMap<&BTreeSet<CapabilityName>, Vec<Fitness>> = BTreeMap::new();
    let mut chosen = Vec::new();
    for (place, job) in jobs.iter().enumerate() {
        if room.iter().all(|room| *room == 0) {
            break;
        }
        let needs = known
            .entry(&job.capabilities)
            .or_insert_with(|| desks.iter().map(|desk| desk.who.ability(job)).collect());
        let fits = desks.iter().zip(needs).map(|(desk, fitness)| {
            let can = filter::never(job, desk, view.params).is_empty();
            can.then_some(*fitness)
        });
        let fitness: Vec<Option<Fitness>> = fits.collect();
        let able = room.iter_mut().zip(&fitness).filter(|(_, fit)| fit.is_some());
        if let Some((room, _)) = able.max_by_key(|(room, _)| **room)
            && *room > 0
        {
            *room -= 1;
            chosen.push(Offer { job: place, fitness });
        }
    }
    chosen
}

/// The slots of those that may get work, once for each job that may follow another there.
fn slots(desks: &[Desk<'_>], view: View<'_>) -> Vec<Slot> {
    let depth = view.params.depth.clamp(1, DEPTH_MAX);
    let fit = desks
        .iter()
        .enumerate()
        .filter(|(_, desk)| desk.who.health == Health::Ready);
    fit.flat_map(|(place, desk)| {
        let free = desk.free_in_ms(SLOTS_MAX);
        free.into_iter().flat_map(move |free_in_ms| {
            (0..depth).map(move |before| Slot {
                desk: place,
                free_in_ms: free_in_ms.saturating_add(view.params.mean_task_ms.saturating_mul(before)),
                before,
            })
        })
    })
    .collect()
}
