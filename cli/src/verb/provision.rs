//! `provision`: makes the bus have the streams and buckets that a hive needs, or says what that would take.

use serde_json::{Value, json};
use wagglebus_client::discovery;
use wagglebus_nats::keys::BusUser;
use wagglebus_nats::plan::{Action, Change, Plan, Step, Wanted};
use wagglebus_nats::provision;
use wagglebus_nats::topology::streams;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::up::furnish::connect_as;
use crate::up::kept::Kept;

/// Make the bus have every stream and bucket that it needs; deletes nothing
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only say what would be done
    #[arg(long)]
    plan: bool,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    let bus = discovery::bus(places)?;
    let specs = streams(places.hive(), Kept::load(places)?.sizing()?);
    let wanted: Vec<Wanted> = specs.iter().map(Wanted::from).collect();
    let (connection, admin) = connect_as(places, &bus.url, BusUser::Admin).await?;
    let js = admin.jetstream();
    let plan = if args.plan {
        provision::plan(js, &wanted).await
    } else {
        provision::provision(js, &wanted).await
    };
    let plan = plan.map_err(|error| Failure::caused(&error))?;
    connection.close().await;
    show(&plan, output)?;
    match plan.refusals().next() {
        Some((object, refusal)) => {
            Err(Failure::failed(format!("{object} cannot be used")).why(refusal.to_string()))
        }
        None => Ok(()),
    }
}

fn show(plan: &Plan, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        output.record(&json!({ "steps": plan.steps.iter().map(record).collect::<Vec<_>>() }))?;
    } else {
        output.line(plan.to_string().trim_end())?;
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
