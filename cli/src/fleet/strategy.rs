//! How agents are chosen for tasks that name no strategy: what holds in the hive, and setting it.
//!
//! It is a command of the operator like those about tasks: kept until a coordinator decides it, and decided in the log.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use wagglebus_nats::bus::Outgoing;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::task::Strategy;
use wagglebus_schemas::{AgentId, Hive, Id, Priority};

use crate::failure::Failure;
use crate::verb::own::Own;
use crate::verb::store;

/// How long the coordinator may take to decide it.
const WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The last event about it; `None` where nobody ever set it.
async fn last(own: &Own, hive: &Hive) -> Option<Event> {
    let stream = own
        .session()
        .jetstream()
        .get_stream(Stream::Events.name(hive))
        .await
        .ok()?;
    let subject = Subject::Event {
        kind: EventKind::Config,
    };
    let found = stream
        .get_last_raw_message_by_subject(&subject.build(hive))
        .await
        .ok()?;
    let event: Event = serde_json::from_slice(&found.payload).ok()?;
    (event.entity_id == "strategy").then_some(event)
}

/// What holds now, as far as the log says.
pub(crate) async fn current(own: &Own, hive: &Hive) -> Option<Strategy> {
    last(own, hive).await?.to.parse().ok()
}

/// Sets it. False when it is kept, and no coordinator has decided it yet.
pub(crate) async fn set(own: &Own, hive: &Hive, strategy: Strategy) -> Result<bool, Failure> {
    let id = Id::from_uuid(uuid::Uuid::now_v7());
    let subject = Subject::Task {
        verb: TaskVerb::Control,
        priority: Priority::High,
        from: AgentId::operator(),
    };
    let body = json!({ "id": id, "strategy": strategy });
    let record = Outgoing {
        subject: subject.build(hive),
        id,
        expected_stream: Some(Stream::Tasks.name(hive)),
        headers: Vec::new(),
        payload: body.to_string().into(),
        expected_last_subject_seq: None,
    };
    store(&own.publisher(), record)
        .await
        .map_err(|error| error.failure())?;
    let deadline = Instant::now() + WITHIN;
    while Instant::now() < deadline {
        if last(own, hive)
            .await
            .is_some_and(|event| event.cause.id == Some(id))
        {
            return Ok(true);
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(false)
}
