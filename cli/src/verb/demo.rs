//! `demo`: the arguments of the demonstration.

/// Show agents exchange durable messages and work on tasks, one of them killed, on a bus of their own; nothing is left
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End when everything is proven: exit 0, or 1 with what is missing; without it they stay until Ctrl-C
    #[arg(long)]
    pub(super) once: bool,
}
