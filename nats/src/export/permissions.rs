//! What each user may do in an account that holds JetStream itself (trust `shared`).
//!
//! Less than the accounts of [`crate::conf`] give: the server does not check the reply subject of a request, so whoever
//! may ask JetStream anything can aim its answer at any subject of the account (RELIABILITY 0.1). These lists keep
//! honest programs apart; they are no boundary against a dishonest one.

use wagglebus_schemas::permission::{Grant, agent_grants, inbox_prefix};
use wagglebus_schemas::stream::{Bucket, ObjectStore, Stream};
use wagglebus_schemas::{AgentId, Hive};

use super::Export;
use crate::connect::JETSTREAM_API;

/// Answers that a coordinator may give to one question: it also speaks for each agent when services are looked for.
const RESPONSES_MAX: u32 = 1000;
/// How long after the question.
const RESPONSES_WITHIN: &str = "10s";

/// What a user may do: nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects that it may publish to.
    pub publish: Vec<String>,
    /// Subjects that it may subscribe to.
    pub subscribe: Vec<String>,
    /// Whether it may answer questions that it was asked.
    pub responds: bool,
}

impl Permissions {
    /// An agent: its own subjects, its own consumers, its own lease.
    pub fn of_agent(hive: &Hive, agent: &AgentId, api_prefix: &str) -> Self {
        let (publish, subscribe): (Vec<Grant>, Vec<Grant>) =
            agent_grants(hive, agent).into_iter().partition(Grant::is_publish);
        let subjects =
            |grants: Vec<Grant>| -> Vec<String> { grants.into_iter().map(|grant| grant.subject).collect() };
        let mut heard = vec![inbox(agent)];
        heard.extend(subjects(subscribe));
        Self {
            publish: under(api_prefix, subjects(publish)),
            subscribe: heard,
            responds: false,
        }
    }

