//! Makes a server have what is wanted. Never deletes, purges or makes anything anew.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{RequestError, RequestErrorKind};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::sleep;
use wagglebus_schemas::Timestamp;

use crate::plan::{Action, Object, Plan, Refusal, Step, Wanted};

/// JetStream's own numbers for what is not there.
const NOT_FOUND: [u32; 2] = [10059, 10014];
/// JetStream's own numbers for "it exists, and differs": somebody else was faster.
const EXISTS: [u32; 4] = [10058, 10013, 10148, 10105];

/// Requests under way at one time; an agent has five consumers.
const CONCURRENCY: usize = 8;
/// Rounds of looking and doing. Two provisioners that wish the same agree in the second; two that wish different things
/// never do.
const ROUNDS: usize = 4;
/// A request is repeated when nobody answered: during a reload the server's own services are gone for a moment.
const TRIES: u32 = 6;
const FIRST_DELAY: Duration = Duration::from_millis(20);

/// Why a server does not have what is wanted.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// Something there must not be touched. Nothing was changed.
    #[error("{object} cannot be used: {refusal}")]
    Refused {
        /// The first such object.
        object: Object,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// The server did not answer.
    #[error("the server did not answer about {object}")]
    Unanswered {
        /// What was asked about.
        object: Object,
        /// How it failed.
        #[source]
        source: RequestError,
    },
    /// The server said no.
    #[error("the server refused {object}: {description} ({code})")]
    Denied {
        /// What was asked for.
        object: Object,
        /// JetStream's number.
        code: u32,
        /// JetStream's words.
        description: String,
    },
    /// The changes were accepted, and yet something differs: somebody else changes it, too.
    #[error("the configuration does not stay as set; who else changes it?\n{0}")]
    Unstable(Plan),
}

/// What must be done so that the server has all of `wanted`. Only reads.
///
/// # Errors
/// When the server does not answer, or refuses to.
pub async fn plan(js: &Context, wanted: &[Wanted]) -> Result<Plan, ProvisionError> {
    let steps: Vec<_> = wanted.iter().map(|wanted| step(js, wanted)).collect();
    Ok(Plan {
        steps: stream::iter(steps).buffered(CONCURRENCY).try_collect().await?,
    })
}

async fn step(js: &Context, wanted: &Wanted) -> Result<Step, ProvisionError> {
    let found = find(js, wanted.object()).await?;
    Ok(wanted.plan(found.as_ref()))
}

/// Makes the server have all of `wanted`, and returns what had to be done. May run any number of times, also at the
/// same time.
///
/// # Errors
/// When something must not be touched (then nothing is changed), the server does not answer or says no, or somebody
/// else keeps changing the same things.
pub async fn provision(js: &Context, wanted: &[Wanted]) -> Result<Plan, ProvisionError> {
    let first = plan(js, wanted).await?;
    let mut next = first.clone();
    for _ in 0..ROUNDS {
        if let Some((object, refusal)) = next.refusals().next() {
            return Err(ProvisionError::Refused {
                object: object.clone(),
                refusal: Box::new(refusal.clone()),
            });
        }
        if next.is_done() {
            return Ok(first);
        }
        carry_out(js, &next).await?;
        next = plan(js, wanted).await?;
    }
    Err(ProvisionError::Unstable(next))
}

async fn carry_out(js: &Context, plan: &Plan) -> Result<(), ProvisionError> {
    let steps: Vec<_> = plan.steps.iter().map(|step| take(js, step)).collect();
    stream::iter(steps)
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
}

async fn take(js: &Context, step: &Step) -> Result<(), ProvisionError> {
    let (verb, config) = match &step.action {
        Action::Create(config) => (Verb::Create, config),
        Action::Update { config, .. } => (Verb::Update, config),
        Action::Ok | Action::Refuse(_) => return Ok(()),
    };
    let (subject, body) = write_request(&step.object, verb, config);
    match ask(js, &step.object, &subject, &body).await? {
        Answer {
            error: Some(error), ..
        } if !EXISTS.contains(&error.err_code) => Err(error.denied(&step.object)),
        Answer { .. } => Ok(()),
    }
}

/// The configuration of something on the server, if it is there.
async fn find(js: &Context, object: &Object) -> Result<Option<Map<String, Value>>, ProvisionError> {
    let subject = match object {
        Object::Stream(name) => format!("STREAM.INFO.{name}"),
        Object::Consumer { stream, name } => format!("CONSUMER.INFO.{stream}.{name}"),
    };
    match ask(js, object, &subject, &json!({})).await? {
        Answer {
            error: Some(error), ..
        } if NOT_FOUND.contains(&error.err_code) => Ok(None),
        Answer {
            error: Some(error), ..
        } => Err(error.denied(object)),
        Answer { config, .. } => Ok(config),
    }
}

