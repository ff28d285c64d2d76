//! `up`: runs a bus in the foreground, or has one running in the background.

use wagglebus_schemas::places::Durability;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::up::alerts::AlertArgs;
use crate::up::detach::detach;
use crate::up::forward;
use crate::up::run::{self, Options};

/// Run a bus: nats-server, coordinator and the operator's sidecar; ends with SIGTERM or Ctrl-C
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Return as soon as it is ready, and leave it running; end it with down
    #[arg(long)]
    detach: bool,
    /// The port for NATS clients; else the one of last time, else a free one
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Let the disk lag up to 2 minutes behind: faster, safe against crashes of programs, not of the machine
    #[arg(long)]
    relaxed: bool,
    #[command(flatten)]
    alerts: AlertArgs,
    /// Begin a session of one's own, without a terminal
    #[arg(long, hide = true)]
    session_leader: bool,
    /// End as soon as standard input does
    #[arg(long, hide = true)]
    bound: bool,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let durability = if args.relaxed {
        Durability::Relaxed
    } else {
        Durability::Always
    };
    let config = session.config();
    let (sidecars, passed_over) = forward::to_sidecars(config);
    if let Some(why) = passed_over {
        output.note(why)?;
    }
    let mut coordinator = args.alerts.environment(config.alerts());
    coordinator.extend(forward::to_coordinator(config, std::env::var_os(forward::LISTEN)));
    let options = Options {
        port: args.port,
        durability,
        bound: args.bound,
        coordinator,
        sidecars,
    };
    if args.detach {
        return detach(options, session, output).await;
    }
    if args.session_leader {
        rustix::process::setsid()
            .map_err(|error| Failure::failed("no session of our own").why(error.to_string()))?;
    }
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .init();
    run::run(options, session, output).await
}
