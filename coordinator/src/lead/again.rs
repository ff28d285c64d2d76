//! Reads a record of a stream again: one that cannot be read, and whose dead letter may not be stored.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::RawMessageErrorKind;
use tokio::sync::mpsc::Sender;
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::lead::{News, Record};
use wagglebus_coordinator_core::log::post::Origin;
use wagglebus_schemas::{Hive, headers};

use super::news;

/// Pause after an answer that did not come.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Tries until the record is read, or is known to be gone.
pub(super) async fn read(js: Context, hive: Hive, origin: Origin, out: Sender<Event>) {
    let record = loop {
        match once(&js, &hive, origin).await {
            Ok(record) => break record,
            Err(error) => tracing::debug!(error, ?origin, "read again later"),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    };
    let record = record.map(Box::new);
    // Nobody listens once the session is over.
    out.send(news(News::ReadAgain(origin, record))).await.ok();
}

async fn once(
    js: &Context,
    hive: &Hive,
    Origin { stream, seq }: Origin,
) -> Result<Option<Record>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = js.get_stream_no_info(stream.name(hive)).await?;
    match stream.get_raw_message(seq).await {
        Ok(message) => Ok(Some(Record {
            subject: message.subject.to_string(),
            msg_id: message.headers.get(headers::MSG_ID).map(ToString::to_string),
            payload: message.payload.to_vec(),
        })),
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
