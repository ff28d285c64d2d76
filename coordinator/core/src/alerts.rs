//! Questions about alerts.

use wagglebus_schemas::Id;
use wagglebus_schemas::alert::{Alert, AlertsRequest};
use wagglebus_schemas::api::Page;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

use crate::lead::Lead;
use crate::query::{fill, limit};
use crate::tasks::ready;

/// One page, the latest first. Its cursor is the id of its last alert.
pub(crate) fn list(lead: &Lead, query: &AlertsRequest) -> Result<Page<Alert>, ErrorDetail> {
    ready(lead)?;
    let limit = limit(query.limit)?;
    let before: Id = match &query.cursor {
        Some(cursor) => cursor.parse().map_err(|_| {
            let message = format!("{cursor:?} is no cursor of this list: use next_cursor of the page before");
            ErrorDetail::new(ErrorCode::InvalidQuery, message)
        })?,
        None => Id::from_bytes([0xff; 16]),
    };
    let wanted = |alert: &&Alert| query.state.is_none_or(|state| state.admits(alert.state));
    let alerts = lead.world().alerts().before(&before).filter(wanted);
    let (items, more) = fill(alerts.cloned(), limit);
    let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Page { items, next_cursor })
}