    /// A coordinator: hears everything that is said to it, reads the enrolments, changes lanes for rooms, and takes mail
    /// that nobody read; reads commands, replies and its log, writes its log and the leader's lease, the views of its log
    /// and snapshots of it. It creates no stream, and purges nothing but its log where a snapshot covers it, and snapshots.
    pub fn of_coordinator(hive: &Hive, api_prefix: &str) -> Self {
        let (me, operator) = (AgentId::coordinator(), AgentId::operator());
        let (enrolments, bucket) = (
            Bucket::Enrolments.stream_name(hive),
            Bucket::Enrolments.name(hive),
        );
        let (messages, receipts) = (Stream::Messages.name(hive), Stream::Receipts.name(hive));
        let (tasks, events) = (Stream::Tasks.name(hive), Stream::Events.name(hive));
        let leader = Bucket::Leader.stream_name(hive);
        let mut publish = vec![
            format!("{hive}.wake.msg.*.*"),
            format!("{hive}.msg.*.*.{me}"),
            // What its HTTP API takes from the operator. In an agent's name it writes nothing here.
            format!("{hive}.msg.*.*.{operator}"),
            format!("{hive}.room.*.*.{operator}"),
            format!("{hive}.task.*.*.{operator}"),
            format!("{hive}.receipt.*.*.{me}"),
            format!("{hive}.dlq.*.{me}"),
            format!("{hive}.event.*.{me}"),
            format!("$KV.{bucket}.*"),
            Bucket::Leader.key_subject(hive, &me),
        ];
        if api_prefix != JETSTREAM_API {
            // There, stock clients write to buckets through the API's prefix.
            publish.push(format!("{api_prefix}.$KV.{bucket}.*"));
        }
        let api = JETSTREAM_API;
        publish.extend(
            Stream::ALL
                .iter()
                .map(|stream| stream.name(hive))
                .chain([enrolments.clone()])
                .map(|stream| format!("{api}.STREAM.INFO.{stream}")),
        );
        publish.extend([
            format!("{api}.DIRECT.GET.{enrolments}.>"),
            format!("{api}.STREAM.MSG.GET.{enrolments}"),
            // With and without a name: a watch of the bucket has none.
            format!("{api}.CONSUMER.CREATE.{enrolments}"),
            format!("{api}.CONSUMER.CREATE.{enrolments}.>"),
            format!("{api}.CONSUMER.INFO.{enrolments}.*"),
            format!("$JS.FC.{enrolments}.>"),
            // What waits for an agent that is away, to tell the sender.
            format!("{api}.STREAM.MSG.GET.{messages}"),
            format!("{api}.STREAM.MSG.GET.{receipts}"),
            // What was stored under an id that is used again.
            format!("{api}.STREAM.MSG.GET.{tasks}"),
            format!("{api}.CONSUMER.INFO.{messages}.*"),
            format!("{api}.CONSUMER.INFO.{receipts}.*"),
            // What nobody read before the stream drops it becomes a dead letter: fetched as below, and acked.
            format!("$JS.ACK.{messages}.>"),
            // For `room join` and `room leave`, and to read what is said to it.
            format!("{api}.CONSUMER.CREATE.{messages}.>"),
            format!("{api}.DIRECT.GET.{leader}.>"),
            // The last line of the log, after an append without an answer.
            format!("{api}.STREAM.MSG.GET.{events}"),
            format!("{api}.DIRECT.GET.{events}"),
        ]);
        publish.extend(projections(hive));
        publish.extend(snapshots(hive, &events));
        for stream in [messages, receipts, tasks, events, Stream::Dlq.name(hive)] {
            // Readers that keep their own place have no name.
            publish.push(format!("{api}.CONSUMER.CREATE.{stream}"));
            publish.push(format!("{api}.CONSUMER.MSG.NEXT.{stream}.*"));
        }
        let mut subscribe = vec![
            inbox(&me),
            format!("{hive}.hb.*"),
            format!("{hive}.api.*.*"),
            format!("{hive}.room.*.*.*"),
            format!("{hive}.wake.*.*.*"),
            format!("{hive}.sys.>"),
        ];
        for verb in ["PING", "INFO", "STATS"] {
            subscribe.extend([format!("$SRV.{verb}"), format!("$SRV.{verb}.>")]);
        }
        Self {
            publish: under(api_prefix, publish),
            subscribe,
            responds: true,
        }
    }

    /// Somebody who looks: reads every stream of the hive, writes nothing, creates no consumer.
    pub fn of_inspector(hive: &Hive, api_prefix: &str) -> Self {
        let buckets = Bucket::ALL
            .iter()
            .map(|bucket| bucket.stream_name(hive))
            .chain([ObjectStore::Snapshots.stream_name(hive)]);
        let streams = Stream::ALL.iter().map(|stream| stream.name(hive));
        let api = JETSTREAM_API;
        let reads = |stream: String| {
            [
                format!("{api}.STREAM.INFO.{stream}"),
                format!("{api}.STREAM.MSG.GET.{stream}"),
                format!("{api}.DIRECT.GET.{stream}"),
                format!("{api}.DIRECT.GET.{stream}.>"),
                format!("{api}.CONSUMER.NAMES.{stream}"),
                format!("{api}.CONSUMER.LIST.{stream}"),
                format!("{api}.CONSUMER.INFO.{stream}.*"),
            ]
        };
        let mut publish: Vec<String> = streams.chain(buckets).flat_map(reads).collect();
        for verb in ["PING", "INFO", "STATS"] {
            publish.extend([format!("$SRV.{verb}"), format!("$SRV.{verb}.>")]);
        }
        Self {
            publish: under(api_prefix, publish),
            // Stock tools ask with the common beginning of reply subjects.
            subscribe: vec!["_INBOX.>".to_owned(), format!("{hive}.>")],
            responds: false,
        }
    }
}

