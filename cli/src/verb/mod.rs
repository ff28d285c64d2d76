//! The verbs, one module each. Only finished ones are listed here, and so in the help.

mod ack;
mod agent;
mod alerts;
mod ask;
mod attach;
mod auth;
mod bench;
mod completions;
mod config;
mod control;
mod demo;
mod dlq;
mod doctor;
mod down;
mod fleet;
mod fsm;
mod history;
mod inbox;
mod init;
mod man;
mod nak;
mod program;
mod provision;
mod replay;
mod reply;
mod room;
mod send;
mod sending;
pub(crate) mod server;
mod settle;
pub(crate) mod status;
mod tail;
mod task;
mod torture;
mod trace;
mod uninstall;
mod up;
mod version;

pub(crate) use attach::record;
pub(crate) use auth::own;
use clap::Subcommand;
pub(crate) use dlq::publish::store;

use crate::demo::play::play;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Up(up::Args),
    Down(down::Args),
    Status(status::Args),
    Demo(demo::Args),
    Attach(attach::Attach),
    Detach(attach::Detach),
    Send(send::Args),
    Ask(ask::Args),
    Reply(reply::Args),
    Inbox(inbox::Args),
    Ack(ack::Args),
    Nak(nak::Args),
    History(history::Args),
    Replay(replay::Args),
    Trace(trace::Args),
    #[command(subcommand)]
    Task(task::Verb),
    #[command(subcommand)]
    Fsm(fsm::Verb),
    #[command(subcommand)]
    Dlq(dlq::Verb),
    #[command(subcommand)]
    Agent(agent::Verb),
    Agents(agent::ls::Args),
    #[command(subcommand)]
    Fleet(fleet::Verb),
    Pause(control::Pause),
    Resume(control::Resume),
    Halt(control::Halt),
    Alerts(alerts::Args),
    #[command(subcommand)]
    Room(room::Verb),
    Tail(tail::Args),
    Doctor(doctor::Args),
    Init(init::Args),
    Uninstall(uninstall::Args),
    #[command(subcommand)]
    Config(config::Verb),
    Provision(provision::Args),
    #[command(subcommand)]
    Auth(auth::Verb),
    #[command(subcommand)]
    Server(server::Verb),
    Sidecar(program::Sidecar),
    Coordinator(program::Coordinator),
    Bench(bench::Args),
    #[command(subcommand)]
    Torture(torture::Verb),
    Completions(completions::Args),
    Man(man::Args),
    Version(version::Args),
}

impl Verb {
    /// Whether it works without configuration, and so helps to mend it.
    pub(crate) const fn needs_no_config(&self) -> bool {
        if let Self::Config(verb) = self {
            return verb.mends();
        }
        matches!(self, Self::Version(_))
    }

    /// Whether it deals with signals itself, and must not just be dropped.
    pub(crate) const fn minds_signals(&self) -> bool {
        matches!(
            self,
            Self::Up(_) | Self::Demo(_) | Self::Send(_) | Self::Ask(_) | Self::Reply(_) | Self::Replay(_)
        )
    }
}

/// Does it when it speaks of this program alone: such a verb needs no home, no configuration and no bus, and a shell that
/// starts shall not fail by any of them.
pub(crate) fn run_alone(verb: &Verb, output: &mut Output) -> Option<Result<(), Failure>> {
    if let Verb::Completions(args) = verb {
        return Some(completions::run(args, output));
    }
    if let Verb::Man(args) = verb {
        return Some(man::run(args, output));
    }
    None
}

/// Does it.
pub(crate) async fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match verb {
        Verb::Up(args) => up::run(args, session, output).await,
        Verb::Down(args) => down::run(args, session, output).await,
        Verb::Status(args) => status::run(args, session, output).await,
        Verb::Attach(args) => attach::attach(args, session, output).await,
        Verb::Detach(args) => attach::detach(args, session, output).await,
        Verb::Demo(args) => play(args.once, session, output).await,
        Verb::Send(args) => send::run(args, session, output).await,
        Verb::Ask(args) => ask::run(args, session, output).await,
        Verb::Reply(args) => reply::run(args, session, output).await,
        Verb::Inbox(args) => inbox::run(args, session, output).await,
        Verb::Ack(args) => ack::run(args, session, output).await,
        Verb::Nak(args) => nak::run(args, session, output).await,
        Verb::History(args) => history::run(args, session, output).await,
        Verb::Replay(args) => replay::run(args, session, output).await,
        Verb::Trace(args) => trace::run(args, session, output).await,
        Verb::Task(verb) => task::run(verb, session, output).await,
        Verb::Fsm(verb) => fsm::run(verb, session, output).await,
        Verb::Dlq(verb) => dlq::run(verb, session, output).await,
        Verb::Agents(args) => agent::ls::run(args, session, output).await,
        Verb::Agent(verb) => agent::run(verb, session, output).await,
        Verb::Fleet(verb) => fleet::run(verb, session, output).await,
        Verb::Pause(args) => control::pause(args, session, output).await,
        Verb::Resume(args) => control::resume(args, session, output).await,
        Verb::Halt(args) => control::halt(args, session, output).await,
        Verb::Alerts(args) => alerts::run(args, session, output).await,
        Verb::Room(verb) => room::run(verb, session, output).await,
        Verb::Tail(args) => tail::run(args, session, output).await,
        Verb::Init(args) => init::run(&args, output),
        Verb::Uninstall(args) => uninstall::run(&args, session, output).await,
        Verb::Doctor(args) => doctor::run(args, session, output).await,
        Verb::Config(verb) => config::run(verb, session, output),
        Verb::Provision(args) => provision::run(args, session, output).await,
        Verb::Auth(verb) => auth::run(verb, session, output).await,
        Verb::Server(verb) => server::run(verb, session, output).await,
        Verb::Sidecar(args) => args.become_it(session),
        Verb::Coordinator(args) => args.become_it(session),
        Verb::Bench(args) => bench::run(args, output).await,
        Verb::Torture(verb) => torture::run(verb, output).await,
        Verb::Completions(args) => completions::run(&args, output),
        Verb::Man(args) => man::run(&args, output),
        Verb::Version(args) => version::run(args, output).await,
    }
}
