//! The rules about agents.

use std::collections::BTreeMap;

use serde_json::json;
use wagglebus_schemas::failure::Severity;
use wagglebus_schemas::heartbeat::{Heartbeat, LaneDepths};
use wagglebus_schemas::state::{Presence, SessionState};
use wagglebus_schemas::{AgentId, Id, Priority, Timestamp};

use super::rule::{Rule, Settings};
use super::seen::{Seen, Sighting, evidence};
use super::senses::{FRESH_MS, Senses};
use super::trouble::Trouble;
use crate::attention::Now;
use crate::log::World;
use crate::order::Head;
use crate::roster::{Member, Roster};

/// Most tasks that are named.
const NAMED_MAX: usize = 16;
const RULES: [Rule; 4] = [
    Rule::AgentLost,
    Rule::UrgentUnread,
    Rule::DeadLetter,
    Rule::Failure,
];

/// What the rules are read off.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What the log says.
    pub world: &'a World,
    /// Who is there.
    pub roster: &'a Roster,
    /// What an operator chose.
    pub settings: &'a Settings,
    /// By the clock that never jumps, and the time of day.
    pub now: Now,
    /// The leader's time, by which the log is stamped.
    pub at: Timestamp,
    /// Whether whoever was not heard yet may still come.
    pub patient: bool,
}

/// Judges the rules about agents, and says whose urgent lane should be looked at.
pub fn judge(scene: Scene<'_>, senses: &mut Senses, seen: &mut Seen) -> Vec<AgentId> {
    if !scene.roster.is_listed() {
        return Vec::new();
    }
    seen.judged.extend(RULES);
    senses.keep(|agent| scene.roster.member(agent).is_some());
    let held = held(scene.world);
    let mut looks = Vec::new();
    for member in scene.roster.members() {
        let tasks = held.get(member.agent()).map_or(&[][..], |tasks| &tasks[..]);
        lost(scene, member, tasks, seen);
        if unread(scene, member, senses, seen) && senses.may_look(member.agent(), scene.now.boot_ms) {
            looks.push(member.agent().clone());
        }
    }
    for trouble in scene.world.alerts().troubles() {
        failed(scene, trouble, seen);
    }
    looks
}

fn held(world: &World) -> BTreeMap<AgentId, Vec<Id>> {
    let mut held: BTreeMap<AgentId, Vec<Id>> = BTreeMap::new();
    for entry in world.held() {
        if let Some(holder) = &entry.task.assigned_to {
            held.entry(holder.clone()).or_default().push(entry.task.id);
        }
    }
    held
}

fn lost(scene: Scene<'_>, member: &Member, tasks: &[Id], seen: &mut Seen) {
    let agent = member.agent();
    let beat = member.heartbeat();
    let ended = beat.is_some_and(|beat| beat.state == SessionState::Detached);
    match member.presence() {
        Presence::Alive | Presence::Suspect => return,
        // Nobody was heard by a new leader at first; whoever never was has nothing to lose but tasks.
        Presence::Never if scene.patient || tasks.is_empty() => return seen.unclear(Rule::AgentLost, agent),
        // It said that it ends, and holds nothing: all is well.
        Presence::Lost if ended && tasks.is_empty() => return,
        Presence::Never | Presence::Lost => {}
    }
    let waiting = beat.map_or(0, |beat| waiting(&beat.inbox));
    let why = match beat.map(|beat| beat.state) {
        None => "was not heard since this coordinator started",
        Some(SessionState::Gone) => "is gone: its program has ended",
        Some(SessionState::Detached) => "has ended with work in hand",
        Some(_) => "is lost: its sidecar is not heard any more",
    };
    let mut summary = format!("{agent} {why}");
    if !tasks.is_empty() {
        summary.push_str(&format!("; it had {}", counted(tasks.len(), "task")));
    }
    if waiting > 0 {
        summary.push_str(&format!("; {} waiting", counted(waiting, "message")));
    }
    let idle = tasks.is_empty() && waiting == 0;
    let last_seen = member.record().last_seen;
    let named: Vec<&Id> = tasks.iter().take(NAMED_MAX).collect();
    seen.hold(
        Rule::AgentLost,
        agent,
        Sighting {
            severity: if idle { Severity::Warning } else { Severity::Error },
            summary,
            hint: "wagglebus agents".to_owned(),
            evidence: evidence([
                ("tasks", json!(named)),
                ("task_count", json!(tasks.len())),
                ("messages_waiting", json!(waiting)),
                ("last_seen", json!(last_seen)),
                ("state", json!(beat.map(|beat| beat.state))),
            ]),
            since: last_seen.unwrap_or(scene.at),
        },
    );
}

fn waiting(inbox: &LaneDepths) -> usize {
    let pending = Priority::ALL.iter().map(|priority| inbox.get(*priority).pending);
    usize::try_from(pending.sum::<u64>()).unwrap_or(usize::MAX)
}

fn counted(many: usize, what: &str) -> String {
    let s = if many == 1 { "" } else { "s" };
    format!("{many} {what}{s}")
}

