//! The life of a bus: up in order, kept running, down in order.

use std::ffi::OsString;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};
use wagglebus_client::discovery;
use wagglebus_nats::keys::BusUser;
use wagglebus_nats::server::{Event as ServerEvent, GaveUp, Limits, Monitor, Ports, supervise};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::{BusFile, Durability, Places};

use crate::failure::Failure;
use crate::output::Output;
use crate::programs::{self, COORDINATOR, SIDECAR};
use crate::session::Session;
use crate::up::asked::Asked;
use crate::up::attached::{self, Attached};
use crate::up::child::{self, Program, keep};
use crate::up::furnish::{Furnished, furnish};
use crate::up::leftovers::Record;
use crate::up::lock::{self, Acquired, runs_already};
use crate::up::prepare::{Prepared, prepare};
use crate::up::ready::Ready;
use crate::up::{bus_file, coordinator, logs, signals};

/// How long the operator's sidecar may take to become ready.
const SIDECAR_WITHIN: Duration = Duration::from_secs(30);
/// How long the coordinator may; messaging works without it.
const COORDINATOR_WITHIN: Duration = Duration::from_secs(10);
/// Ends of the operator's sidecar after which it will not become ready.
const SIDECAR_ENDS_MAX: u32 = 3;
/// Distance of two looks for a file by which a program says that it is ready.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The same for a coordinator that was started again.
const COORDINATOR_LOOK_EVERY: Duration = Duration::from_millis(250);

/// How programs are called in logs and records: the operator's sidecar, the coordinator, the server.
const OPERATOR: &str = "operator";
const BRAIN: &str = "coordinator";
const SERVER: &str = "nats-server";

/// What the user chose.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The port for clients.
    pub(crate) port: Option<u16>,
    /// What an ack promises.
    pub(crate) durability: Durability,
    /// Whether the end of standard input ends it, too: so it never outlives who started it.
    pub(crate) bound: bool,
    /// Variables for the coordinator.
    pub(crate) coordinator: Vec<(&'static str, OsString)>,
    /// Arguments for sidecars.
    pub(crate) sidecars: Vec<String>,
}

/// Runs a bus until a signal, or until its server cannot be started.
pub(crate) async fn run(options: Options, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    let _lock = match lock::acquire(places)? {
        Acquired::Ours(lock) => lock,
        Acquired::Theirs(pid) => return Err(runs_already(pid)),
    };
    Asked::of(&options).save(places)?;
    let mut record = Record::open(places);
    for name in record.end().await? {
        output.note(format!("ended {name}, which a former `up` had left behind"))?;
    }
    let brain = programs::beside(COORDINATOR)?;
    let sidecar = programs::beside(SIDECAR)?;
    let end = signals::End::listen(options.bound)?;
    let prepared = prepare(places, options.port, options.durability, output).await?;

    let (stop_server, server_stopped) = watch::channel(false);
    let (stop_children, children_stopped) = watch::channel(false);
    let (tell_server, server_events) = mpsc::unbounded_channel();
    let (tell_children, child_events) = mpsc::unbounded_channel();
    let server = start_server(&prepared, server_stopped, tell_server);
    let kept = (sidecar.clone(), options.sidecars.clone());
    let mut bus = Bus {
        places,
        output,
        record,
        file: None,
        server_events,
        child_events,
        operator_pid: None,
        operator_ends: 0,
        brain_pid: None,
        attached: Attached::new(places.clone(), kept, tell_children.clone()),
        look: signals::attachments()?,
    };
    let mut children = JoinSet::new();
    let start_children = || {
        for program in [
            Program {
                name: BRAIN.to_owned(),
                path: brain,
                arguments: coordinator::arguments(places).into(),
                log: logs::file(places, BRAIN),
                environment: options.coordinator.clone(),
            },
            Program {
                name: OPERATOR.to_owned(),
                path: sidecar.clone(),
                arguments: attached::arguments(OPERATOR, &options.sidecars, &["http"]),
                log: logs::file(places, OPERATOR),
                environment: Vec::new(),
            },
        ] {
            children.spawn(keep(
                program,
                places.hive().clone(),
                children_stopped.clone(),
                tell_children.clone(),
            ));
        }
    };
    let end = tokio::select! {
        failure = bus.live(&prepared, options.durability, start_children) => Some(failure),
        wish = end.wished() => wish.failure(),
    };

    // First those who need the server, then the server, then the sign that it can be found.
    stop_children.send_replace(true);
    bus.attached.end().await;
    while children.join_next().await.is_some() {}
    stop_server.send_replace(true);
    let gave_up = server.await.ok().and_then(Result::err);
    bus_file::remove(places)?;
    coordinator::forget(places);
    bus.record.clear();
    match (end, gave_up) {
        (Some(_), Some(gave_up)) => Err(Failure::caused(&gave_up)),
        (Some(failure), None) => Err(failure),
        (None, _) => Ok(()),
    }
}

