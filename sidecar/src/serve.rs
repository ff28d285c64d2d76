//! Puts the parts together, and takes them apart in order.

use std::time::Duration;

use tokio::sync::{oneshot, watch};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::trust::{meaning, trust};
use wagglebus_schemas::Id;
use wagglebus_schemas::places::{AgentFile, Trust};
use wagglebus_sidecar_core::event::Identity;
use wagglebus_sidecar_core::machine::{Settings, Sidecar};
use wagglebus_sidecar_core::terminal::frame::Verified;

use crate::args::{Arguments, Mode};
use crate::bridge::agent::{AgentBridge, Checked};
use crate::bridge::stdio::StdioBridge;
use crate::failure::Failure;
use crate::gate::Gate;
use crate::heartbeat::Pulse;
use crate::ready::ReadyFiles;
use crate::roster::Roster;
use crate::run::{End, EventLoop, Parts};
use crate::setup::Setup;
use crate::shutdown::{Signals, shutdown};
use crate::storage::{Recovered, StateFolder, recover};

/// How long a start waits for the lease before it says that it is ready without: the bus may be away for long, and
/// messages can be accepted all the same.
const LEASE_WITHIN: Duration = Duration::from_secs(3);

/// Runs a sidecar until it is told to stop.
///
/// # Errors
/// Why it could not start, or could not go on.
pub(crate) async fn serve(arguments: Arguments) -> Result<(), Failure> {
    if let Mode::Stdio(stdio) = &arguments.mode {
        StdioBridge::check(stdio)?;
    }
    let signals = Signals::listen()?;
    let setup = Setup::new(arguments)?;
    let (arguments, places) = (&setup.arguments, &setup.places);
    let folder = StateFolder::open(&setup.state_dir())?;
    let checked = Checked::new(&setup).await?;
    if let Checked::Tmux(attached) = &checked
        && attached.arguments.record
    {
        println!("{}", attached.told());
        return Ok(());
    }
    let Recovered {
        storage,
        ledger,
        syncs,
        findings,
    } = recover(&folder.spool())?;
    for finding in &findings {
        tracing::error!("spool: {finding}");
    }
    let (connection, bus_events) = setup.connect_as_agent().await?;
    let trust = trust(connection.settings(), places.hive());
    tracing::info!(%trust, "{}", meaning(trust));
    let (bus, late) = JetStream::new(connection.clone());
    let (hive, agent) = (places.hive().clone(), arguments.agent.clone());
    let identity = Identity {
        agent: agent.clone(),
        instance: Id::from_uuid(uuid::Uuid::new_v4()),
        state_id: folder.state_id(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        pid: std::process::id(),
    };
    let slots = setup.slots();
    let settings = Settings {
        hive: hive.clone(),
        identity,
        slots,
        takeover: arguments.takeover,
    };
    let roster = Roster::new(bus.clone(), hive.clone(), agent.clone());
    let (gate, gate_ends) = Gate::new(roster.clone());
    let keeping = tokio::spawn(roster.keep_fresh());

    let socket = places.socket(&agent);
    let (switch, shut) = shutdown();
    let api = crate::bridge::http::open(&agent, &socket, setup.listen(), places, gate.clone()).await?;
    let (http, token_file) = (api.url(), api.token_file());

    let verified = match trust {
        Trust::Isolated => Verified::Bus,
        Trust::Shared | Trust::Open => Verified::Claimed,
    };
    let bridge = AgentBridge::new(checked, &setup, &gate, socket.clone(), verified, api.metrics());
    let serving = tokio::spawn(api.serve(shut.clone()));
    let (epoch, epochs) = watch::channel(0);
    let parts = Parts {
        sidecar: Sidecar::new(settings, ledger),
        storage,
        syncs,
        bus,
        late,
        bus_events,
        gate: gate_ends,
        pulse: Pulse::new(agent.clone(), setup.declared()),
        bridge: bridge.proof(),
        process: bridge.process(),
        hive,
        agent: agent.clone(),
        epoch,
    };
    let (drain_switch, drain) = shutdown();
    let event_loop = EventLoop::new(parts).await;
    // A task of its own: to wake what `main` itself waits for costs a system call each time.
    let mut running = tokio::spawn(event_loop.run(drain));

    let (begun, bridge_begun) = oneshot::channel();
    let bridge_running = tokio::spawn(bridge.run(slots, shut.clone(), begun));
    let mut places_to_write = vec![places.agent_file(&agent)];
    places_to_write.extend(arguments.ready_file.clone());
    let announcing = tokio::spawn(announce(
        ReadyFiles::new(places_to_write),
        AgentFile {
            agent,
            pid: std::process::id(),
            socket,
            http,
            token_file,
            epoch: 0,
            trust: Some(trust),
        },
        epochs,
        bridge_begun,
    ));
    let bridges_end = async {
        let mut signals = signals;
        signals.next().await;
        tracing::info!("shutting down");
        switch.begin();
        // The agent's last words are still sent.
        bridge_running.await.ok();
        drain_switch.begin();
        signals.next().await;
        tracing::warn!("told twice to stop: stopping at once");
    };
    let end = tokio::select! {
        end = &mut running => Some(end),
        () = bridges_end => None,
    };
    if end.is_none() {
        running.abort();
        // The spool is closed before its folder is unlocked.
        running.await.ok();
    }
    announcing.abort();
    keeping.abort();
    // Answers that are on their way still go out.
    tokio::time::timeout(Duration::from_secs(2), serving).await.ok();
    connection.close().await;
    drop(folder);
    match end {
        None | Some(Ok(End::Drained)) => Ok(()),
        Some(Ok(End::Fenced(holder))) => Err(Failure::Fenced(holder)),
        Some(Err(broken)) => match broken.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(broken) => Err(Failure::System(broken.into())),
        },
    }
}

/// Says that the sidecar is ready, and says it again whenever its epoch changed. The files go with the task.
async fn announce(
    files: ReadyFiles,
    mut file: AgentFile,
    mut epochs: watch::Receiver<u64>,
    bridge_begun: oneshot::Receiver<()>,
) {
    // One that has nothing to begin with tells nothing.
    bridge_begun.await.ok();
    let held = epochs.wait_for(|epoch| *epoch != 0);
    if let Ok(Err(_)) = tokio::time::timeout(LEASE_WITHIN, held).await {
        // The event loop ended before it was ready.
        return;
    }
    loop {
        file.epoch = *epochs.borrow_and_update();
        if let Err((path, error)) = files.write(&file) {
            tracing::error!(path = %path.display(), %error, "cannot write the ready file");
        }
        tracing::info!(epoch = file.epoch, socket = %file.socket.display(), "ready");
        if epochs.changed().await.is_err() {
            // The files stay until the task is ended.
            std::future::pending().await
        }
    }
}
