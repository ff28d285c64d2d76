//! `status`: what runs here, and what it promises.

mod named;

use std::collections::BTreeMap;

use futures::TryStreamExt;
use serde::Serialize;
use wagglebus_client::{Client, Endpoint, Token, discovery};
use wagglebus_nats::keys::BusUser;
use wagglebus_nats::server::monitor::Scope;
use wagglebus_nats::server::{Health, Monitor};
use wagglebus_nats::trust::meaning;
use wagglebus_schemas::control::AgentControl;
use wagglebus_schemas::places::{AgentFile, BusFile, CoordinatorAddress, Places, Trust};
use wagglebus_schemas::stream::Stream;

use crate::attachment;
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::redundancy::Redundancy;
use crate::session::Session;
use crate::target::BusArgs;
use crate::up::furnish::connect_as;
use crate::up::ready::{durability, mebibytes};

/// Show what runs here: server, durability, trust, fill of the streams, sidecars
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    bus: BusArgs,
}

/// Everything that `status` says.
#[derive(Debug, Serialize)]
struct Status {
    #[serde(flatten)]
    bus: BusFile,
    /// `ok`, or what is wrong.
    server: String,
    server_version: Option<String>,
    /// `ok`, or what is wrong; absent while there is none.
    coordinator_state: Option<String>,
    trust: Trust,
    /// Null while the streams cannot be seen.
    redundancy: Option<Redundancy>,
    streams: Vec<Fill>,
    sidecars: Vec<Sidecar>,
}

/// How full a stream is.
#[derive(Debug, Serialize)]
pub(crate) struct Fill {
    pub(crate) stream: String,
    messages: u64,
    pub(crate) bytes: u64,
    pub(crate) max_bytes: i64,
    /// How many servers hold a copy.
    replicas: u64,
}

impl Fill {
    #[cfg(test)]
    pub(crate) fn of(stream: &str, bytes: u64, max_bytes: i64) -> Self {
        Self {
            stream: stream.to_owned(),
            messages: 1,
            bytes,
            max_bytes,
            replicas: 1,
        }
    }

    /// In percent; 0 where there is no bound.
    pub(crate) fn percent(&self) -> u64 {
        let limit = u64::try_from(self.max_bytes).unwrap_or_default();
        self.bytes
            .saturating_mul(100)
            .checked_div(limit)
            .unwrap_or_default()
    }
}

#[derive(Debug, Serialize)]
struct Sidecar {
    #[serde(flatten)]
    file: AgentFile,
    ready: bool,
    /// The pane that it writes into.
    pane: Option<String>,
    /// Checks that are not `ok`, with the reason.
    failing: BTreeMap<&'static str, String>,
    /// What the operator wants of its agent; absent: nothing was ever said.
    #[serde(skip_serializing_if = "Option::is_none")]
    control: Option<AgentControl>,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match args.bus.named(session)? {
        Some(settings) => named::run(settings, session, output).await,
        None => run_own(session, output).await,
    }
}

/// Of the running `up`, whatever else is named.
pub(crate) async fn run_own(session: &Session, output: &mut Output) -> Result<(), Failure> {
    let status = look(session.places()).await?;
    if output.json() {
        output.record(&status)?;
        return Ok(());
    }
    show(&status, output)
}

async fn look(places: &Places) -> Result<Status, Failure> {
    let bus = discovery::bus(places)?;
    let monitor = Monitor::from_url(&bus.monitor).map_err(|error| Failure::caused(&error))?;
    let server = match monitor.health(Scope::Everything).await {
        Health::Well => "ok".to_owned(),
        Health::Ill(reason) => reason,
    };
    // A server that is down is told by its health: the rest of the answer is still worth having.
    let (server_version, streams) = match fills(places, &bus.url).await {
        Ok((version, streams)) => (Some(version), streams),
        Err(_) => (None, Vec::new()),
    };
    let coordinator_state = match &bus.coordinator {
        Some(address) => Some(coordinator(address).await),
        None => None,
    };
    let sidecars = sidecars(places).await?;
    Ok(Status {
        bus,
        server,
        server_version,
        coordinator_state,
        trust: Trust::Isolated,
        redundancy: Redundancy::of(streams.iter().map(|fill| fill.replicas)),
        streams,
        sidecars,
    })
}

/// Every sidecar of this hive on this machine.
async fn sidecars(places: &Places) -> Result<Vec<Sidecar>, Failure> {
    let files = discovery::sidecars(places);
    let files =
        files.map_err(|error| Failure::failed("the run folder cannot be read").why(error.to_string()))?;
    let mut sidecars = Vec::new();
    for file in files {
        let attached =
            attachment::of(places, &file.agent).and_then(|_| attachment::pane(places, &file.agent));
        let mut sidecar = ask(file).await;
        sidecar.pane = attached.map(|attached| attached.pane);
        sidecars.push(sidecar);
    }
    Ok(sidecars)
}

