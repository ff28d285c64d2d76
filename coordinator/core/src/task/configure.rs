//! What the operator sets for the hive: the strategy of tasks that name none.

use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::task::Strategy;

use super::ask::Ask;
use super::scribe::Scribe;
use crate::log::World;
use crate::log::data::FollowKind;
use crate::log::settings::{ConfigData, STRATEGY};

/// Decides a command that sets the strategy.
pub(super) fn decide(world: &World, ask: &Ask, strategy: Strategy, scribe: &mut Scribe<'_>) -> Event {
    let settings = world.settings();
    let before = settings.strategy();
    let error = (ask.from != AgentId::operator()).then(|| {
        let message = format!(
            "{} is not the operator: only the operator sets the strategy",
            ask.from
        );
        ErrorDetail::new(ErrorCode::Forbidden, message)
            .hint("a task may name its own: `strategy` in its draft")
    });
    let (word, to) = if error.is_some() {
        ("refused", before)
    } else {
        ("control", strategy)
    };
    let verdict = ask.id.map(|_| scribe.follow(FollowKind::Verdict, &ask.from));
    let data = ConfigData {
        error,
        follows: verdict.into_iter().collect(),
    };
    Event {
        id: scribe.ids.fresh(),
        entity: EventKind::Config,
        entity_id: STRATEGY.to_owned(),
        seq: settings.seq() + 1,
        from: Some(before.to_string()),
        to: to.to_string(),
        event: word.to_owned(),
        actor: ask.from.clone(),
        cause: ask.cause(scribe.hive),
        guard: None,
        at: scribe.at,
        data: data.encode(),
    }
}
