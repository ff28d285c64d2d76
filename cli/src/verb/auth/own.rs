//! The administrator's hold on the running `up`.

use wagglebus_client::discovery;
use wagglebus_nats::conf::ServerFiles;
use wagglebus_nats::connect::{Connection, Session as Bus};
use wagglebus_nats::enrol::{Applicant, EnrolError, Enroller, RunningServer};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::keys::BusUser;
use wagglebus_nats::server::Monitor;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;
use crate::up::furnish::connect_as;

/// Does something as the administrator of the running `up`. Returns also where the bus listens.
pub(super) async fn as_admin<T>(
    places: &Places,
    act: impl AsyncFnOnce(&Enroller<'_>) -> Result<T, EnrolError>,
) -> Result<(T, String), Failure> {
    let own = Own::open(places).await?;
    let done = act(&own.enroller(places)).await;
    let url = own.server.url.clone();
    own.close().await;
    Ok((done.map_err(|error| failure(&error))?, url))
}

/// The running bus, and a connection as its administrator.
pub(crate) struct Own {
    connection: Connection,
    bus: Bus,
    files: ServerFiles,
    server: RunningServer,
}

impl Own {
    /// Connects to the running `up`.
    pub(crate) async fn open(places: &Places) -> Result<Self, Failure> {
        let file = discovery::bus(places)?;
        let (connection, bus) = connect_as(places, &file.url, BusUser::Admin).await?;
        let monitor = Monitor::from_url(&file.monitor).map_err(|error| Failure::caused(&error))?;
        Ok(Self {
            connection,
            bus,
            files: ServerFiles::of(places),
            server: RunningServer {
                url: file.url,
                pid: file.pid,
                monitor,
            },
        })
    }

    /// What lets agents in and out.
    pub(crate) fn enroller<'a>(&'a self, places: &'a Places) -> Enroller<'a> {
        Enroller {
            places,
            files: &self.files,
            server: self.server.clone(),
            admin: self.bus.jetstream(),
        }
    }

    /// The administrator's session.
    pub(crate) const fn session(&self) -> &Bus {
        &self.bus
    }

    /// A bus to publish on.
    pub(crate) fn publisher(&self) -> JetStream {
        JetStream::new(self.connection.clone()).0
    }

    /// Ends the connection.
    pub(crate) async fn close(self) {
        self.connection.close().await;
    }
}

/// An agent as somebody who can be enrolled; the operator only where `up` enrolled it before.
pub(crate) fn applicant(agent: &AgentId, ephemeral: bool) -> Result<Applicant, Failure> {
    if *agent == AgentId::operator() {
        return Ok(Applicant::operator());
    }
    Applicant::new(agent.clone(), ephemeral).map_err(|error| Failure::invalid(error.to_string()))
}

/// What went wrong, with what to type.
pub(crate) fn failure(error: &EnrolError) -> Failure {
    match error {
        EnrolError::Stranger { agent } => Failure::contract(ErrorCode::UnknownAgent, error.to_string())
            .fix(format!("wagglebus auth ls lists who is; wagglebus auth add {agent}")),
        EnrolError::Unread { agent, .. } => Failure::refused(error).fix(format!(
            "let it read, see what waits with wagglebus --as {agent} inbox, or make dead letters of it: wagglebus auth rm {agent} --discard-unread"
        )),
        EnrolError::Busy { .. }
        | EnrolError::File(_)
        | EnrolError::Key { .. }
        | EnrolError::NoServer { .. }
        | EnrolError::Roster(_)
        | EnrolError::Reload(_)
        | EnrolError::Login { .. }
        | EnrolError::Consumers { .. }
        | EnrolError::Look { .. }
        | EnrolError::Discard { .. }
        | EnrolError::StillKnown { .. }
        | EnrolError::Record { .. } => Failure::caused(error),
    }
}
