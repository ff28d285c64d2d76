//! `task`: tasks, from their submission to their end.

mod given;
mod look;
mod submit;
mod verbs;

use clap::Subcommand;
use wagglebus_client::Answered;
use wagglebus_schemas::Task;
use wagglebus_schemas::task_api::TaskAnswer;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Tasks: submit one, see where it is, work on it
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Submit(submit::Args),
    Show(look::Show),
    Ls(look::Ls),
    Explain(look::Explain),
    Accept(verbs::Accept),
    Refuse(verbs::Refuse),
    Progress(verbs::Progress),
    Block(verbs::Block),
    Resume(verbs::Resume),
    Complete(verbs::Complete),
    Fail(verbs::Fail),
    Cancel(verbs::Cancel),
    Assign(verbs::Assign),
}

pub(crate) async fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match verb {
        Verb::Submit(args) => submit::run(args, session, output).await,
        Verb::Show(args) => look::show(args, session, output).await,
        Verb::Ls(args) => look::ls(args, session, output).await,
        Verb::Explain(args) => look::explain(args, session, output).await,
        Verb::Accept(args) => args.given()?.tell(session, output).await,
        Verb::Refuse(args) => args.given()?.tell(session, output).await,
        Verb::Progress(args) => args.given()?.tell(session, output).await,
        Verb::Block(args) => args.given()?.tell(session, output).await,
        Verb::Resume(args) => args.given()?.tell(session, output).await,
        Verb::Complete(args) => args.given()?.tell(session, output).await,
        Verb::Fail(args) => args.given()?.tell(session, output).await,
        Verb::Cancel(args) => args.given()?.tell(session, output).await,
        Verb::Assign(args) => args.given()?.tell(session, output).await,
    }
}

/// Says what became of a command about task `id`: `<id> <state>`, or how far it came; or the answer itself as JSON.
fn tell(
    answer: &Answered<TaskAnswer>,
    id: wagglebus_schemas::Id,
    session: &Session,
    output: &mut Output,
) -> Result<(), Failure> {
    if let TaskAnswer::Undecided(_) = answer.value {
        output.note(format!(
            "no coordinator has decided it yet; it is kept until one does: {} task show {id}",
            session.wagglebus()?
        ))?;
    }
    if output.json() {
        return Ok(output.body(&answer.body)?);
    }
    match &answer.value {
        TaskAnswer::Decided(task) => output.line(line(task))?,
        TaskAnswer::Undecided(answer) => output.line(format!("{id} {}", answer.level))?,
    }
    Ok(())
}

fn line(task: &Task) -> String {
    format!("{} {}", task.id, task.state)
}