fn start_server(
    prepared: &Prepared,
    mut stopped: watch::Receiver<bool>,
    tell: mpsc::UnboundedSender<ServerEvent>,
) -> JoinHandle<Result<(), GaveUp>> {
    let launch = prepared.launch.clone();
    tokio::spawn(async move {
        let stop = async {
            stopped.wait_for(|stop| *stop).await.ok();
        };
        // An unbounded queue: a handful of events for each start of the server, and they must not be lost.
        supervise(launch, Limits::default(), stop, |event| drop(tell.send(event))).await
    })
}

/// A bus that is coming up or running.
struct Bus<'a> {
    places: &'a Places,
    output: &'a mut Output,
    record: Record,
    file: Option<BusFile>,
    server_events: mpsc::UnboundedReceiver<ServerEvent>,
    child_events: mpsc::UnboundedReceiver<child::Event>,
    operator_pid: Option<u32>,
    operator_ends: u32,
    /// The coordinator, for as long as it is not known where it listens.
    brain_pid: Option<u32>,
    /// The sidecars of attached panes.
    attached: Attached,
    /// Says that attachments changed.
    look: Signal,
}

impl Bus<'_> {
    /// Brings everything up and watches over it. Returns only what went wrong.
    async fn live(
        &mut self,
        prepared: &Prepared,
        durability: Durability,
        start_children: impl FnOnce(),
    ) -> Failure {
        if let Err(failure) = self.come_up(prepared, durability, start_children).await {
            return failure;
        }
        loop {
            if let Err(failure) = self.next_event().await {
                return failure;
            }
        }
    }

    async fn come_up(
        &mut self,
        prepared: &Prepared,
        durability: Durability,
        start_children: impl FnOnce(),
    ) -> Result<(), Failure> {
        let (pid, ports) = self.first_start().await?;
        let (url, sizing) = (ports.client_url(), prepared.kept.sizing()?);
        let monitor = Monitor::from_url(&ports.monitor_url()).map_err(|error| Failure::caused(&error))?;
        let furnished = furnish(self.places, sizing, &url, pid, monitor).await?;
        let file = BusFile {
            url,
            monitor: ports.monitor_url(),
            pid,
            supervisor_pid: std::process::id(),
            credentials_file: BusUser::Admin.seed_file(self.places),
            durability,
            coordinator: None,
        };
        bus_file::write(self.places, &file)?;
        self.file = Some(file);
        coordinator::forget(self.places);
        let logged = logs::length(&logs::file(self.places, OPERATOR));
        start_children();
        self.attach()?;
        let mut warnings = self.wait_for_children(logged).await?;
        warnings.extend(furnished.not_ours.iter().map(|path| {
            format!(
                "{} is yours and was left alone: the stock CLI's context of that name is not ours",
                path.display()
            )
        }));
        // The coordinator may have written there, too.
        if let Some(file) = discovery::bus(self.places).ok().or_else(|| self.file.clone()) {
            self.ready(file, prepared, &furnished, warnings)
                .tell(self.places.hive(), self.output)?;
        }
        self.output.finish()?;
        Ok(())
    }

    async fn first_start(&mut self) -> Result<(u32, Ports), Failure> {
        loop {
            match self.server_events.recv().await {
                Some(ServerEvent::Started { pid, ports }) => {
                    self.record.started(SERVER, pid);
                    return Ok((pid, ports));
                }
                Some(event) => self.on_server(event)?,
                None => return Err(server_gone()),
            }
        }
    }

    async fn wait_for_children(&mut self, logged: u64) -> Result<Vec<String>, Failure> {
        let began = Instant::now();
        let log = logs::file(self.places, OPERATOR);
        let operator = AgentId::operator();
        let mut warnings = Vec::new();
        let mut operator_ready = false;
        loop {
            operator_ready |= discovery::sidecar(self.places, &operator)
                .is_ok_and(|file| Some(file.pid) == self.operator_pid);
            let coordinator_ready = self.file.as_ref().is_some_and(|file| file.coordinator.is_some());
            if operator_ready && (coordinator_ready || began.elapsed() >= COORDINATOR_WITHIN) {
                if !coordinator_ready {
                    warnings.push(format!(
                        "the coordinator is not ready; see {}",
                        logs::file(self.places, BRAIN).display()
                    ));
                }
                return Ok(warnings);
            }
            if began.elapsed() >= SIDECAR_WITHIN || self.operator_ends >= SIDECAR_ENDS_MAX {
                return Err(Failure::failed("the operator's sidecar does not become ready")
                    .why(logs::since(&log, logged))
                    .fix(format!("see {}", log.display())));
            }
            tokio::select! {
                event = self.next_event() => event?,
                () = sleep(LOOK_EVERY) => self.look_for_coordinator()?,
            }
        }
    }

    /// Writes into `bus.json` where the coordinator listens, once it says so; when it leads it writes that itself.
    fn look_for_coordinator(&mut self) -> Result<(), Failure> {
        if let (Some(pid), Some(file)) = (self.brain_pid, &mut self.file)
            && let Some(address) = coordinator::address(self.places, pid)?
        {
            self.brain_pid = None;
            bus_file::offer(self.places, &address)?;
            file.coordinator = Some(address);
        }
        Ok(())
    }

    fn ready(
        &self,
        bus: BusFile,
        prepared: &Prepared,
        furnished: &Furnished,
        warnings: Vec<String>,
    ) -> Ready {
        Ready {
            bus,
            server_version: prepared.version.clone(),
            storage_bytes: prepared.kept.storage_bytes,
            changed: furnished.changed.clone(),
            contexts: furnished.contexts.iter().map(|name| (*name).to_owned()).collect(),
            logs: logs::folder(self.places),
            warnings,
        }
    }

    /// Waits for one event and deals with it. Cancel-safe.
    async fn next_event(&mut self) -> Result<(), Failure> {
        tokio::select! {
            event = self.server_events.recv() => match event {
                Some(event) => self.on_server(event),
                None => Err(server_gone()),
            },
            Some(event) = self.child_events.recv() => self.on_child(&event),
            _ = self.look.recv(), if self.file.is_some() => self.attach(),
            () = sleep(COORDINATOR_LOOK_EVERY), if self.brain_pid.is_some() => self.look_for_coordinator(),
        }
    }

    /// Makes the sidecars of attached panes be those that are wanted.
    fn attach(&mut self) -> Result<(), Failure> {
        for odd in self.attached.reconcile() {
            self.output.note(format!("no attachment: {odd}"))?;
        }
        Ok(())
    }

    fn on_server(&mut self, event: ServerEvent) -> Result<(), Failure> {
        let note = match event {
            ServerEvent::Started { pid, .. } => {
                self.record.started(SERVER, pid);
                if let Some(file) = &mut self.file {
                    file.pid = pid;
                    bus_file::set_server_pid(self.places, pid)?;
                }
                format!("nats-server runs again (process {pid})")
            }
            ServerEvent::StartFailed(error) => format!("nats-server does not start: {error}"),
            ServerEvent::Ended(status) => format!("nats-server ended ({status})"),
            ServerEvent::Ill(reason) => format!("nats-server is not well: {reason}"),
            ServerEvent::Recovered => "nats-server is well again".into(),
            ServerEvent::Replacing => "nats-server is ended, because it does not get well".into(),
            ServerEvent::Restarting(wait) => {
                format!("nats-server is started again in {} ms", wait.as_millis())
            }
        };
        Ok(self.output.note(note)?)
    }

    fn on_child(&mut self, event: &child::Event) -> Result<(), Failure> {
        let (name, what, again_in) = match event {
            child::Event::Started { name, pid } => {
                self.record.started(name, *pid);
                if *name == OPERATOR {
                    self.operator_pid = Some(*pid);
                } else if *name == BRAIN {
                    self.brain_pid = Some(*pid);
                }
                return Ok(());
            }
            child::Event::Ended {
                name,
                status,
                again_in,
            } => {
                if *name == OPERATOR {
                    self.operator_ends = self.operator_ends.saturating_add(1);
                } else if *name == BRAIN {
                    self.brain_pid = None;
                    if let Some(file) = &mut self.file {
                        file.coordinator = None;
                        bus_file::withdraw_dead(self.places)?;
                    }
                }
                (name, format!("ended ({status})"), again_in)
            }
            child::Event::Failed {
                name,
                error,
                again_in,
            } => (name, format!("does not start: {error}"), again_in),
        };
        let log = logs::file(self.places, name);
        Ok(self.output.note(format!(
            "{name} {what}; again in {} ms; see {}",
            again_in.as_millis(),
            log.display()
        ))?)
    }
}

fn server_gone() -> Failure {
    Failure::failed("nats-server cannot be kept running")
        .fix("its log says why: wagglebus doctor names it; then start again: wagglebus up --detach")
}
