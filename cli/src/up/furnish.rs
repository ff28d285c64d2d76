//! What must be done once the server runs: streams and buckets, the operator, contexts for the stock CLI.

use wagglebus_nats::conf::ServerFiles;
use wagglebus_nats::connect::{Connection, Credentials, Session, Settings, connect};
use wagglebus_nats::context_file::{StockContext, Written};
use wagglebus_nats::enrol::{Applicant, Enroller, RunningServer};
use wagglebus_nats::keys::BusUser;
use wagglebus_nats::plan::{Action, Wanted};
use wagglebus_nats::provision::provision;
use wagglebus_nats::server::Monitor;
use wagglebus_nats::topology::{Sizing, streams};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;

/// What was found and made.
#[derive(Debug, Default)]
pub(crate) struct Furnished {
    /// Streams and buckets that were made or changed.
    pub(crate) changed: Vec<String>,
    /// Contexts of the stock CLI that are as they should be.
    pub(crate) contexts: Vec<&'static str>,
    /// Context files of the user that have the same name and were left alone.
    pub(crate) not_ours: Vec<std::path::PathBuf>,
}

/// A connection of one of the bus's own users to our own server.
pub(crate) async fn connect_as(
    places: &Places,
    url: &str,
    user: BusUser,
) -> Result<(Connection, Session), Failure> {
    let mut settings = Settings::new(url, "wagglebus");
    settings.credentials = Credentials::NkeyFile(user.seed_file(places));
    let (connection, _) = connect(settings).await?;
    let session = connection.session().ok_or_else(|| {
        Failure::contract(
            ErrorCode::BusUnreachable,
            format!("the connection to {url} broke at once"),
        )
    })?;
    Ok((connection, session))
}

/// Makes the server what a hive needs.
pub(crate) async fn furnish(
    places: &Places,
    sizing: Sizing,
    url: &str,
    pid: u32,
    monitor: Monitor,
) -> Result<Furnished, Failure> {
    let (connection, session) = connect_as(places, url, BusUser::Admin).await?;
    let specs = streams(places.hive(), sizing);
    let wanted: Vec<Wanted> = specs.iter().map(Wanted::from).collect();
    let plan = provision(session.jetstream(), &wanted)
        .await
        .map_err(|error| Failure::caused(&error))?;
    let changed = plan
        .steps
        .iter()
        .filter(|step| step.action != Action::Ok)
        .map(|step| step.object.to_string());

    let enroller = Enroller {
        places,
        files: &ServerFiles::of(places),
        server: RunningServer {
            url: url.to_owned(),
            pid,
            monitor,
        },
        admin: session.jetstream(),
    };
    enroller
        .enrol(&[Applicant::operator()])
        .await
        .map_err(|error| Failure::caused(&error))?;

    let mut furnished = Furnished {
        changed: changed.collect(),
        ..Furnished::default()
    };
    for context in StockContext::ALL {
        match context
            .write(places, url)
            .map_err(|error| Failure::caused(&error))?
        {
            Written::Done(_) => furnished.contexts.push(context.name()),
            Written::NotOurs(path) => furnished.not_ours.push(path),
        }
    }
    connection.close().await;
    Ok(furnished)
}