/// Judges the urgent lane of an agent. True: it should be looked at.
fn unread(scene: Scene<'_>, member: &Member, senses: &mut Senses, seen: &mut Seen) -> bool {
    let agent = member.agent();
    let living = matches!(member.presence(), Presence::Alive | Presence::Suspect);
    let beat = member.heartbeat().filter(|_| living);
    if let Some(beat) = beat {
        if let Some(age_ms) = too_old_in_hand(scene, beat) {
            let since = back(scene.at, age_ms);
            unread_holds(scene, member, (since, None), seen);
            return false;
        }
        // Who holds something back without fetching it need not know how much waits.
        if beat.inbox.urgent.pending == 0 && beat.hold.is_none() {
            senses.nothing_waits(agent);
            return false;
        }
    }
    let limit = scene.settings.limit(Rule::UrgentUnread);
    let is_old = |head: &Head| scene.now.wall.unix_ms().saturating_sub(head.at.unix_ms()) >= limit;
    match senses.head(agent) {
        // One that lives says that something waits; of the others nobody knows, and a look is made when mail comes.
        None => {
            seen.unclear(Rule::UrgentUnread, agent);
            beat.is_some()
        }
        // What comes for who holds is looked at when it comes; of the others their sidecars say how much waits.
        Some((None, _)) => beat.is_some_and(|beat| beat.inbox.urgent.pending > 0),
        Some((Some(head), _)) if !is_old(head) => false,
        // That a lost agent has not read what became of its tasks is no news.
        Some((Some(head), _)) if !living && head.sender == AgentId::coordinator() => false,
        Some((Some(head), seen_ms)) => {
            // It may have been read since.
            if scene.now.boot_ms.saturating_sub(seen_ms) <= FRESH_MS && seen_late(scene, head, seen_ms) {
                unread_holds(scene, member, (head.at, Some(head)), seen);
            } else {
                seen.unclear(Rule::UrgentUnread, agent);
            }
            true
        }
    }
}

/// Whether the look was made when the head was too old already.
fn seen_late(scene: Scene<'_>, head: &Head, seen_ms: u64) -> bool {
    let since_look = i64::try_from(scene.now.boot_ms.saturating_sub(seen_ms)).unwrap_or(i64::MAX);
    let age = scene.now.wall.unix_ms().saturating_sub(head.at.unix_ms());
    age.saturating_sub(since_look) >= scene.settings.limit(Rule::UrgentUnread)
}

/// How old the oldest urgent message is that the sidecar fetched and could not hand over. What the agent has in its hands
/// was read, so that a message in hand counts only while nothing is.
fn too_old_in_hand(scene: Scene<'_>, beat: &Heartbeat) -> Option<i64> {
    let oldest_ms = beat
        .inbox
        .urgent
        .oldest_ms
        .filter(|_| beat.in_flight.is_empty())?;
    let oldest = i64::try_from(oldest_ms).unwrap_or(i64::MAX);
    (oldest >= scene.settings.limit(Rule::UrgentUnread)).then_some(oldest)
}

fn back(at: Timestamp, ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(at.unix_ms().saturating_sub(ms)).unwrap_or(at)
}

fn unread_holds(
    scene: Scene<'_>,
    member: &Member,
    (since, head): (Timestamp, Option<&Head>),
    seen: &mut Seen,
) {
    let agent = member.agent();
    let limit_s = scene.settings.limit_ms(Rule::UrgentUnread) / 1_000;
    let hold = member.heartbeat().and_then(|beat| beat.hold);
    let why = match (member.presence(), hold) {
        (Presence::Lost | Presence::Never, _) => ": it is not there".to_owned(),
        (_, Some(hold)) => format!(": held, {}", hold.reason),
        (_, None) => String::new(),
    };
    let from = head.map_or_else(String::new, |head| format!(" of {}", head.sender));
    let hint = match head {
        Some(head) => format!("wagglebus --as {} trace {}", head.sender, head.message_id),
        None => format!("wagglebus --as {agent} inbox --peek"),
    };
    seen.hold(
        Rule::UrgentUnread,
        agent,
        Sighting {
            severity: Severity::Error,
            summary: format!("an urgent message{from} to {agent} is unread for more than {limit_s} s{why}"),
            hint,
            evidence: evidence([
                ("message_id", json!(head.map(|head| head.message_id))),
                ("sender", json!(head.map(|head| &head.sender))),
                ("hold", json!(hold.map(|hold| hold.reason))),
            ]),
            since,
        },
    );
}

fn failed(scene: Scene<'_>, trouble: &Trouble, seen: &mut Seen) {
    let rule = trouble.rule();
    let quiet_ms = scene.at.unix_ms().saturating_sub(trouble.last.unix_ms());
    if quiet_ms >= scene.settings.limit(rule) {
        return;
    }
    let agent = &trouble.agent;
    let (summary, hint) = if rule == Rule::DeadLetter {
        (trouble.detail.clone(), "wagglebus dlq ls".to_owned())
    } else {
        (
            format!("{agent} reports {}: {}", trouble.class, trouble.detail),
            "wagglebus doctor".to_owned(),
        )
    };
    seen.hold(
        rule,
        agent,
        Sighting {
            severity: Severity::Error,
            summary: summary.chars().take(300).collect(),
            hint,
            evidence: evidence([
                ("class", json!(trouble.class)),
                ("count", json!(trouble.count)),
                ("last", json!(trouble.last)),
            ]),
            since: trouble.since,
        },
    );
}