pub(crate) async fn fills(places: &Places, url: &str) -> Result<(String, Vec<Fill>), Failure> {
    let (connection, session) = connect_as(places, url, BusUser::Inspector).await?;
    let ours: Vec<String> = Stream::ALL
        .iter()
        .map(|stream| stream.name(places.hive()))
        .collect();
    let infos = session.jetstream().streams();
    let infos: Vec<_> = infos
        .try_collect()
        .await
        .map_err(|error| Failure::caused(&error))?;
    let mut fills: Vec<_> = infos
        .into_iter()
        .filter(|info| ours.contains(&info.config.name))
        .map(|info| Fill {
            stream: info.config.name,
            messages: info.state.messages,
            bytes: info.state.bytes,
            max_bytes: info.config.max_bytes,
            replicas: u64::try_from(info.config.num_replicas).unwrap_or(u64::MAX),
        })
        .collect();
    fills.sort_by_key(|fill: &Fill| ours.iter().position(|name| *name == fill.stream));
    let version = session.server().version.to_string();
    connection.close().await;
    Ok((version, fills))
}

/// Whether a coordinator is ready: `ok`, or what is wrong. What is asked needs no token.
pub(crate) async fn coordinator(address: &CoordinatorAddress) -> String {
    let token = std::fs::read_to_string(&address.token_file).unwrap_or_default();
    let endpoint = Token::new(&token).and_then(|token| Endpoint::tcp(&address.http, token));
    match endpoint.map(Client::new) {
        Ok(client) => match client.checks().await {
            Ok(checks) => failing(&checks),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    }
}

/// Those of the checks that fail, in one line; `ok` when none does.
fn failing(checks: &BTreeMap<String, String>) -> String {
    let failing = checks.iter().filter(|(_, state)| *state != "ok");
    let failing: Vec<String> = failing.map(|(check, state)| format!("{check} {state}")).collect();
    if failing.is_empty() {
        "ok".to_owned()
    } else {
        failing.join("; ")
    }
}

async fn ask(file: AgentFile) -> Sidecar {
    let client = Client::new(Endpoint::Unix(file.socket.clone()));
    match client.readyz().await {
        Ok(answer) => {
            let checks = answer.value.checks;
            let all = [
                ("bus", checks.bus),
                ("spool", checks.spool),
                ("lease", checks.lease),
            ];
            let failing = all.into_iter().filter(|(_, state)| state != "ok").collect();
            Sidecar {
                file,
                ready: answer.value.ready,
                pane: None,
                failing,
                control: answer.value.control,
            }
        }
        Err(error) => Sidecar {
            file,
            ready: false,
            pane: None,
            failing: BTreeMap::from([("api", error.to_string())]),
            control: None,
        },
    }
}

fn show(status: &Status, output: &mut Output) -> Result<(), Failure> {
    let bus = &status.bus;
    let version = status.server_version.as_deref().unwrap_or("of unknown version");
    output.line(format!(
        "bus         {}, nats-server {version}, process {}: {}",
        bus.url, bus.pid, status.server
    ))?;
    output.line(format!("durability  {}", durability(bus.durability)))?;
    output.line(format!("trust       {}: {}", status.trust, meaning(status.trust)))?;
    show_redundancy(status.redundancy, output)?;
    output.line(match (&bus.coordinator, &status.coordinator_state) {
        (Some(address), Some(state)) => format!("coordinator {}: {state}", address.http),
        _ => "coordinator none; messages flow without it".to_owned(),
    })?;
    show_fills(&status.streams, output)?;
    show_sidecars(&status.sidecars, output)
}

fn show_redundancy(redundancy: Option<Redundancy>, output: &mut Output) -> Result<(), Failure> {
    match redundancy {
        Some(redundancy) => Ok(output.line(format!("redundancy  {}", redundancy.text()))?),
        None => Ok(()),
    }
}

fn show_fills(fills: &[Fill], output: &mut Output) -> Result<(), Failure> {
    let mut rows = table(["STREAM", "MESSAGES", "BYTES", "OF", "FILL"]);
    for fill in fills {
        let limit = u64::try_from(fill.max_bytes).unwrap_or_default();
        rows.add_row([
            fill.stream.clone(),
            fill.messages.to_string(),
            fill.bytes.to_string(),
            mebibytes(limit),
            format!("{} %", fill.percent()),
        ]);
    }
    output.line("")?;
    Ok(output.table(&rows)?)
}

fn show_sidecars(sidecars: &[Sidecar], output: &mut Output) -> Result<(), Failure> {
    let mut rows = table(["SIDECAR", "PROCESS", "TRUST", "STATE", "PANE", "SOCKET"]);
    for sidecar in sidecars {
        let failing: Vec<String> = sidecar
            .failing
            .iter()
            .map(|(check, state)| format!("{check}: {state}"))
            .collect();
        let mut state = if sidecar.ready {
            "ready".to_owned()
        } else {
            failing.join("; ")
        };
        let control = sidecar.control.unwrap_or_default();
        for (is, word) in [(control.paused, "paused"), (control.halted, "halted")] {
            if is {
                state = format!("{state}, {word}");
            }
        }
        rows.add_row([
            sidecar.file.agent.to_string(),
            sidecar.file.pid.to_string(),
            sidecar
                .file
                .trust
                .map_or_else(|| "-".to_owned(), |trust| trust.to_string()),
            state,
            sidecar.pane.clone().unwrap_or_else(|| "-".to_owned()),
            sidecar.file.socket.display().to_string(),
        ]);
    }
    output.line("")?;
    Ok(output.table(&rows)?)
}
