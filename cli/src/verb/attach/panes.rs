//! `attach` without a pane: the panes there are, and the command to type for each.

use std::path::Path;
use std::process::Stdio;

use serde::Serialize;
use serde_json::json;
use tokio::process::Command;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::places::Places;

use crate::attachment;
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::programs::quoted;

/// What tmux is asked for, separated by what no name has.
const FORMAT: &str = "#{socket_path}\x1f#{pid}\x1f#{pane_id}\x1f#{session_name}:#{window_index}.#{pane_index}\x1f\
                      #{pane_current_command}\x1f#{pane_dead}\x1f#{pane_title}";

/// A pane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Pane {
    pane: String,
    place: String,
    command: String,
    title: String,
    /// Who is attached to it.
    agent: Option<String>,
    #[serde(skip)]
    socket: String,
    #[serde(skip)]
    server_pid: u32,
}

/// Lists the panes of a tmux server.
///
/// # Errors
/// When tmux is missing or no server runs.
pub(super) async fn list(server: &[String], places: &Places, output: &mut Output) -> Result<(), Failure> {
    let asked = Command::new("tmux")
        .args(server)
        .args(["list-panes", "-a", "-F", FORMAT])
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| {
            Failure::failed("tmux does not start")
                .why(error.to_string())
                .fix("install tmux")
        })?;
    if !asked.status.success() {
        let said = printable::line(String::from_utf8_lossy(&asked.stderr).trim(), 200);
        return Err(
            Failure::contract(ErrorCode::BusUnreachable, "no tmux server answers")
                .why(said)
                .fix("name it with -L NAME or -S SOCKET, or start the agents in tmux first"),
        );
    }
    let text = String::from_utf8_lossy(&asked.stdout);
    let mut panes: Vec<Pane> = text.lines().filter_map(parse).collect();
    mark(&mut panes, places);
    show(&panes, server, output)
}

fn parse(line: &str) -> Option<Pane> {
    let fields: Vec<&str> = line.splitn(7, '\x1f').collect();
    let [socket, server_pid, pane, place, command, dead, title] = fields.as_slice() else {
        return None;
    };
    Some(Pane {
        pane: (*pane).to_owned(),
        place: printable::line(place, 40),
        command: if *dead == "1" {
            "(ended)".to_owned()
        } else {
            printable::line(command, 30)
        },
        title: printable::line(title, 40),
        agent: None,
        socket: (*socket).to_owned(),
        server_pid: server_pid.parse().ok()?,
    })
}

/// Says which panes are attached already.
fn mark(panes: &mut [Pane], places: &Places) {
    for attached in attachment::all(places).0 {
        let Some(recorded) = attachment::pane(places, &attached.agent) else {
            continue;
        };
        let same = |pane: &&mut Pane| {
            pane.pane == recorded.pane
                && pane.server_pid == recorded.server.pid
                && recorded.socket == Path::new(&pane.socket)
        };
        if let Some(pane) = panes.iter_mut().find(same) {
            pane.agent = Some(attached.agent.to_string());
        }
    }
}

fn show(panes: &[Pane], server: &[String], output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        return Ok(output.record(&json!({ "panes": panes }))?);
    }
    let mut rows = table(["PANE", "PLACE", "COMMAND", "AGENT", "TITLE"]);
    for pane in panes {
        rows.add_row([
            pane.pane.clone(),
            pane.place.clone(),
            pane.command.clone(),
            pane.agent.clone().unwrap_or_else(|| "-".to_owned()),
            pane.title.clone(),
        ]);
    }
    output.table(&rows)?;
    if let Some(free) = panes.iter().find(|pane| pane.agent.is_none()) {
        let server: String = server
            .iter()
            .map(|word| format!(" {}", quoted(Path::new(word))))
            .collect();
        output.note(format!(
            "attach one: wagglebus attach {} --agent NAME{server}",
            free.pane
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_tmux_is_read_and_what_could_hurt_a_terminal_is_not_shown() {
        let line = "/tmp/tmux-0/default\x1f42\x1f%3\x1fwork:1.0\x1fclaude\x1f0\x1fa \u{1b}[31mtitle";
        let pane = parse(line).unwrap();
        assert_eq!(
            (pane.pane.as_str(), pane.server_pid, pane.command.as_str()),
            ("%3", 42, "claude")
        );
        assert!(!pane.title.contains('\u{1b}'));
        assert_eq!(parse("no line of tmux"), None);
        assert_eq!(
            parse(&line.replace("\x1f0\x1f", "\x1f1\x1f")).unwrap().command,
            "(ended)"
        );
    }
}
