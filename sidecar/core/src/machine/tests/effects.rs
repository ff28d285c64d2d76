//! Picks what a test asks for out of the effects of a step.

use std::sync::Arc;

use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::{Level, Priority};

use crate::effect::{Answer, Effect, Handed, Settlement};
use crate::event::Token;
use crate::record::{Out, OutKind};

pub(super) fn answer(effects: &[Effect], of: Token) -> Option<Answer> {
    let mut answers = effects.iter().filter_map(|effect| match effect {
        Effect::Answer { token, answer } if *token == of => Some(answer.clone()),
        _ => None,
    });
    let first = answers.next();
    assert!(answers.next().is_none(), "answered twice: {effects:?}");
    first
}

pub(super) fn refused(answer: Option<Answer>) -> ErrorCode {
    match answer {
        Some(Answer::Error(error)) => error.code,
        other => panic!("not refused: {other:?}"),
    }
}

pub(super) fn sent_level(answer: Option<Answer>) -> Level {
    match answer {
        Some(Answer::Sent(sent)) => sent.level,
        other => panic!("not sent: {other:?}"),
    }
}

pub(super) fn published(effects: &[Effect]) -> Vec<Arc<Out>> {
    let outs = effects.iter().filter_map(|effect| match effect {
        Effect::Publish { out, .. } => Some(out.clone()),
        _ => None,
    });
    outs.collect()
}

pub(super) fn published_as(effects: &[Effect], kind: OutKind) -> Vec<Arc<Out>> {
    let mut outs = published(effects);
    outs.retain(|out| out.kind == kind);
    outs
}

pub(super) fn settlements(effects: &[Effect]) -> Vec<(String, Settlement)> {
    let settlements = effects.iter().filter_map(|effect| match effect {
        Effect::Settle { ack, settlement } => Some((ack.clone(), *settlement)),
        _ => None,
    });
    settlements.collect()
}

pub(super) fn fetching(effects: &[Effect]) -> Option<Priority> {
    let mut lanes = effects.iter().filter_map(|effect| match effect {
        Effect::FetchLane { lane, .. } => Some(*lane),
        _ => None,
    });
    let lane = lanes.next();
    assert!(lanes.next().is_none(), "two fetches at once");
    lane
}

pub(super) fn handed(effects: &[Effect]) -> Vec<Handed> {
    let handed = effects.iter().flat_map(|effect| match effect {
        Effect::HandOver { handed, .. } => vec![(**handed).clone()],
        Effect::Answer {
            answer: Answer::Messages(messages),
            ..
        } => messages.clone(),
        _ => Vec::new(),
    });
    handed.collect()
}
