//! Where a machine stood at a time: by the lines of the log that are still there, and by the snapshots that stand for others.

use serde_json::json;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::Event;
use wagglebus_schemas::fsm_api::{Fsm, FsmEntity};
use wagglebus_schemas::state::AgentState;
use wagglebus_schemas::{AgentId, Timestamp};

use super::agent::AgentEvent;
use super::query::task;
use crate::log::{Crew, World};

/// Most moments that an error names.
const MOMENTS_NAMED: usize = 8;

/// What is there of the log beside the lines that were read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KeptLog {
    /// Sequence of its oldest line.
    pub first: u64,
    /// Its snapshots, the oldest first.
    pub moments: Vec<Moment>,
    /// What the newest of them says that can be read and covers nothing after the time that was asked for.
    pub base: Option<Box<World>>,
}

/// The moment of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Sequence of the last line that it covers.
    pub seq: u64,
    /// When that line was decided.
    pub at: Timestamp,
}

/// A question about the past, with the lines that are there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Past {
    /// Where it stands now.
    pub(super) now: Fsm,
    /// The time that is asked for.
    pub(crate) at: Timestamp,
    /// The lines about it that are there, in order.
    pub(super) lines: Vec<(u64, Event)>,
}

impl Past {
    /// The answer, where the lines tell of all of its past.
    pub(super) fn whole(&self) -> Option<Result<Fsm, ErrorDetail>> {
        let begins = self.lines.first().is_some_and(|(_, event)| event.seq == 1);
        begins.then(|| {
            let stood = self.stood((Crew::default(), None), &self.lines);
            stood.ok_or_else(|| self.untold(None))
        })
    }

    /// The answer, by the snapshots as well.
    ///
    /// # Errors
    /// `not_found`, with the times that can be asked for.
    pub(crate) fn answer(&self, kept: &KeptLog) -> Result<Fsm, ErrorDetail> {
        let base = kept.base.as_deref();
        let from = base.map_or(0, World::last);
        let behind = self.lines.partition_point(|(seq, _)| *seq <= from);
        let lines = self.lines.get(behind..).unwrap_or_default();
        let then = base.and_then(|world| self.fsm(world));
        let known = then.as_ref().map_or(0, |fsm| fsm.seq);
        // Its events are numbered: whether one is missing behind the snapshot is seen by the next one, or by the present.
        let gapless = match lines.first() {
            Some((_, event)) => event.seq == known + 1,
            None => self.now.seq == known,
        };
        let of_moment = base.is_some_and(|world| world.at() == self.at);
        let reached = lines.first().is_some_and(|(_, event)| event.at <= self.at);
        let (begun, whole) = match base.filter(|_| gapless) {
            Some(world) => ((world.crew().clone(), then), true),
            None if of_moment && !reached => ((Crew::default(), then), true),
            None => ((Crew::default(), None), false),
        };
        let mut stood = self.stood(begun, lines).ok_or_else(|| self.untold(Some(kept)))?;
        if stood.entity == FsmEntity::Agent && !whole {
            stood.paused = self.paused(&stood.state);
        }
        Ok(stood)
    }

    /// Whether the operator had paused an agent of whose past the beginning is gone: as the last word about it says, or as it
    /// is now if there was none since. Otherwise nobody knows.
    fn paused(&self, state: &str) -> Option<bool> {
        let word = |(_, event): &(u64, Event)| match &event.event {
            word if word == AgentEvent::Pause.as_str() => Some(true),
            word if word == AgentEvent::Resume.as_str() || word == AgentEvent::Enrol.as_str() => Some(false),
            word if word == AgentEvent::Remove.as_str()
                && event.guard.as_deref() == AgentEvent::Remove.guard() =>
            {
                Some(false)
            }
            _ => None,
        };
        let then = self.lines.partition_point(|(_, event)| event.at <= self.at);
        let (before, since) = self.lines.split_at_checked(then)?;
        let last = before.iter().rev().find_map(word);
        let now = self
            .now
            .paused
            .filter(|_| since.iter().all(|line| word(line).is_none()));
        last.or((state == AgentState::Paused.as_str()).then_some(true))
            .or(now)
    }

    fn fsm(&self, world: &World) -> Option<Fsm> {
        let id = &self.now.id;
        match self.now.entity {
            FsmEntity::Task => task(world, &id.parse().ok()?).ok(),
            FsmEntity::Agent => world.crew().agent_fsm(&id.parse().ok()?),
            FsmEntity::Swarm => Some(world.crew().swarm_fsm(id)),
        }
    }

