//! One run of the fleet under a policy, event by event.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::fleet::Fleet;
use crate::policies::Policy;
use crate::rng::Rng;
use crate::world::{AGENTS, ATTEMPTS_MAX, PRIORITIES, Scenario, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Arrival(usize),
    /// The agent's work of this number is done.
    Finish {
        agent: usize,
        work: u64,
    },
    Crash(usize),
    /// The coordinator hears of the crash.
    Detect(usize),
    /// The agent works again, and the coordinator knows.
    Repair(usize),
}

/// Times in the heap: whole nanoseconds of a mean task, so that they can be ordered.
fn ticks(time: f64) -> u64 {
    (time * 1e9) as u64
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Result {
    /// Weight of tasks that were late or never completed / weight of all.
    pub(crate) weighted_misses: f64,
    pub(crate) misses: f64,
    pub(crate) urgent_misses: f64,
    /// From arrival to completion, of the completed.
    pub(crate) sojourn: f64,
    /// 99th percentile of the time until the first attempt begins, over all tasks.
    pub(crate) wait_p99: f64,
    pub(crate) first_try: f64,
    /// The part of time that agents worked.
    pub(crate) busy: f64,
}

struct AgentState {
    up: bool,
    /// What it works on and when it began.
    work: Option<(usize, f64)>,
    /// Numbers its works: what was cut off by a crash does not finish.
    number: u64,
}

struct Sim<'w> {
    world: &'w World,
    scenario: Scenario,
    heap: BinaryHeap<Reverse<(u64, u64, What)>>,
    sequence: u64,
    now: f64,
    /// Luck is a matter of the world, not of the policy: one generator for crashes, and one for each attempt.
    luck: Rng,
    seed: u64,
    agents: Vec<AgentState>,
    fleet: Fleet,
    attempts: Vec<u32>,
    started: Vec<Option<f64>>,
    completed: Vec<Option<f64>>,
    first_try: usize,
    busy: f64,
    open: usize,
}

pub(crate) fn run(scenario: &Scenario, policy: &mut dyn Policy, seed: u64) -> Result {
    let world = World::new(scenario, seed);
    let mut sim = Sim {
        scenario: *scenario,
        heap: BinaryHeap::new(),
        sequence: 0,
        now: 0.0,
        luck: Rng::new(seed ^ 0x00C0_FFEE),
        seed,
        agents: (0..AGENTS)
            .map(|_| AgentState {
                up: true,
                work: None,
                number: 0,
            })
            .collect(),
        fleet: Fleet::new(&world, scenario, seed),
        attempts: vec![0; world.tasks.len()],
        started: vec![None; world.tasks.len()],
        completed: vec![None; world.tasks.len()],
        first_try: 0,
        busy: 0.0,
        open: world.tasks.len(),
        world: &world,
    };
    for (place, task) in world.tasks.iter().enumerate() {
        sim.at(task.arrival, What::Arrival(place));
    }
    for agent in 0..AGENTS {
        let crash = sim.luck.exponential(scenario.mtbf);
        sim.at(crash, What::Crash(agent));
    }
    while sim.open > 0 {
        let Reverse((ticks, _, what)) = sim.heap.pop().expect("open tasks have events");
        sim.now = ticks as f64 / 1e9;
        if sim.happen(what) {
            for (task, agent) in policy.decide(sim.now, &mut sim.fleet) {
                sim.start(task, agent);
            }
        }
    }
    sim.result()
}

