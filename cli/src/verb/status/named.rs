//! `status` of a bus that is named: what its server tells to whoever asks.

use serde::Serialize;
use wagglebus_nats::connect::{self, Credentials, Settings, connect};
use wagglebus_nats::trust::{may_send_as_others, meaning, trust};
use wagglebus_schemas::Hive;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::places::Trust;
use wagglebus_schemas::stream::Stream;

use super::{Fill, Sidecar, show_fills, show_redundancy, show_sidecars, sidecars};
use crate::failure::Failure;
use crate::output::Output;
use crate::reader::Reader;
use crate::redundancy::Redundancy;
use crate::session::Session;

/// Everything that `status` says of a named bus.
#[derive(Debug, Serialize)]
struct Status {
    url: String,
    server_version: String,
    /// Longest message, headers included, in bytes.
    max_payload: usize,
    trust: Trust,
    /// Whether these credentials may send under any name; null where the server does not say.
    sends_as_others: Option<bool>,
    /// Null where these credentials may look at no stream.
    redundancy: Option<Redundancy>,
    /// Streams that these credentials may look at.
    streams: Vec<Fill>,
    sidecars: Vec<Sidecar>,
}

pub(super) async fn run(settings: Settings, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    let trust = trust(&settings, places.hive());
    let names_nobody = settings.credentials == Credentials::None;
    let (connection, _) = connect(settings).await?;
    let bus = connection
        .session()
        .ok_or_else(|| Failure::contract(ErrorCode::BusUnreachable, "the connection broke at once"))?;
    let sends_as_others = may_send_as_others(&bus, places.hive()).await;
    let connect::Server {
        address,
        version,
        max_payload,
    } = bus.server().clone();
    let streams = fills(&Reader::new(connection.clone()), places.hive()).await;
    connection.close().await;
    let status = Status {
        url: address,
        server_version: version.to_string(),
        max_payload,
        trust,
        sends_as_others,
        redundancy: Redundancy::of(streams.iter().map(|fill| fill.replicas)),
        streams,
        sidecars: sidecars(places).await?,
    };
    if output.json() {
        output.record(&status)?;
        return Ok(());
    }
    show(&status, names_nobody, output)
}

/// What may not be seen is left out.
async fn fills(reader: &Reader, hive: &Hive) -> Vec<Fill> {
    let mut fills = Vec::new();
    for stream in Stream::ALL {
        let name = stream.name(hive);
        if let Ok(Some(now)) = reader.stream(&name).await {
            fills.push(Fill {
                stream: name,
                messages: now.state.messages,
                bytes: now.state.bytes,
                max_bytes: now
                    .config
                    .get("max_bytes")
                    .and_then(serde_json::Value::as_i64)
                    .unwrap_or(-1),
                replicas: now
                    .config
                    .get("num_replicas")
                    .and_then(serde_json::Value::as_u64)
                    .unwrap_or(1),
            });
        }
    }
    fills
}

fn show(status: &Status, names_nobody: bool, output: &mut Output) -> Result<(), Failure> {
    output.line(format!(
        "bus         {}, nats-server {}",
        status.url, status.server_version
    ))?;
    output.line(format!("trust       {}: {}", status.trust, meaning(status.trust)))?;
    output.line(format!(
        "rights      {}",
        match status.sends_as_others {
            Some(true) if names_nobody => "without credentials one may send under any name",
            Some(true) => "these credentials may send under any name",
            Some(false) => "these credentials may send under their own name only",
            None => "the server does not say under which names one may send",
        }
    ))?;
    show_redundancy(status.redundancy, output)?;
    if status.streams.is_empty() {
        output.line("streams     none that these credentials may look at")?;
    } else {
        show_fills(&status.streams, output)?;
    }
    show_sidecars(&status.sidecars, output)
}