    /// What its events up to the time come to, from where it stood before the first of them.
    fn stood(&self, (mut crew, mut last): (Crew, Option<Fsm>), lines: &[(u64, Event)]) -> Option<Fsm> {
        let Fsm { entity, id, .. } = &self.now;
        for (seq, event) in lines.iter().take_while(|(_, event)| event.at <= self.at) {
            let moved = event.from.as_deref() != Some(event.to.as_str());
            let since = last.as_ref().filter(|_| !moved).and_then(|fsm| fsm.since);
            let fold = match entity {
                FsmEntity::Task => None,
                FsmEntity::Agent => {
                    crew.apply(*seq, event).ok();
                    id.parse().ok().and_then(|agent: AgentId| crew.agent_fsm(&agent))
                }
                FsmEntity::Swarm => {
                    crew.apply(*seq, event).ok();
                    Some(crew.swarm_fsm(id))
                }
            };
            last = Some(fold.unwrap_or_else(|| Fsm {
                entity: *entity,
                id: id.clone(),
                state: event.to.clone(),
                since: since.or(Some(event.at)),
                seq: event.seq,
                event_seq: *seq,
                paused: None,
            }));
        }
        last
    }

    /// It is not known any more. Names what is.
    fn untold(&self, kept: Option<&KeptLog>) -> ErrorDetail {
        let (Fsm { entity, id, .. }, at) = (&self.now, self.at);
        let line = self.lines.first().map(|(_, event)| event.at);
        let moments = kept.map_or(&[][..], |kept| &kept.moments);
        // Behind these every line is there.
        let covered = moments
            .iter()
            .find(|moment| kept.is_some_and(|kept| moment.seq.saturating_add(1) >= kept.first));
        let oldest = line.into_iter().chain(covered.map(|moment| moment.at)).min();
        let earlier = moments.iter().map(|moment| moment.at);
        let earlier: Vec<Timestamp> = earlier
            .filter(|at| oldest.is_none_or(|oldest| *at < oldest))
            .take(MOMENTS_NAMED)
            .collect();
        let mut message = match oldest {
            Some(oldest) => format!("the log tells of {entity} {id} from {oldest} on"),
            None => format!("the log keeps nothing of {entity} {id}"),
        };
        if !earlier.is_empty() {
            let earlier: Vec<String> = earlier.iter().map(Timestamp::to_string).collect();
            message.push_str(&format!(", and of the moments {}", earlier.join(", ")));
        }
        let error = ErrorDetail::new(ErrorCode::NotFound, format!("{message}, and not of {at}"))
            .details(json!({ "oldest": oldest, "moments": earlier }));
        error.hint(format!(
            "`wagglebus fsm history {entity} {id}` shows what there is"
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wagglebus_schemas::Id;
    use wagglebus_schemas::command::TaskVerb;

    use super::*;
    use crate::task::rig::{Rig, about};

    /// A task that was submitted, assigned, accepted and completed, a second apart each: what the log said after each line.
    struct Story {
        id: Id,
        lines: Vec<(u64, Event)>,
        worlds: Vec<World>,
    }

    fn story() -> Story {
        let mut rig = Rig::new();
        let mut story = Story {
            id: Id::from_bytes([0; 16]),
            lines: Vec::new(),
            worlds: Vec::new(),
        };
        for step in 0..4 {
            rig.now_ms += 1_000;
            let event = match step {
                0 => rig.ask("sue", TaskVerb::Submit, &json!({"title": "work"})),
                1 => {
                    let given = json!({"task_id": story.id, "agent": "alice"});
                    rig.ask("operator", TaskVerb::Assign, &given)
                }
                2 => rig.ask("alice", TaskVerb::Accept, &about(story.id, Some(1))),
                _ => rig.ask("alice", TaskVerb::Complete, &about(story.id, Some(1))),
            };
            story.id = event.entity_id.parse().unwrap();
            story.lines.push((rig.world.last(), event));
            story.worlds.push(rig.world.clone());
        }
        story
    }

    impl Story {
        /// The time of a line, and some milliseconds.
        fn at(&self, line: usize, more_ms: i64) -> Timestamp {
            let at = self.lines[line - 1].1.at.unix_ms();
            Timestamp::from_unix_ms(at + more_ms).unwrap()
        }

        /// What is answered once the lines up to `purged` are gone and there are snapshots after these lines.
        fn ask(&self, at: Timestamp, purged: usize, snapshots: &[usize]) -> Result<String, ErrorDetail> {
            let past = Past {
                now: task(&self.worlds[3], &self.id).unwrap(),
                at,
                lines: self.lines[purged..].to_vec(),
            };
            let fits = |line: &&usize| self.at(**line, 0) <= at;
            let base = snapshots.iter().rev().find(fits);
            let kept = KeptLog {
                first: purged as u64 + 1,
                moments: snapshots
                    .iter()
                    .map(|line| Moment {
                        seq: *line as u64,
                        at: self.at(*line, 0),
                    })
                    .collect(),
                base: base.map(|line| Box::new(self.worlds[line - 1].clone())),
            };
            let answer = past.whole().unwrap_or_else(|| past.answer(&kept));
            answer.map(|fsm| format!("{} {}", fsm.state, fsm.seq))
        }
    }

    #[test]
    fn the_lines_alone_tell_all_while_they_are_there() {
        let story = story();
        assert_eq!(story.ask(story.at(2, 500), 0, &[]).unwrap(), "assigned 2");
        let error = story.ask(story.at(1, -1), 0, &[]).unwrap_err();
        assert!(error.message.contains("from 2026"), "{error:?}");
    }

    #[test]
    fn since_the_purge_a_snapshot_stands_for_the_lines_that_are_gone() {
        let story = story();
        for (at, expected) in [
            (story.at(2, 0), "assigned 2"),
            (story.at(2, 999), "assigned 2"),
            (story.at(3, 5), "in_progress 3"),
            (story.at(4, 0), "completed 4"),
        ] {
            assert_eq!(story.ask(at, 2, &[2]).unwrap(), expected);
        }
        // Nothing happened to it since the snapshot.
        assert_eq!(story.ask(story.at(4, 90_000), 4, &[4]).unwrap(), "completed 4");
    }

    #[test]
    fn before_the_purge_only_the_moments_of_snapshots_are_known() {
        let story = story();
        assert_eq!(story.ask(story.at(2, 0), 3, &[2, 3]).unwrap(), "assigned 2");
        assert_eq!(story.ask(story.at(3, 1), 3, &[2, 3]).unwrap(), "in_progress 3");
        let error = story.ask(story.at(2, 1), 3, &[2, 3]).unwrap_err();
        let (moment, oldest) = (story.at(2, 0), story.at(3, 0));
        assert_eq!(
            error.details,
            Some(json!({ "oldest": oldest, "moments": [moment] }))
        );
        assert!(
            error
                .message
                .contains(&format!("from {oldest} on, and of the moments {moment}"))
        );
        let none = story.ask(story.at(1, 0), 3, &[]).unwrap_err();
        assert_eq!(
            none.details,
            Some(json!({ "oldest": story.at(4, 0), "moments": [] }))
        );
    }

    /// An agent that is at work, of which lines 5 to 9 are left, a second apart; each with its word and state.
    fn at_work(words: [(&str, &str); 5], at_line: i64, paused_now: bool) -> Fsm {
        let time = |line: i64| Timestamp::from_unix_ms(line * 1_000).unwrap();
        let lines = words.into_iter().zip(5_u64..).map(|((word, to), seq)| {
            let event = json!({
                "id": Id::from_bytes([7; 16]), "entity": "agent", "entity_id": "alice", "seq": seq, "from": "active", "to": to,
                "event": word, "actor": "coordinator", "cause": {"type": "leader", "id": null, "stream": null, "seq": null},
                "guard": null, "at": time(i64::try_from(seq).unwrap()), "data": {},
            });
            (seq * 10, serde_json::from_value(event).unwrap())
        });
        let lines: Vec<(u64, Event)> = lines.collect();
        let mut crew = Crew::default();
        for (seq, event) in &lines {
            crew.apply(*seq, event).unwrap();
        }
        let mut now = crew.agent_fsm(&"alice".parse().unwrap()).unwrap();
        now.paused = Some(paused_now);
        let past = Past {
            now,
            at: time(at_line),
            lines,
        };
        past.answer(&KeptLog::default()).unwrap()
    }

    #[test]
    fn it_is_not_said_that_an_agent_was_not_paused_where_nobody_knows() {
        const WORK: (&str, &str) = ("accept", "contract_execution_active");
        const PAUSE: (&str, &str) = ("pause", "paused");
        const RESUME: (&str, &str) = ("resume", "active");
        const LOST: (&str, &str) = ("lost", "error");
        let paused = |words, at, now| at_work(words, at, now).paused;
        // Paused before, and gone since: as it is now.
        assert_eq!(paused([LOST; 5], 6, true), Some(true));
        assert_eq!(paused([WORK; 5], 6, false), Some(false));
        // What was before the next word of the operator is not told by it.
        assert_eq!(paused([LOST, LOST, LOST, RESUME, WORK], 6, false), None);
        assert_eq!(paused([LOST, LOST, LOST, RESUME, WORK], 9, false), Some(false));
        assert_eq!(paused([PAUSE, LOST, LOST, RESUME, WORK], 7, false), Some(true));
        // Who stands there is.
        assert_eq!(
            paused([("task", "paused"), LOST, RESUME, WORK, WORK], 5, false),
            Some(true)
        );
    }
}