/// Where a lane stands.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// Highest stream sequence that was handed over.
    pub(crate) delivered: u64,
    /// Messages above it that are for this lane.
    pub(crate) pending: u64,
    /// The subjects that it reads.
    pub(crate) filters: Vec<String>,
    /// The metadata of its consumer.
    pub(crate) metadata: Map<String, Value>,
}

/// A lane by the name of its consumer; `None` when it is not there.
pub(crate) async fn lane(js: &Context, stream: &str, name: &str) -> Result<Option<Lane>, ProvisionError> {
    let object = Object::Consumer {
        stream: stream.to_owned(),
        name: name.to_owned(),
    };
    let answer = ask(js, &object, &format!("CONSUMER.INFO.{stream}.{name}"), &json!({})).await?;
    match answer.error {
        Some(error) if NOT_FOUND.contains(&error.err_code) => return Ok(None),
        Some(error) => return Err(error.denied(&object)),
        None => {}
    }
    let mut config = answer.config.unwrap_or_default();
    let metadata = match config.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        Some(_) | None => Map::new(),
    };
    // A consumer with one filter has it in a field of its own.
    let one = config.get("filter_subject").into_iter();
    let many = config
        .get("filter_subjects")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let filters = one.chain(many).filter_map(Value::as_str).map(str::to_owned);
    Ok(Some(Lane {
        delivered: answer.delivered.stream_seq,
        pending: answer.num_pending,
        filters: filters.collect(),
        metadata,
    }))
}

/// The server's time, as it tells it with a stream; `None` where it does not.
///
/// # Errors
/// When it does not answer.
pub async fn server_time(js: &Context, stream: &str) -> Result<Option<Timestamp>, ProvisionError> {
    let object = Object::Stream(stream.to_owned());
    let answer = ask(js, &object, &format!("STREAM.INFO.{stream}"), &json!({})).await?;
    Ok(answer.ts.and_then(|text| text.parse().ok()))
}

/// Sequence of the last message of a stream.
pub(crate) async fn last_sequence(js: &Context, stream: &str) -> Result<u64, ProvisionError> {
    let object = Object::Stream(stream.to_owned());
    match ask(js, &object, &format!("STREAM.INFO.{stream}"), &json!({})).await? {
        Answer {
            error: Some(error), ..
        } => Err(error.denied(&object)),
        Answer { state, .. } => Ok(state.last_seq),
    }
}

#[derive(Clone, Copy)]
enum Verb {
    Create,
    Update,
}

fn write_request(object: &Object, verb: Verb, config: &Map<String, Value>) -> (String, Value) {
    match (object, verb) {
        (Object::Stream(name), Verb::Create) => (format!("STREAM.CREATE.{name}"), json!(config)),
        (Object::Stream(name), Verb::Update) => (format!("STREAM.UPDATE.{name}"), json!(config)),
        (Object::Consumer { stream, name }, verb) => {
            let action = match verb {
                Verb::Create => "create",
                Verb::Update => "update",
            };
            let body = json!({"stream_name": stream, "config": config, "action": action});
            (format!("CONSUMER.CREATE.{stream}.{name}"), body)
        }
    }
}

async fn ask(js: &Context, object: &Object, subject: &str, body: &Value) -> Result<Answer, ProvisionError> {
    let mut delay = FIRST_DELAY;
    for _ in 1..TRIES {
        match js.request(subject.to_owned(), body).await {
            Err(error) if is_passing(&error) => sleep(delay).await,
            result => {
                return result.map_err(|source| ProvisionError::Unanswered {
                    object: object.clone(),
                    source,
                });
            }
        }
        delay *= 2;
    }
    let last = js.request(subject.to_owned(), body).await;
    last.map_err(|source| ProvisionError::Unanswered {
        object: object.clone(),
        source,
    })
}

/// Every request here may be repeated: reading changes nothing, and a second creation or update says that it exists.
fn is_passing(error: &RequestError) -> bool {
    matches!(
        error.kind(),
        RequestErrorKind::NoResponders | RequestErrorKind::TimedOut
    )
}

#[derive(Deserialize)]
struct Answer {
    error: Option<ApiError>,
    config: Option<Map<String, Value>>,
    #[serde(default)]
    state: State,
    #[serde(default)]
    delivered: Position,
    #[serde(default)]
    num_pending: u64,
    ts: Option<String>,
}

#[derive(Default, Deserialize)]
struct Position {
    #[serde(default)]
    stream_seq: u64,
}

#[derive(Default, Deserialize)]
struct State {
    #[serde(default)]
    last_seq: u64,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

impl ApiError {
    fn denied(self, object: &Object) -> ProvisionError {
        ProvisionError::Denied {
            object: object.clone(),
            code: self.err_code,
            description: self.description,
        }
    }
}
