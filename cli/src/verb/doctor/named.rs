//! What must be right about a bus that is named, as far as these credentials may look.

use wagglebus_client::{Client, Endpoint, discovery};
use wagglebus_nats::connect::{ConnectError, Session, Settings, connect};
use wagglebus_nats::error::NoAnswer;
use wagglebus_nats::plan::{Action, Wanted};
use wagglebus_nats::server::WARN_BELOW;
use wagglebus_nats::topology::{STORAGE_BYTES_MIN, Sizing, streams};
use wagglebus_nats::trust::{may_send_as_others, meaning, trust};
use wagglebus_schemas::Hive;
use wagglebus_schemas::limits::ACCOUNT_PAYLOAD_BYTES_MAX;
use wagglebus_schemas::places::{Places, Trust};
use wagglebus_schemas::stream::Stream;

use super::Finding;
use super::bus::sidecars;
use crate::reader::{ReadError, Reader};
use crate::redundancy::Redundancy;

/// How an administrator is told what is needed.
const EXPORT: &str = "wagglebus provision --export DIR --agent ID, for the administrator of that account";

/// Every check of this kind.
pub(super) async fn look(settings: Settings, places: &Places) -> Vec<Finding> {
    let check = "bus";
    let hive = places.hive();
    let trust = trust(&settings, hive);
    let (connection, _) = match connect(settings).await {
        Ok(connected) => connected,
        Err(error) => return vec![Finding::fail(check, error.to_string(), fix(&error))],
    };
    let Some(session) = connection.session() else {
        return vec![Finding::fail(
            check,
            "the connection broke at once",
            "wagglebus doctor, again",
        )];
    };
    let mut findings = vec![
        version(&session),
        payload(&session),
        trusted(&session, hive, trust).await,
    ];
    findings.extend(topology(&Reader::new(connection.clone()), hive, trust).await);
    findings.extend(sidecars(places, false).await);
    findings.extend(roster(places).await);
    connection.close().await;
    findings
}

fn fix(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::NotReachable { .. } | ConnectError::Refused { .. } => {
            "wagglebus config show --origin says who named it; see whether it runs, or name another with --server"
        }
        ConnectError::TooOld { .. } => "upgrade that server, or use one of your own: wagglebus up --detach",
        ConnectError::Auth { .. } | ConnectError::Config { .. } | ConnectError::File { .. } => {
            "wagglebus config show --origin says which key is used; --nkey FILE or --creds FILE names another"
        }
        ConnectError::Tls { .. } => "name the certificates: NATS_CA, NATS_CERT and NATS_KEY, or a context",
    }
}

fn version(session: &Session) -> Finding {
    let server = session.server();
    let detail = format!("{}, nats-server {}", server.address, server.version);
    if server.is_old() {
        let detail = format!("{detail}: below {WARN_BELOW} a crash can cost a stream");
        Finding::warn(
            "bus",
            detail,
            format!("upgrade that server to {WARN_BELOW} or newer"),
        )
    } else {
        Finding::ok("bus", detail)
    }
}

fn payload(session: &Session) -> Finding {
    let max = session.server().max_payload;
    let detail = format!("messages of up to {} KiB", max >> 10);
    if max < ACCOUNT_PAYLOAD_BYTES_MAX {
        Finding::warn(
            "payload",
            detail,
            format!("set max_payload: {ACCOUNT_PAYLOAD_BYTES_MAX} in that server's configuration"),
        )
    } else {
        Finding::ok("payload", detail)
    }
}

async fn trusted(session: &Session, hive: &Hive, trust: Trust) -> Finding {
    let detail = format!("{trust}: {}", meaning(trust));
    match (trust, may_send_as_others(session, hive).await) {
        (Trust::Open, _) => Finding::warn("trust", detail, EXPORT),
        (Trust::Shared, Some(true)) => {
            let detail =
                format!("{detail}; these credentials may send under any name, so no agent should have them");
            Finding::warn("trust", detail, EXPORT)
        }
        (Trust::Shared, Some(false) | None) | (Trust::Isolated, _) => Finding::ok("trust", detail),
    }
}

async fn topology(reader: &Reader, hive: &Hive, trust: Trust) -> Vec<Finding> {
    let check = "streams";
    // The least there can be: a size and a number of servers are the administrator's affair.
    let Ok(least) = Sizing::new(STORAGE_BYTES_MIN, 1) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut unseen = 0;
    let mut copies = Vec::new();
    for spec in streams(hive, least) {
        let found = match reader.stream(&spec.name).await {
            Ok(found) => found,
            // An agent's user may not look; that is as it should be.
            Err(ReadError::NoAnswer(NoAnswer::PermissionDenied)) => {
                unseen += 1;
                continue;
            }
            // An account that imports services cannot even ask.
            Err(ReadError::NoAnswer(NoAnswer::NoResponders)) if trust == Trust::Isolated => {
                unseen += 1;
                continue;
            }
            Err(error) => {
                findings.push(Finding::fail(
                    check,
                    error.to_string(),
                    "wagglebus provision --plan",
                ));
                continue;
            }
        };
        let ours = Stream::ALL.iter().any(|stream| stream.name(hive) == spec.name);
        if let Some(found) = found.as_ref().filter(|_| ours) {
            let replicas = found
                .config
                .get("num_replicas")
                .and_then(serde_json::Value::as_u64);
            copies.push(replicas.unwrap_or(1));
        }
        let step = Wanted::from(&spec).plan(found.as_ref().map(|found| &found.config));
        match &step.action {
            Action::Ok => {}
            Action::Create(_) | Action::Update { .. } => {
                let fix = format!("wagglebus provision; without the right to create streams: {EXPORT}");
                findings.push(Finding::fail(check, step.to_string(), fix));
            }
            Action::Refuse(refusal) => {
                let detail = format!("{}: {refusal}", step.object);
                findings.push(Finding::fail(check, detail, "wagglebus provision --plan"));
            }
        }
    }
    if findings.is_empty() {
        let detail = match unseen {
            0 => "all streams and buckets are as they should be".to_owned(),
            unseen => format!("{unseen} of them may not be looked at with these credentials"),
        };
        findings.push(Finding::ok(check, detail));
    }
    if !copies.is_empty() {
        findings.push(Finding::redundancy(Redundancy::of(copies)));
    }
    findings
}

/// Whether a coordinator answers, as a sidecar of this machine sees it.
async fn roster(places: &Places) -> Option<Finding> {
    let check = "roster";
    let file = discovery::sidecars(places).ok()?.into_iter().next()?;
    let fix = "wagglebus coordinator --server URL --nkey FILE (messages flow without it)";
    let client = Client::new(Endpoint::Unix(file.socket));
    Some(match client.agents(None).await {
        Ok(page) if page.value.items.iter().any(|agent| agent.stale) => {
            Finding::warn(check, "no coordinator answers; the roster is from a cache", fix)
        }
        Ok(page) => Finding::ok(
            check,
            format!("it is answered; {} agents", page.value.items.len()),
        ),
        Err(error) => Finding::warn(check, format!("the roster cannot be had: {error}"), fix),
    })
}
