//! `doctor`: looks at everything that must be right, and says how to mend what is not.

mod bus;
mod fill;
mod machine;
mod named;

use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::redundancy::{self, Redundancy};
use crate::session::Session;
use crate::target::BusArgs;

/// Check everything that must be right, with a fix for what is not; exit 1 if something fails
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    bus: BusArgs,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// As it should be.
    Ok,
    /// Works, and should be better.
    Warn,
    /// Does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Ok,
            detail: detail.into(),
            fix: None,
        }
    }

    fn warn(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Warn,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }

    /// What lies on one server alone is never as it should be.
    fn redundancy(found: Option<Redundancy>) -> Self {
        let check = "redundancy";
        match found {
            Some(found) if found.state == redundancy::State::Redundant => Self::ok(check, found.text()),
            Some(found) => Self::warn(
                check,
                found.text(),
                "for copies, use a cluster of three servers: wagglebus provision --export DIR --replicas 3",
            ),
            None => Self::ok(check, "these credentials may not look at the streams"),
        }
    }

    fn fail(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Fail,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    let mut findings = machine::look(places).await;
    match args.bus.named(session)? {
        Some(settings) => findings.extend(named::look(settings, places).await),
        None => findings.extend(bus::look(places).await),
    }
    if output.json() {
        output.record(&serde_json::json!({ "findings": findings }))?;
    } else {
        for finding in &findings {
            for line in lines(finding) {
                output.line(line)?;
            }
        }
    }
    match findings
        .iter()
        .filter(|finding| finding.state == State::Fail)
        .count()
    {
        0 => Ok(()),
        1 => Err(Failure::failed("1 check failed").fix("follow the fix above it")),
        failed => {
            Err(Failure::failed(format!("{failed} checks failed"))
                .fix("follow the fixes above, from the top"))
        }
    }
}

fn lines(finding: &Finding) -> Vec<String> {
    let state = match finding.state {
        State::Ok => "ok  ",
        State::Warn => "warn",
        State::Fail => "FAIL",
    };
    let mut lines = vec![format!(
        "{state}  {:<12} {}",
        finding.check,
        finding.detail.replace('\n', "; ")
    )];
    lines.extend(
        finding
            .fix
            .as_ref()
            .map(|fix| format!("      {:<12} fix: {fix}", "")),
    );
    lines
}
