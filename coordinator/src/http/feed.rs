//! `GET /v1/events` and `GET /v1/ws`: what happens in the fleet, for whoever may look.

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use wagglebus_coordinator_core::feed::{Ask, View};
use wagglebus_http::{Answered, Refusal};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::limits::LINE_BYTES_MAX;

use super::auth::Caller;
use super::state::Shared;
use super::ws;
use crate::feed::{self, Reader};

/// The feed as server-sent events.
pub(super) async fn events(
    State(api): Shared,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    uri: Uri,
) -> Answered {
    let id = headers.get("last-event-id");
    let id = id.map(|id| String::from_utf8_lossy(id.as_bytes()));
    let ask = ask(&uri)?.resumed(id.as_deref())?;
    let reader = Reader::open(&api.feed, view(&caller), ask).await?;
    let revoked = async move { api.auth.revoked(&caller).await };
    Ok(feed::events(reader, revoked))
}

/// The feed as frames, and a way to send and to change tasks.
pub(super) async fn socket(
    State(api): Shared,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answered {
    let upgrade = upgrade.map_err(|rejection| {
        Refusal::new(ErrorCode::InvalidMessage, rejection.body_text())
            .hint("this path is for WebSockets; GET /v1/events tells the same without one")
            .status(StatusCode::UPGRADE_REQUIRED)
    })?;
    let reader = Reader::open(&api.feed, view(&caller), ask(&uri)?).await?;
    let upgrade = upgrade
        .max_message_size(LINE_BYTES_MAX)
        .max_frame_size(LINE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| ws::serve(api, caller, reader, socket)))
}

fn ask(uri: &Uri) -> Result<Ask, Refusal> {
    let refused = |rejection: QueryRejection| Refusal::new(ErrorCode::InvalidQuery, rejection.body_text());
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(refused)?;
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(Ask::read(pairs)?)
}

/// Messages are private: of all agents only sender and recipient may see one.
fn view(caller: &Caller) -> View {
    caller.agent().cloned().map_or(View::All, View::Agent)
}
