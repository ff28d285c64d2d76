//! One sentence that says where a message stands, and why it is not further.

#[cfg(test)]
mod tests;

use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::api::{TraceStep, TraceStepKind};
use wagglebus_schemas::bridge::{Bridge, Proof};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::{Receipt, ReceiptReason};
use wagglebus_schemas::{AgentId, Level, Recipient, Timestamp};

use crate::inbox::Hand;
use crate::ledger::{InEntry, OutEntry};
use crate::record::{Closed, Outcome};

/// What the sender's sidecar knows of a message.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// To whom it goes.
    pub to: &'a Recipient,
    /// When it was accepted.
    pub at: Timestamp,
    /// How far it provably came.
    pub level: Level,
    /// Why the sidecar takes no further care of it.
    pub closed: Option<Closed>,
    /// Whether NATS is connected now.
    pub bus_up: bool,
    /// Its receipts, in the order of arrival.
    pub receipts: &'a [Receipt],
    /// Its recipient is told that it is there, in its pane, and takes it by itself.
    pub only_told_of: bool,
}

/// What the sender's sidecar knows of a message's way beside its receipts.
pub fn sent_steps(entry: &OutEntry) -> Vec<TraceStep> {
    let stored = entry.stored_at.map(|at| step(TraceStepKind::Stored, at));
    stored.into_iter().collect()
}

/// What the recipient's sidecar knows of a message's way, in the order of time.
pub fn received_steps(entry: &InEntry) -> Vec<TraceStep> {
    let handed = entry.head.as_ref().filter(|head| head.delivery > 0);
    let handed = handed.map(|head| TraceStep {
        delivery: Some(head.delivery),
        ..step(TraceStepKind::HandedOver, head.at)
    });
    let given_back = entry.given_back.iter().map(|(delivery, back)| TraceStep {
        delivery: Some(*delivery),
        reason: back.why.clone(),
        ..step(TraceStepKind::GivenBack, back.at)
    });
    let ended = entry.ended.and_then(|(outcome, at)| match outcome {
        Outcome::Done => Some(step(TraceStepKind::Done, at)),
        Outcome::Dead => Some(step(TraceStepKind::Dead, at)),
        // The hand-over is all that there was.
        Outcome::Injected => None,
    });
    let mut steps: Vec<TraceStep> = handed.into_iter().chain(given_back).chain(ended).collect();
    // What began and ended within one millisecond stays in this order.
    let ended = |step: &TraceStep| step.delivery.is_none();
    steps.sort_by_key(|step| {
        (
            step.at,
            ended(step),
            step.delivery,
            step.step == TraceStepKind::GivenBack,
        )
    });
    steps
}

const fn step(step: TraceStepKind, at: Timestamp) -> TraceStep {
    TraceStep {
        step,
        at,
        delivery: None,
        reason: None,
    }
}

/// Says where a sent message stands.
pub fn sent(message: &Sent<'_>, now: Timestamp) -> String {
    if let Some((receipt, at)) = reached(message, ReceiptLevel::Done) {
        return format!("done by {}{}", receipt.agent, after(message.at, at));
    }
    let last = message.receipts.last();
    if let Some(dead) = last.filter(|receipt| receipt.level == ReceiptLevel::Dead) {
        return dead_at(dead);
    }
    if let Some(held) = last.filter(|receipt| receipt.level == ReceiptLevel::Held) {
        // The agent may have stood so for longer than the message is there.
        let since = ago(held.since.unwrap_or(held.at).max(message.at), now);
        let reason = reason(held);
        return format!(
            "{}: {reason} at {} for {since}",
            missing(message.level),
            held.agent
        );
    }
    match message.level {
        Level::Accepted => not_stored(message, now),
        Level::Stored if message.only_told_of => format!(
            "not seen: queued at {}: it was told in its pane that mail waits, and has not taken this yet",
            message.to
        ),
        Level::Stored => format!("not seen: {}", unfetched(message.to)),
        Level::Fetched => on_the_way(message, ReceiptLevel::Fetched, now, |receipt, since| {
            format!(
                "not seen: {}'s sidecar fetched it {since} ago and has not handed it over",
                receipt.agent
            )
        }),
        Level::Injected => on_the_way(message, ReceiptLevel::Injected, now, |receipt, since| {
            let (agent, via) = (
                &receipt.agent,
                receipt.bridge.map_or("an unknown bridge", Bridge::as_str),
            );
            match (receipt.bridge, receipt.proof) {
                // The receipt does not tell how the recipient's sidecar acks.
                (Some(Bridge::TmuxBody), _) => format!(
                    "delivered: put into {agent}'s terminal pane and entered {since} ago; a pane gives no sign beyond that"
                ),
                (Some(Bridge::Stdio), Proof::Write) if receipt.delivery > Some(1) => format!(
                    "not acknowledged: handed to {agent} through {via} {} times, the last time {since} ago",
                    receipt.delivery.unwrap_or_default()
                ),
                (Some(Bridge::Stdio), Proof::Write) => format!(
                    "delivered: handed to {agent} through {via} {since} ago; more follows only if its sidecar runs with \
                     --ack explicit, when the program acknowledges it"
                ),
                _ => format!(
                    "not seen: handed to {agent} through {via} {since} ago, and no sign of its own since"
                ),
            }
        }),
        Level::Seen => on_the_way(message, ReceiptLevel::Seen, now, |receipt, since| {
            format!(
                "not done: {} took note of it {since} ago and has not finished",
                receipt.agent
            )
        }),
        // Without its receipt nothing more can be said than the level itself.
        Level::Done => "done".to_owned(),
    }
}