impl Sim<'_> {
    fn at(&mut self, time: f64, what: What) {
        self.sequence += 1;
        self.heap.push(Reverse((ticks(time), self.sequence, what)));
    }

    /// Whether the coordinator notices.
    fn happen(&mut self, what: What) -> bool {
        match what {
            What::Arrival(task) => self.fleet.wait(task, &self.world.tasks[task], ATTEMPTS_MAX),
            What::Finish { agent, work } => return self.finish(agent, work),
            What::Crash(agent) => {
                let (detection, mttr) = (self.scenario.detection, self.scenario.mttr);
                let state = &mut self.agents[agent];
                state.up = false;
                state.number += 1;
                if let Some((_, began)) = state.work {
                    self.busy += self.now - began;
                }
                let repair = detection.max(self.luck.exponential(mttr));
                self.at(self.now + detection, What::Detect(agent));
                self.at(self.now + repair, What::Repair(agent));
                return false;
            }
            What::Detect(agent) => {
                self.fleet.lost(agent);
                if let Some((task, _)) = self.agents[agent].work.take() {
                    self.fleet.outcome(agent, &self.world.tasks[task], None);
                    self.again(task);
                }
            }
            What::Repair(agent) => {
                self.agents[agent].up = true;
                self.fleet.back(agent);
                let crash = self.now + self.luck.exponential(self.scenario.mtbf);
                self.at(crash, What::Crash(agent));
            }
        }
        true
    }

    fn start(&mut self, task: usize, agent: usize) {
        let (world, now) = (self.world, self.now);
        let state = &mut self.agents[agent];
        assert!(state.work.is_none(), "agent {agent} got two tasks at once");
        state.work = Some((task, now));
        state.number += 1;
        let (up, work) = (state.up, state.number);
        self.attempts[task] += 1;
        self.started[task].get_or_insert(now);
        // Nobody is there to work on it: it lies until the coordinator hears of the crash.
        if up {
            let (size, kind) = (world.tasks[task].size, world.tasks[task].kind);
            self.at(
                now + size / world.speed[agent][kind],
                What::Finish { agent, work },
            );
        }
    }

    fn finish(&mut self, agent: usize, work: u64) -> bool {
        if self.agents[agent].number != work {
            return false;
        }
        let Some((task, began)) = self.agents[agent].work.take() else {
            return false;
        };
        self.busy += self.now - began;
        let chance = self.world.success[agent][self.world.tasks[task].kind];
        // The same attempt has the same luck under every policy.
        let salt = (task as u64) * 8 + u64::from(self.attempts[task]);
        let success = Rng::new(self.seed.wrapping_mul(0x9E37_79B9).wrapping_add(salt)).uniform() < chance;
        let took = self.now - began;
        self.fleet
            .outcome(agent, &self.world.tasks[task], Some((success, took)));
        if success {
            self.first_try += usize::from(self.attempts[task] == 1);
            self.completed[task] = Some(self.now);
            self.open -= 1;
        } else {
            self.again(task);
        }
        true
    }

    /// Up to three tries.
    fn again(&mut self, task: usize) {
        if self.attempts[task] < ATTEMPTS_MAX {
            let left = ATTEMPTS_MAX - self.attempts[task];
            self.fleet.wait(task, &self.world.tasks[task], left);
        } else {
            self.open -= 1;
        }
    }

    fn result(&self) -> Result {
        let (mut weight, mut missed, mut late, mut urgent, mut urgent_late) = (0.0, 0.0, 0, 0, 0);
        let (mut sojourns, mut waits) = (Vec::new(), Vec::new());
        for (place, task) in self.world.tasks.iter().enumerate() {
            let miss = self.completed[place].is_none_or(|at| at > task.deadline);
            let of = PRIORITIES[task.priority].1;
            weight += of;
            missed += if miss { of } else { 0.0 };
            late += usize::from(miss);
            urgent += usize::from(task.priority == 0);
            urgent_late += usize::from(miss && task.priority == 0);
            sojourns.extend(self.completed[place].map(|at| at - task.arrival));
            waits.extend(self.started[place].map(|at| at - task.arrival));
        }
        waits.sort_by(f64::total_cmp);
        Result {
            weighted_misses: missed / weight,
            misses: late as f64 / self.world.tasks.len() as f64,
            urgent_misses: f64::from(urgent_late as u32) / f64::from(urgent as u32),
            sojourn: sojourns.iter().sum::<f64>() / sojourns.len() as f64,
            wait_p99: waits[waits.len() * 99 / 100],
            first_try: self.first_try as f64 / self.world.tasks.len() as f64,
            busy: self.busy / (self.now * AGENTS as f64),
        }
    }
}
