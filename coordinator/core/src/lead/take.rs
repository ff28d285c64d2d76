//! How a time of leading begins: with a line of its own.

use wagglebus_schemas::AgentId;
use wagglebus_schemas::event::{Cause, CauseType, Event, EventKind};

use super::coordination::Coordination;
use super::order::{Desk, Order};
use crate::log::post::TELLS;

impl Coordination {
    /// Tries to write the first line of our time.
    pub(super) fn take(&mut self, desk: &mut Desk<'_>) {
        let after = self.world.last();
        let event = Event {
            id: desk.ids.fresh(),
            entity: EventKind::Leader,
            entity_id: self.hive.to_string(),
            seq: 0,
            from: None,
            to: self.instance.clone(),
            event: "leader".to_owned(),
            actor: AgentId::coordinator(),
            cause: Cause {
                kind: CauseType::Leader,
                id: None,
                stream: None,
                seq: None,
            },
            guard: None,
            at: self.stamp(desk.now),
            data: serde_json::Map::from_iter([(TELLS.to_owned(), true.into())]),
        };
        self.appending = Some(after);
        self.first_line = Some(event.id);
        desk.orders.push(Order::Append {
            after,
            events: vec![event],
        });
    }
}
