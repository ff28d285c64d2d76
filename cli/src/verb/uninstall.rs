//! `uninstall`: takes back what wagglebus put on this machine for this hive, exactly that.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use wagglebus_client::discovery;
use wagglebus_nats::context_file::StockContext;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::places::Places;
use wagglebus_schemas::stream::{Stream, lane_consumer};
use wagglebus_schemas::{AgentId, Priority};

use crate::attachment;
use crate::failure::Failure;
use crate::output::Output;
use crate::reader::{ReadError, Reader};
use crate::session::Session;
use crate::spool;
use crate::up::furnish::connect_as;
use crate::verb::down;

/// Remove what wagglebus put on this machine for this hive; keeps keys, messages and spools unless told otherwise
///
/// Ends the bus and detaches panes; programs of agents go on. Configuration files that you wrote stay.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also remove keys, messages and spools; refused while mail is unread
    #[arg(long)]
    purge: bool,
    /// Purge all the same, with the mail that nobody read
    #[arg(long, requires = "purge")]
    discard_unread: bool,
    /// Only list what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do it
    #[arg(short, long)]
    yes: bool,
}

impl Args {
    /// What was typed, and that it is meant.
    fn go(&self) -> String {
        let mut typed = String::from("do it: wagglebus uninstall");
        for (given, option) in [
            (self.purge, " --purge"),
            (self.discard_unread, " --discard-unread"),
        ] {
            typed.push_str(if given { option } else { "" });
        }
        typed + " --yes"
    }
}

/// Something of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Ours {
    what: &'static str,
    path: PathBuf,
}

pub(crate) async fn run(args: &Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    let ours = list(places, args.purge);
    let does_it = args.yes && !args.dry_run && !ours.is_empty();
    if does_it {
        refuse_while_sidecars_run(places)?;
        if args.purge && !args.discard_unread {
            refuse_unread(places).await?;
        }
    }
    if !output.json() {
        let verb = if does_it { "removes" } else { "would remove" };
        for item in &ours {
            output.line(format!("{verb} {}: {}", item.what, item.path.display()))?;
        }
        if ours.is_empty() {
            output.note("nothing of this hive is here")?;
        } else if !args.purge {
            output.note(format!(
                "keeps keys, messages and spools: {}",
                places.state_dir().display()
            ))?;
        }
    }
    if args.dry_run || ours.is_empty() {
        return told(&ours, false, output);
    }
    if !does_it {
        return Err(Failure::usage(&"nothing was removed yet").fix(args.go()));
    }
    down::end(places).await?;
    for context in StockContext::ALL {
        if context.is_there(places) {
            context.remove(places).map_err(|error| Failure::caused(&error))?;
        }
    }
    for item in &ours {
        remove(&item.path)?;
    }
    told(&ours, true, output)
}

fn told(ours: &[Ours], removed: bool, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        return Ok(output.record(&json!({ "items": ours, "removed": removed }))?);
    }
    if removed {
        output.note("removed; the programs themselves lie where ./run install put them")?;
    }
    Ok(())
}

/// What is there, in the order in which it is removed.
fn list(places: &Places, purge: bool) -> Vec<Ours> {
    let contexts = StockContext::ALL
        .into_iter()
        .filter(|context| context.is_there(places));
    let mut ours: Vec<Ours> = contexts
        .map(|context| Ours {
            what: "NATS context",
            path: context.file(places),
        })
        .collect();
    let mut folder = |what, path: &Path| {
        if path.exists() {
            ours.push(Ours {
                what,
                path: path.to_owned(),
            });
        }
    };
    folder("attachments", &attachment::folder(places));
    folder("run folder", places.run_dir());
    if !others(places) {
        folder("nats-server", places.cache_dir());
        folder("trust in project files", &places.trusted_config_dir());
    }
    if purge {
        folder("keys, messages and spools", places.state_dir());
    }
    ours
}

/// Whether the user has other hives, which use what is not for one hive alone.
fn others(places: &Places) -> bool {
    let entries = places
        .state_dir()
        .parent()
        .and_then(|folder| std::fs::read_dir(folder).ok());
    let mut paths = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    paths.any(|path| path != places.state_dir() && path != places.trusted_config_dir())
}