/// The views of the log: written by compare and set, and read to be compared with it.
fn projections(hive: &Hive) -> Vec<String> {
    let api = JETSTREAM_API;
    let of = |bucket: &Bucket| {
        let stream = bucket.stream_name(hive);
        [
            format!("$KV.{}.>", bucket.name(hive)),
            format!("{api}.STREAM.INFO.{stream}"),
            format!("{api}.DIRECT.GET.{stream}.>"),
            format!("{api}.CONSUMER.CREATE.{stream}"),
            format!("{api}.CONSUMER.CREATE.{stream}.>"),
            format!("{api}.CONSUMER.MSG.NEXT.{stream}.*"),
        ]
    };
    [Bucket::Tasks, Bucket::Agents, Bucket::Fsm]
        .iter()
        .flat_map(of)
        .collect()
}

/// Snapshots of the log, and to let go what they cover.
fn snapshots(hive: &Hive, events: &str) -> Vec<String> {
    let api = JETSTREAM_API;
    let store = ObjectStore::Snapshots;
    let stream = store.stream_name(hive);
    vec![
        format!("$O.{}.>", store.name(hive)),
        format!("{api}.STREAM.INFO.{stream}"),
        format!("{api}.STREAM.MSG.GET.{stream}"),
        format!("{api}.DIRECT.GET.{stream}.>"),
        format!("{api}.CONSUMER.CREATE.{stream}"),
        format!("{api}.CONSUMER.CREATE.{stream}.>"),
        format!("{api}.CONSUMER.INFO.{stream}.*"),
        format!("$JS.FC.{stream}.>"),
        format!("{api}.STREAM.PURGE.{stream}"),
        format!("{api}.STREAM.PURGE.{events}"),
    ]
}

/// The same rights below another beginning of the API, too. Both are needed: a server maps its own domain's prefix to
/// [`JETSTREAM_API`] before it looks at the permissions, and one beyond a leaf node does not.
fn under(api_prefix: &str, mut subjects: Vec<String>) -> Vec<String> {
    if api_prefix != JETSTREAM_API {
        let below = |subject: &String| Some(format!("{api_prefix}{}", subject.strip_prefix(JETSTREAM_API)?));
        let renamed: Vec<String> = subjects.iter().filter_map(below).collect();
        subjects.extend(renamed);
    }
    subjects
}

fn inbox(agent: &AgentId) -> String {
    format!("{}.>", inbox_prefix(agent))
}

/// Entries for the list of users of an account in the configuration of nats-server.
pub(super) fn conf(export: &Export) -> String {
    let mut lines = vec![
        format!(
            "# Users of the hive {} for nats-server: entries for the list `users: [ … ]` of the account that",
            export.hive
        ),
        "# holds its streams. Written by `wagglebus provision --export`; public keys only.".to_owned(),
    ];
    for (name, key, permissions) in export.users() {
        lines.push(format!("{{ nkey: {key}, permissions: {{   # {name}"));
        lines.push("    publish: { allow: [".to_owned());
        lines.extend(
            permissions
                .publish
                .iter()
                .map(|subject| format!("      \"{subject}\"")),
        );
        lines.push("    ] }".to_owned());
        lines.push("    subscribe: { allow: [".to_owned());
        lines.extend(
            permissions
                .subscribe
                .iter()
                .map(|subject| format!("      \"{subject}\"")),
        );
        lines.push("    ] }".to_owned());
        if permissions.responds {
            lines.push(format!(
                "    allow_responses: {{ max: {RESPONSES_MAX}, expires: \"{RESPONSES_WITHIN}\" }}"
            ));
        }
        lines.push("} }".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The options of `nsc add user` for these permissions, one line each.
pub(super) fn nsc_options(permissions: &Permissions) -> Vec<String> {
    // Quoted: `$` and `>` mean something to a shell. No subject holds a quote or a comma.
    let mut options: Vec<String> = Vec::new();
    options.extend(
        permissions
            .publish
            .iter()
            .map(|subject| format!("--allow-pub '{subject}'")),
    );
    options.extend(
        permissions
            .subscribe
            .iter()
            .map(|subject| format!("--allow-sub '{subject}'")),
    );
    if permissions.responds {
        options.push(format!(
            "--allow-pub-response={RESPONSES_MAX} --response-ttl {RESPONSES_WITHIN}"
        ));
    }
    options
}