/// Says where a received message stands, and how far it came.
pub fn received(me: &AgentId, entry: &InEntry, now: Timestamp) -> (Level, String) {
    let hand_over = entry.head.as_ref();
    let handed = hand_over.map_or_else(String::new, |head| format!(" {} ago", ago(head.at, now)));
    match entry.ended {
        Some((Outcome::Done, at)) => (Level::Done, format!("done by {me} {} ago", ago(at, now))),
        Some((Outcome::Injected, at)) => (
            Level::Injected,
            format!(
                "written to {me} {} ago, through a bridge that proves no more",
                ago(at, now)
            ),
        ),
        Some((Outcome::Dead, at)) => {
            let level = if entry.deliveries() == 0 {
                Level::Fetched
            } else {
                Level::Injected
            };
            (
                level,
                format!(
                    "dead: filed as a dead letter {} ago, after {}",
                    ago(at, now),
                    times(entry.deliveries())
                ),
            )
        }
        None if !entry.is_held() => (
            Level::Stored,
            format!(
                "not seen: given back after {}, and comes to {me} again",
                times(entry.deliveries())
            ),
        ),
        None if entry.seen => (
            Level::Seen,
            format!("not done: {me} took note of it and has not finished"),
        ),
        None => (
            Level::Injected,
            format!("not seen: handed to {me}{handed}, and no ack since"),
        ),
    }
}

/// Says where a message stands that a bridge is still writing, and how far it came.
pub fn in_hand(me: &AgentId, hand: &Hand, now_ms: u64) -> Option<(Level, String)> {
    let since = duration(now_ms.saturating_sub(hand.taken_at_ms));
    hand.is_being_written().then(|| {
        let said = match hand.held {
            Some(reason) => format!("not seen: {reason} at {me}; fetched {since} ago"),
            None => format!("not seen: fetched {since} ago, and being handed to {me}"),
        };
        (Level::Fetched, said)
    })
}

/// The latest receipt that reports `level`, and when it was reached.
fn reached<'a>(message: &Sent<'a>, level: ReceiptLevel) -> Option<(&'a Receipt, Timestamp)> {
    message.receipts.iter().rev().find_map(|receipt| {
        let step = receipt.levels.iter().find(|step| step.level == level)?;
        Some((receipt, step.at))
    })
}

fn on_the_way(
    message: &Sent<'_>,
    level: ReceiptLevel,
    now: Timestamp,
    say: impl FnOnce(&Receipt, &str) -> String,
) -> String {
    match reached(message, level) {
        Some((receipt, at)) => say(receipt, &ago(at, now)),
        None => format!(
            "{}: no receipt says more than {}",
            missing(message.level),
            message.level
        ),
    }
}

fn not_stored(message: &Sent<'_>, now: Timestamp) -> String {
    let waits = ago(message.at, now);
    match message.closed {
        Some(Closed::Refused) => "not stored: the server refuses it for good".to_owned(),
        Some(Closed::Receipted | Closed::Dead | Closed::GivenUp) | None if message.bus_up => {
            format!("not stored: accepted {waits} ago, and the server has not acknowledged it yet")
        }
        Some(Closed::Receipted | Closed::Dead | Closed::GivenUp) | None => {
            format!("not stored: NATS is not reachable; accepted {waits} ago and kept until it is")
        }
    }
}

fn unfetched(to: &Recipient) -> String {
    match to.kind() {
        RecipientKind::Agent(agent) => {
            format!("queued at {agent}: stored, and its sidecar has not fetched it yet")
        }
        RecipientKind::Room(room) => {
            format!("queued for room {room}: stored, and no member has fetched it yet")
        }
        RecipientKind::Capability(capability) => {
            format!("queued for capability {capability}: stored, and nobody has fetched it yet")
        }
    }
}

fn dead_at(dead: &Receipt) -> String {
    let Some(ReceiptReason::Dead(reason)) = dead.reason else {
        return format!("dead at {}: {}", dead.agent, reason(dead));
    };
    let detail = match reason {
        DeadReason::MaxDeliver => format!("no success in {}", times(dead.delivery.unwrap_or(0))),
        DeadReason::Expired => "its time was over before it could be delivered".to_owned(),
        DeadReason::Undecodable => "its bytes are not a message".to_owned(),
        DeadReason::Refused => "its body contradicts its envelope, or a guard refused it".to_owned(),
        DeadReason::HopLimit => "forwarded too often".to_owned(),
        DeadReason::Operator => "dropped by the operator".to_owned(),
        DeadReason::Superseded => "overtaken by a newer assignment".to_owned(),
    };
    format!("dead: {reason} at {} ({detail})", dead.agent)
}

fn reason(receipt: &Receipt) -> String {
    receipt
        .reason
        .map_or_else(|| "no reason given".to_owned(), |reason| reason.to_string())
}

/// What a message at `level` has not reached, as a person would ask for it.
const fn missing(level: Level) -> &'static str {
    match level {
        Level::Accepted => "not stored",
        Level::Stored | Level::Fetched | Level::Injected => "not seen",
        Level::Seen | Level::Done => "not done",
    }
}

/// ` 1.2 s after it was sent`; nothing where two machines' clocks disagree about the order.
fn after(sent: Timestamp, at: Timestamp) -> String {
    let ms = at.unix_ms().saturating_sub(sent.unix_ms());
    u64::try_from(ms).map_or_else(
        |_| String::new(),
        |ms| format!(" {} after it was sent", duration(ms)),
    )
}

/// Time since `at`; zero where clocks disagree.
fn ago(at: Timestamp, now: Timestamp) -> String {
    duration(u64::try_from(now.unix_ms().saturating_sub(at.unix_ms())).unwrap_or(0))
}

fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

fn times(count: u32) -> String {
    match count {
        0 => "no hand-over".to_owned(),
        1 => "1 hand-over".to_owned(),
        _ => format!("{count} hand-overs"),
    }
}