/// Sidecars that somebody else started go on, and would find themselves without folders.
fn refuse_while_sidecars_run(places: &Places) -> Result<(), Failure> {
    let attached: Vec<AgentId> = attachment::all(places)
        .0
        .into_iter()
        .map(|one| one.agent)
        .collect();
    let sidecars = discovery::sidecars(places).unwrap_or_default();
    let others = sidecars
        .into_iter()
        .filter(|file| file.agent != AgentId::operator() && !attached.contains(&file.agent));
    let others: Vec<String> = others
        .map(|file| format!("{} (process {})", file.agent, file.pid))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(
        Failure::contract(ErrorCode::IllegalTransition, "sidecars of this hive still run")
            .why(others.join(", "))
            .fix("end them first, by Ctrl-C or `kill PROCESS`: their messages are safe"),
    )
}

/// Looks for mail that nobody read, and for messages that no stream has yet. Only a running bus can tell.
async fn refuse_unread(places: &Places) -> Result<(), Failure> {
    let bus = discovery::bus(places).map_err(|_| {
        Failure::contract(
            ErrorCode::IllegalTransition,
            "whether mail is unread is not known: the bus does not run",
        )
        .fix("wagglebus up --detach first, or --discard-unread")
    })?;
    let (connection, _) = connect_as(places, &bus.url, BusUser::Inspector).await?;
    let reader = Reader::new(connection);
    let mut unread = Vec::new();
    for agent in agents(places) {
        let mut count = 0_u64;
        for priority in Priority::ALL {
            let stream = Stream::Messages.name(places.hive());
            let lane = lane_consumer(&agent, *priority);
            // An agent whose enrolment did not finish has no lanes.
            let position = reader.position(&stream, &lane).await.map_err(not_known)?;
            let lies = position.map_or(0, |position| position.waiting.saturating_add(position.unacked));
            count = count.saturating_add(lies);
        }
        if count > 0 {
            unread.push(format!("{agent} {count}"));
        }
    }
    let unstored = unstored(places)?;
    let what = match (unread.is_empty(), unstored.is_empty()) {
        (true, true) => return Ok(()),
        (false, _) => "mail is unread, and would be lost",
        (true, false) => "messages wait to be stored, and would be lost",
    };
    let unstored = unstored
        .into_iter()
        .map(|(agent, count)| format!("{count} of {agent} in its spool"));
    unread.extend(unstored);
    Err(Failure::contract(ErrorCode::IllegalTransition, what)
        .why(unread.join(", "))
        .fix("have it delivered and read, or add --discard-unread"))
}

/// What cannot be looked at may hold mail.
fn not_known(error: ReadError) -> Failure {
    Failure::contract(
        ErrorCode::IllegalTransition,
        "whether mail is unread cannot be found out",
    )
    .why(error.to_string())
    .fix("see what is wrong: wagglebus doctor; or add --discard-unread")
}

/// Who has messages in a spool that no stream has, and how many.
fn unstored(places: &Places) -> Result<Vec<(AgentId, usize)>, Failure> {
    let folder = places.agent_state_dir(&AgentId::operator());
    let entries = folder.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let names = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse().ok());
    let mut found = Vec::new();
    for agent in names {
        let agent: AgentId = agent;
        let path = places.agent_state_dir(&agent).join("spool");
        let count = spool::unstored(&path).map_err(|error| {
            Failure::contract(
                ErrorCode::IllegalTransition,
                format!("whether {agent} has messages that wait to be stored cannot be found out"),
            )
            .why(format!("{}: {error}", path.display()))
            .fix("add --discard-unread to remove them all the same")
        })?;
        if count > 0 {
            found.push((agent, count));
        }
    }
    found.sort();
    Ok(found)
}

/// Whoever has a key here.
fn agents(places: &Places) -> Vec<AgentId> {
    let keys = places.agent_seed_file(&AgentId::operator());
    let entries = keys.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let names = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter_map(|name| name.strip_suffix(".nk")?.parse().ok())
        .collect()
}

fn remove(path: &Path) -> Result<(), Failure> {
    let removed = if path.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::failed(format!("{} cannot be removed", path.display())).why(error.to_string()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_proposed_can_be_typed() {
        let args = |purge, discard_unread| Args {
            purge,
            discard_unread,
            dry_run: false,
            yes: false,
        };
        assert_eq!(args(false, false).go(), "do it: wagglebus uninstall --yes");
        assert_eq!(
            args(true, true).go(),
            "do it: wagglebus uninstall --purge --discard-unread --yes"
        );
    }
}
