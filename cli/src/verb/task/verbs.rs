//! What is said about a task: by its holder, its submitter or the operator.

use serde_json::Value;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::number::Fraction;
use wagglebus_schemas::{AgentId, Command, Id};

use super::given::json;
use super::tell;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::value;

/// Take a task on; one that is nobody's is claimed
#[derive(Debug, clap::Args)]
pub(crate) struct Accept {
    #[command(flatten)]
    of: Of,
}

/// Give a task back: somebody else gets it
#[derive(Debug, clap::Args)]
pub(crate) struct Refuse {
    #[command(flatten)]
    of: Of,
    /// Why
    reason: String,
}

/// Say how far a task is
#[derive(Debug, clap::Args)]
pub(crate) struct Progress {
    #[command(flatten)]
    of: Of,
    /// The part that is done: 0 to 1, or 0% to 100%
    progress: String,
    /// What there is to say; needed when the part falls
    #[arg(long)]
    note: Option<String>,
}

/// Say that a task waits for something
#[derive(Debug, clap::Args)]
pub(crate) struct Block {
    #[command(flatten)]
    of: Of,
    /// For what
    reason: String,
}

/// Go on with a task that waited
#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    of: Of,
}

/// End a task with its result
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus task complete ID 'merged as 4f2a'
  wagglebus task complete ID '{\"words\":7}' --evidence '[\"out.log\"]'
  ./report | wagglebus task complete ID -")]
pub(crate) struct Complete {
    #[command(flatten)]
    of: Of,
    /// What came of it, as JSON or text; - from standard input; nothing: null
    result: Option<String>,
    /// What shows that it is done, as JSON or text
    #[arg(long, value_name = "JSON")]
    evidence: Option<String>,
}

/// Give a task up
#[derive(Debug, clap::Args)]
pub(crate) struct Fail {
    #[command(flatten)]
    of: Of,
    /// What went wrong
    error: String,
    /// Another attempt may work
    #[arg(long)]
    retryable: bool,
}

/// Withdraw a task of one's own
#[derive(Debug, clap::Args)]
pub(crate) struct Cancel {
    /// The task
    task: String,
    /// Why
    #[arg(default_value = "not wanted any more")]
    reason: String,
}

/// Give a task to an agent, as the operator
#[derive(Debug, clap::Args)]
pub(crate) struct Assign {
    /// The task
    task: String,
    /// Who gets it
    agent: String,
    /// Also take it away from who holds it
    #[arg(long)]
    force: bool,
}

/// Which task, and which assignment of it.
#[derive(Debug, clap::Args)]
struct Of {
    /// The task
    task: String,
    /// The assignment that is meant; else the last one that came to this agent
    #[arg(long)]
    epoch: Option<u64>,
}

/// A command as it was given.
pub(super) struct Given {
    task: Id,
    verb: TaskVerb,
    command: Command,
}

impl Given {
    /// Has the sidecar keep it, and says what became of it.
    pub(super) async fn tell(self, session: &Session, output: &mut Output) -> Result<(), Failure> {
        let Self { task, verb, command } = self;
        let answer = session.client()?.command_task(task, verb, &command).await?;
        tell(&answer, task, session, output)
    }
}

/// A command under an id of its own, so that a broken connection can be repeated without ever doubling it.
fn fresh() -> Command {
    Command {
        id: Some(Id::from_uuid(uuid::Uuid::now_v7())),
        ..Command::default()
    }
}

impl Of {
    fn given(&self, verb: TaskVerb, fields: impl FnOnce(&mut Command)) -> Result<Given, Failure> {
        let mut command = fresh();
        command.epoch = self.epoch;
        fields(&mut command);
        let task = value::id(&self.task)?;
        Ok(Given { task, verb, command })
    }
}

impl Accept {
    pub(super) fn given(self) -> Result<Given, Failure> {
        self.of.given(TaskVerb::Accept, |_| {})
    }
}

impl Refuse {
    pub(super) fn given(self) -> Result<Given, Failure> {
        self.of
            .given(TaskVerb::Refuse, |command| command.reason = Some(self.reason))
    }
}

impl Progress {
    pub(super) fn given(self) -> Result<Given, Failure> {
        let part = part(&self.progress)?;
        self.of.given(TaskVerb::Progress, |command| {
            command.progress = Some(part);
            command.note = self.note;
        })
    }
}

impl Block {
    pub(super) fn given(self) -> Result<Given, Failure> {
        self.of
            .given(TaskVerb::Block, |command| command.reason = Some(self.reason))
    }
}

impl Resume {
    pub(super) fn given(self) -> Result<Given, Failure> {
        self.of.given(TaskVerb::Resume, |_| {})
    }
}

impl Complete {
    pub(super) fn given(self) -> Result<Given, Failure> {
        let result = self
            .result
            .map_or(Ok(Value::Null), |given| json(&given, "result"))?;
        let evidence = self.evidence.map(|given| json(&given, "evidence")).transpose()?;
        self.of.given(TaskVerb::Complete, |command| {
            command.result = Some(result);
            command.evidence = evidence;
        })
    }
}

impl Fail {
    pub(super) fn given(self) -> Result<Given, Failure> {
        self.of.given(TaskVerb::Fail, |command| {
            command.error = Some(self.error);
            command.retryable = self.retryable.then_some(true);
        })
    }
}

impl Cancel {
    pub(super) fn given(self) -> Result<Given, Failure> {
        Ok(Given {
            task: value::id(&self.task)?,
            verb: TaskVerb::Cancel,
            command: Command {
                reason: Some(self.reason),
                ..fresh()
            },
        })
    }
}

impl Assign {
    pub(super) fn given(self) -> Result<Given, Failure> {
        let agent: Result<AgentId, _> = self.agent.parse();
        let agent = agent.map_err(|error| Failure::invalid(error.to_string()))?;
        Ok(Given {
            task: value::id(&self.task)?,
            verb: TaskVerb::Assign,
            command: Command {
                agent: Some(agent),
                force: self.force.then_some(true),
                ..fresh()
            },
        })
    }
}

/// A part of a whole: `0.25` or `25%`.
fn part(given: &str) -> Result<Fraction, Failure> {
    let percent = given.strip_suffix('%');
    let number: Option<f64> = percent.unwrap_or(given).trim().parse().ok();
    let part = number.map(|number| if percent.is_some() { number / 100.0 } else { number });
    part.and_then(|part| Fraction::try_from(part).ok())
        .ok_or_else(|| {
            Failure::invalid(format!("{given:?} is no part of a whole")).fix("write 0 to 1, or 0% to 100%")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_fraction_or_a_percentage() {
        for (given, expected) in [
            ("0.25", 0.25),
            ("25%", 0.25),
            ("1", 1.0),
            ("0", 0.0),
            ("100%", 1.0),
        ] {
            assert_eq!(
                part(given).unwrap(),
                Fraction::try_from(expected).unwrap(),
                "{given}"
            );
        }
        for bad in ["2", "101%", "-1", "half", "", "NaN"] {
            assert_eq!(part(bad).unwrap_err().exit_code(), 6, "{bad}");
        }
    }
}
