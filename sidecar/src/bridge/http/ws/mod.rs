//! `GET /v1/ws`: messages, receipts and all that an agent says, over one connection.

mod ask;
mod converse;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use wagglebus_http::query::Flag;
use wagglebus_http::{Answered, Params, Refusal, number};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::limits::LINE_BYTES_MAX;

use super::state::Shared;
use super::stream::{After, Dialect, SLOTS_MAX, Wanted};
use converse::converse;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WsParams {
    /// The `seq` of the last frame that the reader saw in a former connection.
    after: Option<u64>,
    slots: Option<usize>,
    #[serde(default)]
    takeover: Flag,
}

pub(super) async fn open(
    State(api): Shared,
    Params(params): Params<WsParams>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answered {
    let upgrade = upgrade.map_err(|rejection| {
        Refusal::new(ErrorCode::InvalidQuery, rejection.body_text())
            .hint("ask for a WebSocket: Upgrade: websocket, version 13")
            .status(StatusCode::BAD_REQUEST)
    })?;
    let wanted = Wanted {
        dialect: Dialect::Ws,
        slots: number("slots", params.slots, 1, 1..=SLOTS_MAX)?,
        takeover: params.takeover.0,
        after: params.after.map(After::Seq),
    };
    let attached = api.streams.attach(&api, wanted).await?;
    let upgrade = upgrade
        .max_message_size(LINE_BYTES_MAX)
        .max_frame_size(LINE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| converse(api, attached, socket)))
}
