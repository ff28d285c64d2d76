//! The watches of the lanes and of the receipts, by name.

use wagglebus_schemas::Priority;

use super::Sidecar;
use crate::wake::LaneWatch;

impl Sidecar {
    pub(super) fn lane_mut(&mut self, lane: Priority) -> &mut LaneWatch {
        let [urgent, high, normal, low] = &mut self.lanes;
        match lane {
            Priority::Urgent => urgent,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        }
    }

    pub(super) fn lane(&self, lane: Priority) -> &LaneWatch {
        let [urgent, high, normal, low] = &self.lanes;
        match lane {
            Priority::Urgent => urgent,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        }
    }

    /// One lane of messages, or the receipts.
    pub(super) fn watch_mut(&mut self, lane: Option<Priority>) -> &mut LaneWatch {
        match lane {
            Some(lane) => self.lane_mut(lane),
            None => &mut self.receipts,
        }
    }

    pub(super) fn watches(&mut self) -> impl Iterator<Item = &mut LaneWatch> {
        self.lanes.iter_mut().chain([&mut self.receipts])
    }
}
