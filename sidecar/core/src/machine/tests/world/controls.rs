//! The operator of a world: stops agents and lets them go on, by way of the coordinator.

use wagglebus_schemas::command::ControlAction;
use wagglebus_schemas::control::{Control, ControlScope};

use super::World;
use crate::machine::tests::rig::{id, now};

impl World {
    /// An agent is told that it, or the hive, is stopped or goes on. What the coordinator says is stored and comes like a
    /// receipt.
    pub(super) fn control(&mut self, at: usize, stop: bool) {
        let scope = self.chance.pick(&[ControlScope::Agent, ControlScope::Hive]);
        self.tell(at, scope, stop);
    }

    /// Nothing is stopped any more.
    pub(super) fn let_all_go_on(&mut self, at: usize) {
        self.tell(at, ControlScope::Agent, false);
        self.tell(at, ControlScope::Hive, false);
    }

    fn tell(&mut self, at: usize, scope: ControlScope, stop: bool) {
        self.events += 1;
        let control = Control {
            id: id(9_000_000 + self.events),
            action: match (stop, scope) {
                (false, _) => ControlAction::Resume,
                (true, ControlScope::Agent) => ControlAction::Pause,
                (true, ControlScope::Hive) => ControlAction::Halt,
            },
            scope,
            event_seq: self.events,
            at: now(self.now_ms).wall,
        };
        let subject = format!("wb.receipt.{}.control.coordinator", self.nodes[at].me());
        let body = serde_json::to_vec(&control).unwrap().into();
        let (seq, _) = self.server.publish(&subject, control.id, body);
        self.wake(&subject, seq);
    }
}
