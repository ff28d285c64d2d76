//! `demo`: the arguments of the demonstration.

/// Show two agents exchange durable messages over a bus of their own, and leave nothing behind
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End when everything is proven: exit 0, or 1 with what is missing; without it the two stay until Ctrl-C
    #[arg(long)]
    pub(super) once: bool,
}
