//! What must be there before the server starts: folders, keys, configuration, the binary.

use std::path::Path;
use std::time::Duration;

use wagglebus_nats::conf::{BusKeys, ConfPath, Form, Roster, ServerConf, ServerFiles};
use wagglebus_nats::keys::{BusUser, PublicKey, UserKey};
use wagglebus_nats::private_file;
use wagglebus_nats::server::{Launch, ResolveError, Search, Source};
use wagglebus_schemas::places::{Durability, Places};

use crate::failure::Failure;
use crate::output::Output;
use crate::up::kept::Kept;
use crate::up::logs;
use crate::verb::server::install;

/// A large store takes its time to open after a crash.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A server that can be started.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// How.
    pub(crate) launch: Launch,
    /// Its version, for people.
    pub(crate) version: String,
    /// What is kept for the next time.
    pub(crate) kept: Kept,
}

/// Makes everything ready. What a former `up` made is used again.
pub(crate) async fn prepare(
    places: &Places,
    port: Option<u16>,
    durability: Durability,
    output: &mut Output,
) -> Result<Prepared, Failure> {
    let files = ServerFiles::of(places);
    for dir in [
        places.run_dir(),
        places.state_dir(),
        files.dir(),
        &files.store(),
        &logs::folder(places),
    ] {
        private_file::create_dir(dir).map_err(|error| Failure::caused(&error))?;
    }
    let (program, version) = binary(output).await?;
    let mut kept = Kept::load(places)?;
    let ports = kept.ports(port)?;
    if let Some(before) = kept
        .client_port
        .filter(|before| *before != ports.client && port.is_none())
    {
        let now = ports.client;
        output.note(format!(
            "port {before} is in use by another program: the bus is at port {now} from now on; running sidecars follow"
        ))?;
    }
    kept.client_port = Some(ports.client);
    kept.monitor_port = Some(ports.monitor);
    kept.save(places)?;
    write_configuration(places, &files, &kept, durability)?;
    let launch = Launch {
        program,
        config: files.conf(),
        run_dir: files.dir().to_owned(),
        log: logs::file(places, "nats-server"),
        ports: Some(ports),
        // Two servers on one store would destroy it: this one must not outlive us.
        bound: true,
        ready_within: READY_WITHIN,
    };
    // Puts an overlong log aside.
    logs::open(&launch.log).map_err(|error| cannot_write(&launch.log, &error))?;
    Ok(Prepared {
        launch,
        version,
        kept,
    })
}

/// The binary to run; installed when there is none.
pub(crate) async fn binary(output: &mut Output) -> Result<(std::path::PathBuf, String), Failure> {
    match Search::of_this_process(None).resolve().await {
        Ok(resolution) => Ok((resolution.found.path, resolution.found.version.to_string())),
        Err(nowhere @ ResolveError::Nowhere(_)) => {
            output.note("there is no nats-server here yet")?;
            match install::fetch(Source::Index, output).await {
                Ok(installed) => Ok((installed.path, installed.version.to_string())),
                Err(failure) => Err(Failure::caused(&nowhere).why(failure.what())),
            }
        }
        Err(error @ ResolveError::Explicit { .. }) => Err(Failure::caused(&error)),
    }
}

fn write_configuration(
    places: &Places,
    files: &ServerFiles,
    kept: &Kept,
    durability: Durability,
) -> Result<(), Failure> {
    let store = files.store();
    let store = ConfPath::try_from(store.as_path()).map_err(|error| Failure::caused(&error))?;
    let conf = ServerConf {
        durability,
        ..ServerConf::on_loopback(places.hive().clone(), store, kept.sizing()?, bus_keys(places)?)
    };
    let write = |path: &Path, text: &str| {
        private_file::replace(path, text.as_bytes()).map_err(|error| Failure::caused(&error))
    };
    let former = private_file::read(&files.agents()).map_err(|error| Failure::caused(&error))?;
    let roster = match former {
        Some(text) => Roster::parse(&text)
            .map_err(|error| Failure::caused(&error))?
            .with_form(conf.form),
        None => Roster::new(Form::AccountPerAgent),
    };
    write(&files.agents(), &roster.render(places.hive()))?;
    write(&files.conf(), &conf.render())
}

fn bus_keys(places: &Places) -> Result<BusKeys, Failure> {
    let public = |user: BusUser| -> Result<PublicKey, Failure> {
        let key =
            UserKey::load_or_create(&user.seed_file(places)).map_err(|error| Failure::caused(&error))?;
        Ok(key.public().clone())
    };
    Ok(BusKeys {
        system: public(BusUser::System)?,
        coordinator: public(BusUser::Coordinator)?,
        admin: public(BusUser::Admin)?,
        inspector: public(BusUser::Inspector)?,
    })
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written", path.display())).why(error.to_string())
}
