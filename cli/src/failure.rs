//! Failures as the user sees them: what, why, how to fix it, and the exit code.

mod sources;
mod usual;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};
use wagglebus_schemas::error::ErrorCode;

use crate::printable;

/// Why a verb did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure(Box<Report>);

#[derive(Debug, Clone, PartialEq)]
struct Report {
    kind: Kind,
    what: String,
    why: Option<String>,
    fix: Option<String>,
    retry_after_ms: Option<u64>,
    details: Option<Value>,
}

/// What decides the exit code (DESIGN 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A code of the contract.
    Contract(ErrorCode),
    /// Refused or invalid, by what the contract has no code for.
    Refused,
    /// Anything else that went wrong.
    Failed,
    /// The command line is not understood.
    Usage,
    /// SIGINT.
    Interrupted,
    /// Nobody reads our stdout any more: the reader has enough, which is no failure.
    ReaderGone,
}

impl Failure {
    fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self(Box::new(Report {
            kind,
            what: what.into(),
            why: None,
            fix: None,
            retry_after_ms: None,
            details: None,
        }))
    }

    /// Exit 1.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(Kind::Failed, what)
    }

    /// Settings that cannot be used, or a server that refuses: time does not heal it. Exit 6.
    pub(crate) fn refused(error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::caused(error);
        failure.0.kind = Kind::Refused;
        failure
    }

    /// What cannot be done here: exit 6.
    pub(crate) fn refused_text(what: impl Into<String>) -> Self {
        Self::new(Kind::Refused, what)
    }

    /// A failure with a code of the contract.
    pub(crate) fn contract(code: ErrorCode, what: impl Into<String>) -> Self {
        Self::new(Kind::Contract(code), what)
    }

    /// Data that no interface accepts: exit 6.
    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::contract(ErrorCode::InvalidMessage, what)
    }

    /// Exit 3.
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::contract(ErrorCode::NotFound, what)
    }

    /// What another program of ours said on its standard error, with its exit code.
    pub(crate) fn of_program(code: Option<i32>, said: &str) -> Self {
        let kind = match code {
            Some(2) => Kind::Usage,
            Some(3) => Kind::Contract(ErrorCode::NotFound),
            Some(5) => Kind::Contract(ErrorCode::BusUnreachable),
            Some(6) => Kind::Refused,
            Some(_) | None => Kind::Failed,
        };
        let told = |mark: &str| said.lines().find_map(|line| line.trim_start().strip_prefix(mark));
        let last = said.lines().last().unwrap_or("it ended without a word");
        let failure = Self::new(kind, told("error: ").unwrap_or(last));
        match told("fix: ") {
            Some(fix) => failure.fix(fix),
            None => failure,
        }
    }

    /// Exit 2.
    pub(crate) fn usage(error: &impl ToString) -> Self {
        let text = error.to_string();
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let mut what = first.strip_prefix("error: ").unwrap_or(first).to_owned();
        // What is missing stands on lines of its own.
        for line in lines.take_while(|line| line.starts_with("  ")) {
            what.push(' ');
            what.push_str(line.trim());
        }
        Self::new(Kind::Usage, what)
    }

    /// Exit 130.
    pub(crate) fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// Exit 1, with everything that an error of ours and its causes say. A text after "; " or on further lines is
    /// advice already.
    pub(crate) fn caused(error: &(dyn Error + 'static)) -> Self {
        let mut causes = Vec::new();
        let mut cause = error.source();
        while let Some(inner) = cause {
            causes.push(inner.to_string());
            cause = inner.source();
        }
        let mut failure = Self::failed(error.to_string());
        if !causes.is_empty() {
            failure.0.why = Some(causes.join(": "));
        }
        failure
    }

    /// Adds details, for programs.
    #[must_use]
    pub(crate) fn details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// One of the details.
    pub(crate) fn detail(&self, key: &str) -> Option<&Value> {
        self.0.details.as_ref()?.get(key)
    }

    /// The same failure under a code of the contract.
    #[must_use]
    pub(crate) fn coded(mut self, code: ErrorCode) -> Self {
        self.0.kind = Kind::Contract(code);
        self
    }

    /// Adds the reason.
    #[must_use]
    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.0.why = Some(why.into()).filter(|why| !why.is_empty());
        self
    }

    /// The reason, where one is said.
    pub(crate) fn why_said(&self) -> Option<&str> {
        self.0.why.as_deref()
    }

    /// Adds how to fix it, with the command to type.
    #[must_use]
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.0.fix = Some(fix.into());
        self
    }

    /// Reads what another run of the command line told with `--json`.
    pub(crate) fn from_json(line: &str) -> Option<Self> {
        let mut value: Value = serde_json::from_str(line).ok()?;
        let error = value.get_mut("error")?;
        let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
        let kind = match text("code")?.as_str() {
            "usage" => Kind::Usage,
            "interrupted" => Kind::Interrupted,
            code => code.parse().map_or(Kind::Failed, Kind::Contract),
        };
        let mut failure = Self::new(kind, text("message")?);
        failure.0.fix = text("hint");
        failure.0.retry_after_ms = error.get("retry_after_ms").and_then(Value::as_u64);
        failure.0.details = error.get_mut("details").map(Value::take);
        Some(failure)
    }

    /// The code of the contract, when it has one.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self.0.kind {
            Kind::Contract(code) => Some(code),
            Kind::Refused | Kind::Failed | Kind::Usage | Kind::Interrupted | Kind::ReaderGone => None,
        }
    }

    /// What went wrong, in one line.
    pub(crate) fn what(&self) -> String {
        match &self.0.why {
            Some(why) => format!("{}: {why}", self.0.what),
            None => self.0.what.clone(),
        }
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.0.kind {
            Kind::Contract(code) => code.exit_code(),
            Kind::Refused => 6,
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Interrupted => 130,
            Kind::ReaderGone => 0,
        }
    }

    /// Has the commands that it names speak to the same hive, and as the same agent, as the one that failed. One without
    /// any names the usual one of its code.
    #[must_use]
    pub(crate) fn addressed(mut self, hive: Option<&str>, sender: Option<&str>) -> Self {
        if self.0.fix.is_none() {
            self.0.fix = self.code().and_then(usual::fix).map(str::to_owned);
        }
        const ABOUT_AN_AGENT: [&str; 8] = ["trace", "inbox", "ack", "nak", "reply", "history", "ask", "task"];
        let fix = self.0.fix.take().map(|fix| {
            let mut parts = fix.split("wagglebus ");
            let mut text = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                text.push_str("wagglebus ");
                let verb = part.split_whitespace().next().unwrap_or_default();
                if let Some(hive) = hive {
                    text.push_str(&format!("--hive {hive} "));
                }
                if let Some(sender) = sender.filter(|_| ABOUT_AN_AGENT.contains(&verb)) {
                    text.push_str(&format!("--as {sender} "));
                }
                text.push_str(part);
            }
            text
        });
        self.0.fix = fix;
        self
    }

    /// Tells it on stderr, once.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        // Who pressed Ctrl-C knows it, but not what it left behind.
        let silent = match self.0.kind {
            Kind::ReaderGone => true,
            Kind::Interrupted => !json && self.0.why.is_none(),
            Kind::Contract(_) | Kind::Refused | Kind::Failed | Kind::Usage => false,
        };
        if !silent {
            let text = if json {
                format!("{}\n", self.json())
            } else {
                // Names of files and words of others may be in it.
                printable::text(self.text().trim_end())
            };
            // Without stderr there is nowhere left to say it; the exit code still does.
            io::stderr().write_all(text.as_bytes()).ok();
        }
        ExitCode::from(self.exit_code())
    }

    fn text(&self) -> String {
        let mut text = format!("error: {}\n", self.0.what);
        if let Some(why) = &self.0.why {
            text.push_str(&format!("  why: {why}\n"));
        }
        if let Some(fix) = &self.0.fix {
            text.push_str(&format!("  fix: {fix}\n"));
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let report = &self.0;
        let code = match report.kind {
            Kind::Contract(code) => code.as_str(),
            Kind::Refused => ErrorCode::Forbidden.as_str(),
            Kind::Failed | Kind::ReaderGone => "failed",
            Kind::Usage => "usage",
            Kind::Interrupted => "interrupted",
        };
        let mut error = json!({ "code": code, "message": self.what() });
        let more = [
            ("hint", report.fix.clone().map(Value::from)),
            ("retry_after_ms", report.retry_after_ms.map(Value::from)),
            ("details", report.details.clone()),
        ];
        if let Some(object) = error.as_object_mut() {
            object.extend(
                more.into_iter()
                    .filter_map(|(key, value)| Some((key.to_owned(), value?))),
            );
        }
        json!({ "error": error })
    }
}

#[cfg(test)]
mod tests;
