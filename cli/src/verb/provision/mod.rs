//! `provision`: makes the bus have the streams and buckets that a hive needs, says what that would take, or writes it down
//! for an administrator.

mod agent;
mod export;
mod size;

use std::path::PathBuf;

use serde_json::{Value, json};
use wagglebus_client::discovery;
use wagglebus_nats::connect::{Connection, connect};
use wagglebus_nats::enrol::register;
use wagglebus_nats::error::NoAnswer;
use wagglebus_nats::keys::{BusUser, PublicKey};
use wagglebus_nats::plan::{Action, Change, Plan, Step, Wanted};
use wagglebus_nats::provision;
use wagglebus_nats::topology::{Sizing, streams};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::stream::Stream;

use self::agent::{AgentKey, Identity};
use crate::failure::Failure;
use crate::output::Output;
use crate::reader::{ReadError, Reader};
use crate::session::Session;
use crate::target::BusArgs;
use crate::up::furnish::connect_as;
use crate::up::kept::Kept;

/// Make the bus have every stream and bucket that it needs; deletes nothing
///
/// Of the running `up`, or of the bus that is named. With --plan it only says what would be done, with --export it writes
/// down what an administrator of somebody else's NATS would do. Exit 0: nothing stands against it, 1: something there must
/// not be touched; nothing is done then.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only say what would be done
    #[arg(long, conflicts_with_all = ["export", "agents"])]
    plan: bool,
    /// Write files for the administrator of an account in which we may create nothing; asks no server
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "context", "nkey", "creds"])]
    export: Option<PathBuf>,
    /// Write into a folder that is not empty; other files in it stay
    #[arg(long, requires = "export")]
    force: bool,
    /// An agent that shall exist there, with its public key; without one a key is made here, and its file told
    #[arg(long = "agent", value_name = "ID[=U…]")]
    agents: Vec<AgentKey>,
    /// The coordinator's public key, instead of one made here
    #[arg(long, value_name = "U…", requires = "export")]
    coordinator: Option<PublicKey>,
    /// Public key of whoever looks at the streams, instead of one made here
    #[arg(long, value_name = "U…", requires = "export")]
    inspector: Option<PublicKey>,
    /// How many servers keep each stream: 1, 3 or 5 [default: 1]
    #[arg(long, value_name = "N")]
    replicas: Option<u8>,
    /// What all streams together may take, such as 20GiB [default: 4GiB; of the running `up`: as it decided]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    storage: Option<u64>,
    #[command(flatten)]
    bus: BusArgs,
}

/// Storage of a hive on a server of others, unless said otherwise.
const STORAGE_BYTES: u64 = 4 << 30;

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    if let Some(folder) = &args.export {
        return export::run(folder, &args, session, output);
    }
    let (connection, sizing, named) = target(&args, session).await?;
    let bus = connection
        .session()
        .ok_or_else(|| Failure::contract(ErrorCode::BusUnreachable, "the connection broke at once"))?;
    let (js, hive) = (bus.jetstream(), session.places().hive());
    let specs = streams(hive, sizing);
    let wanted: Vec<Wanted> = specs.iter().map(Wanted::from).collect();
    let plan = if args.plan {
        provision::plan(js, &wanted).await
    } else {
        provision::provision(js, &wanted).await
    };
    let plan = plan.map_err(|error| Failure::caused(&error))?;
    let mut enrolled = Vec::new();
    if plan.refusals().next().is_none() {
        if !named && !args.agents.is_empty() {
            return Err(
                Failure::invalid("the running `up` lets agents in by itself").fix("wagglebus auth add ID")
            );
        }
        for agent in &args.agents {
            let identity = Identity::of(agent, session.places())?;
            let applicant = agent.applicant()?;
            let made = register(js, hive, &applicant, &identity.public).await;
            made.map_err(|error| Failure::caused(&error))?;
            enrolled.push(identity);
        }
    }
    connection.close().await;
    show(&plan, &enrolled, output)?;
    match plan.refusals().next() {
        Some((object, refusal)) => {
            Err(Failure::failed(format!("{object} cannot be used")).why(refusal.to_string()))
        }
        None => Ok(()),
    }
}

/// The bus that is meant, how much it shall store, and whether it was named.
async fn target(args: &Args, session: &Session) -> Result<(Connection, Sizing, bool), Failure> {
    if let Some(settings) = args.bus.named(session)? {
        let sizing = args.sizing()?;
        let (connection, _) = connect(settings).await?;
        may_look(&connection, session).await?;
        return Ok((connection, sizing, true));
    }
    if args.replicas.is_some() || args.storage.is_some() {
        return Err(Failure::invalid(
            "the running `up` is one server and decided its size at its first start",
        )
        .fix("name another bus with --server or --context, or write files with --export"));
    }
    let places = session.places();
    let bus = discovery::bus(places)?;
    let (connection, _) = connect_as(places, &bus.url, BusUser::Admin).await?;
    Ok((connection, Kept::load(places)?.sizing()?, false))
}

/// Says so at once when these credentials are not an administrator's: a refused request would wait for its time.
async fn may_look(connection: &Connection, session: &Session) -> Result<(), Failure> {
    let stream = Stream::Messages.name(session.places().hive());
    match Reader::new(connection.clone()).stream(&stream).await {
        Err(ReadError::NoAnswer(NoAnswer::PermissionDenied)) => Err(Failure::contract(
            ErrorCode::Forbidden,
            "these credentials may not look at streams, let alone create them",
        )
        .fix("use an administrator's, or write files for one: wagglebus provision --export DIR")),
        Ok(_) | Err(_) => Ok(()),
    }
}

impl Args {
    fn sizing(&self) -> Result<Sizing, Failure> {
        let sizing = Sizing::new(self.storage.unwrap_or(STORAGE_BYTES), self.replicas.unwrap_or(1));
        sizing.map_err(|error| Failure::invalid(error.to_string()))
    }
}

fn show(plan: &Plan, enrolled: &[Identity], output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        let steps = plan.steps.iter().map(record).collect::<Vec<_>>();
        let agents = enrolled.iter().map(Identity::record).collect::<Vec<_>>();
        output.record(&json!({ "steps": steps, "agents": agents }))?;
        return Ok(());
    }
    output.line(plan.to_string().trim_end())?;
    for identity in enrolled {
        output.line(format!("agent   {identity}"))?;
    }
    Ok(())
}

fn record(step: &Step) -> Value {
    let (action, changes): (&str, &[Change]) = match &step.action {
        Action::Create(_) => ("create", &[]),
        Action::Update { changes, .. } => ("update", changes),
        Action::Ok => ("ok", &[]),
        Action::Refuse(_) => ("refuse", &[]),
    };
    let change = |change: &Change| json!({ "field": change.field, "from": change.from, "to": change.to });
    let list = |changes: &[Change]| changes.iter().map(change).collect::<Vec<_>>();
    let mut record = json!({ "object": step.object.to_string(), "action": action, "changes": list(changes), "kept": list(&step.kept) });
    if let (Action::Refuse(refusal), Some(object)) = (&step.action, record.as_object_mut()) {
        object.insert("reason".into(), refusal.to_string().into());
    }
    record
}
