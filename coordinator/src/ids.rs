//! Fresh ids for records: they rise with time.

use wagglebus_coordinator_core::FreshIds;
use wagglebus_schemas::Id;

/// Ids that rise with time.
#[derive(Debug)]
pub(crate) struct Uuids;

impl FreshIds for Uuids {
    fn fresh(&mut self) -> Id {
        Id::from_uuid(uuid::Uuid::now_v7())
    }
}
