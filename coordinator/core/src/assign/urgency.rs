//! In which order waiting tasks are looked at: priority with ageing, then the earliest deadline.

use wagglebus_schemas::{Id, Priority};

use super::job::Job;
use super::params::Params;

/// The place of a job among those that wait; the order of the fields is the order of comparison, the least comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Urgency {
    /// Index of its priority, less one for each step of age: nothing waits for ever behind a stream of urgent work.
    tier: i64,
    /// Earliest deadline first; those without one come last.
    deadline_ms: i64,
    /// Then the oldest.
    ready_at_ms: i64,
    /// Settles a tie the same way everywhere.
    id: Id,
}

impl Urgency {
    /// Before fresh urgent work: where a task comes that waited long enough.
    const STARVED: i64 = -1;

    pub(super) fn of(job: &Job, now_ms: i64, params: &Params) -> Self {
        Self {
            tier: Self::tier(job, now_ms, params),
            deadline_ms: job.deadline_ms.unwrap_or(i64::MAX),
            ready_at_ms: job.ready_at_ms,
            id: job.id,
        }
    }

    /// Whether a job still has this place at another moment.
    pub(super) fn is_of(&self, now_ms: i64, params: &Params, job: Option<&Job>) -> bool {
        job.is_some_and(|job| self.tier == Self::tier(job, now_ms, params))
    }

    fn tier(job: &Job, now_ms: i64, params: &Params) -> i64 {
        let age = params.in_mean_tasks(job.age_ms(now_ms) as f64);
        // A step of nothing or less means that nothing ages. The cast is bounded: tiers are few.
        let steps = if params.ageing > 0.0 {
            (age / params.ageing).min(8.0) as i64
        } else {
            0
        };
        let priority = i64::try_from(job.priority.index()).unwrap_or(0);
        (priority - steps).max(Self::STARVED)
    }
}

/// Since when a job must be ready to have come so many priorities higher at this moment, one after the other, in
/// milliseconds since 1970. More steps than there are priorities change nothing.
pub(super) fn steps(now_ms: i64, params: &Params) -> [i64; Priority::COUNT] {
    let step_ms = params.ageing * params.mean_task_ms.max(1) as f64;
    let mut count = 0.0;
    [(); Priority::COUNT].map(|()| {
        count += 1.0;
        if params.ageing > 0.0 {
            // The cast saturates.
            now_ms.saturating_sub((count * step_ms) as i64)
        } else {
            i64::MIN
        }
    })
}

/// The priority that a job has come to by waiting.
pub(super) fn aged(job: &Job, now_ms: i64, params: &Params) -> Priority {
    let tier = usize::try_from(Urgency::tier(job, now_ms, params)).unwrap_or(0);
    Priority::ALL.get(tier).copied().unwrap_or(job.priority)
}

/// The jobs, the most urgent first.
pub(super) fn sorted<'j>(
    jobs: impl IntoIterator<Item = &'j Job>,
    now_ms: i64,
    params: &Params,
) -> Vec<&'j Job> {
    let mut sorted: Vec<(Urgency, &Job)> = jobs
        .into_iter()
        .map(|job| (Urgency::of(job, now_ms, params), job))
        .collect();
    sorted.sort_by_key(|(urgency, _)| *urgency);
    sorted.into_iter().map(|(_, job)| job).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(n: u8, priority: Priority, ready_at_ms: i64, deadline_ms: Option<i64>) -> Job {
        Job {
            priority,
            deadline_ms,
            ..Job::new(Id::from_bytes([n; 16]), ready_at_ms)
        }
    }

    fn order(jobs: &[Job], now_ms: i64) -> Vec<u8> {
        let params = Params {
            mean_task_ms: 1_000,
            ..Params::default()
        };
        let sorted = sorted(jobs, now_ms, &params);
        sorted.iter().map(|job| job.id.as_bytes()[0]).collect()
    }

    #[test]
    fn priority_then_deadline_then_age_then_id() {
        let jobs = [
            job(5, Priority::Normal, 9, None),
            job(4, Priority::Normal, 9, None),
            job(3, Priority::Normal, 7, None),
            job(2, Priority::Normal, 9, Some(50)),
            job(1, Priority::Low, 0, Some(1)),
            job(6, Priority::Urgent, 9, None),
        ];
        assert_eq!(order(&jobs, 10), [6, 2, 3, 4, 5, 1]);
    }

    #[test]
    fn waiting_lifts_a_task_one_priority_per_step() {
        let jobs = [
            job(1, Priority::Low, 0, None),
            job(2, Priority::High, 119_000, None),
        ];
        assert_eq!(order(&jobs, 79_999), [2, 1]);
        assert_eq!(order(&jobs, 119_999), [1, 2], "two steps: high, and older");
        let fresh_urgent = job(3, Priority::Urgent, 1_000_000, Some(1_000_001));
        assert_eq!(
            order(&[jobs[0].clone(), fresh_urgent], 1_000_000),
            [1, 3],
            "not for ever"
        );
    }
}
