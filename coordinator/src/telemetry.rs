//! Log lines to stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging; a filter that cannot be read is `info`.
pub(crate) fn init(filter: &str) {
    let parsed = EnvFilter::try_new(filter);
    let wrong = parsed.as_ref().err().map(ToString::to_string);
    tracing_subscriber::fmt()
        .with_env_filter(parsed.unwrap_or_else(|_| EnvFilter::new("info")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
    if let Some(wrong) = wrong {
        tracing::warn!(filter, wrong, "this log filter cannot be read; info is used");
    }
}
