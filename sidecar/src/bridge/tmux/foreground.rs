//! Who is in the foreground of a pane, as the system tells: `/proc`, else `ps`.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use wagglebus_sidecar_core::terminal::identity::{Process, Who, is_shell};

/// Most processes that are followed below a shell.
const PROCESSES_MAX: usize = 256;

/// The foreground group of a pane: its id, and its leader with what shells among it run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Foreground {
    pub(crate) group: u32,
    pub(crate) processes: Vec<Process>,
}

/// Looks at the foreground of the terminal that this process was started in; `None` when there is none, or the process
/// is gone.
pub(crate) async fn foreground(root_pid: u32) -> Option<Foreground> {
    if Path::new("/proc/self/stat").exists() {
        from_proc(root_pid)
    } else {
        let all = Command::new("ps")
            .args(["-A", "-o", "pid=,ppid=,pgid=,tpgid=,lstart=,args="])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .ok()?;
        from_ps(&String::from_utf8_lossy(&all.stdout), root_pid)
    }
}

/// Whether a process still is who it was; also told of one that is not in the foreground. False where the system does
/// not tell.
pub(crate) fn is_alive(who: &Who) -> bool {
    read_proc(who.pid).is_some_and(|(process, _)| process.start == who.start && process.argv == who.argv)
}

/// How much a process has read so far, in bytes; `None` where the system does not tell.
///
/// A tmux server reads what panes print and what people type: while the number stays, no screen of it has changed.
pub(crate) fn bytes_read(pid: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().next()?.strip_prefix("rchar: ")?.parse().ok()
}

fn from_proc(root_pid: u32) -> Option<Foreground> {
    let (root, terminal) = read_proc(root_pid)?;
    let group = terminal?;
    let mut root = Some(root);
    let mut processes = Vec::new();
    let mut todo = vec![group];
    while let Some(pid) = todo.pop() {
        // It often leads the foreground itself, and was read already.
        let known = root.take_if(|root| root.pid == pid);
        let process = known.or_else(|| Some(read_proc(pid)?.0));
        let Some(process) = process.filter(|process| process.group == group) else {
            continue;
        };
        if is_shell(&process.argv) && processes.len() < PROCESSES_MAX {
            todo.extend(children_of(pid));
        }
        processes.push(process);
    }
    Some(Foreground { group, processes })
}

/// A process, and the foreground group of its terminal.
fn read_proc(pid: u32) -> Option<(Process, Option<u32>)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    parse_stat(pid, &stat, &arguments)
}

/// Reads the two files of proc(5). The command's name stands in parentheses and may hold anything, so fields are
/// counted from its end.
fn parse_stat(pid: u32, stat: &str, arguments: &[u8]) -> Option<(Process, Option<u32>)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let terminal = fields.nth(2)?.parse().ok();
    let start = fields.nth(13)?.to_owned();
    if matches!(state, "Z" | "X") {
        return None;
    }
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    let argv = arguments.split(|byte| *byte == 0);
    let process = Process {
        pid,
        parent,
        group,
        start,
        argv: argv
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect(),
    };
    Some((process, terminal))
}

fn children_of(pid: u32) -> Vec<u32> {
    if let Ok(children) = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")) {
        return children
            .split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect();
    }
    let Ok(all) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = all
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|child| read_proc(*child).is_some_and(|(process, _)| process.parent == pid))
        .collect()
}

/// Reads a table of all processes: pid, parent, group, foreground group, five words of time, arguments.
fn from_ps(table: &str, root_pid: u32) -> Option<Foreground> {
    let rows: Vec<(Process, Option<u32>)> = table.lines().filter_map(parse_row).collect();
    let group = rows.iter().find(|(process, _)| process.pid == root_pid)?.1?;
    let processes = rows.into_iter().map(|(process, _)| process);
    Some(Foreground {
        group,
        processes: processes.filter(|process| process.group == group).collect(),
    })
}

fn parse_row(row: &str) -> Option<(Process, Option<u32>)> {
    let mut words = row.split_ascii_whitespace();
    let mut number = || words.next()?.parse::<i64>().ok();
    let (pid, parent, group, terminal) = (number()?, number()?, number()?, number()?);
    let start: Vec<&str> = words.by_ref().take(5).collect();
    let process = Process {
        pid: u32::try_from(pid).ok()?,
        parent: u32::try_from(parent).ok()?,
        group: u32::try_from(group).ok()?,
        start: start.join(" "),
        argv: words.map(str::to_owned).collect(),
    };
    Some((process, u32::try_from(terminal).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_and_ps_tell_the_same() {
        let stat = "42 (a) b) c) S 7 42 42 34816 43 4194560 100 0 0 0 250 50 0 0 20 0 1 0 9001 1 1";
        let (process, terminal) = parse_stat(42, stat, b"sh\0-c\0x y\0").unwrap();
        assert_eq!(
            (process.parent, process.group, process.start.as_str()),
            (7, 42, "9001")
        );
        assert_eq!(process.argv, ["sh", "-c", "x y"]);
        assert_eq!(terminal, Some(43));
        assert!(parse_stat(42, &stat.replace(" S ", " Z "), b"").is_none());
        let table = "    1     0     1    -1 Sat Nov 21 19:04:38 2026 init\n\
                     \u{20}  41     1    41    43 Sat Nov 21 19:04:39 2026 -bash\n\
                     \u{20}  43    41    43    43 Sat Nov 21 19:04:40 2026 claude --resume\n";
        let foreground = from_ps(table, 41).unwrap();
        assert_eq!(foreground.group, 43);
        assert_eq!(foreground.processes.len(), 1);
        assert_eq!(foreground.processes[0].argv, ["claude", "--resume"]);
        assert_eq!(foreground.processes[0].start, "Sat Nov 21 19:04:40 2026");
        assert_eq!(from_ps(table, 1), None, "no terminal");
        assert_eq!(from_ps(table, 99), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found() {
        let (process, _) = read_proc(std::process::id()).unwrap();
        assert_eq!(process.pid, std::process::id());
        assert!(!process.argv.is_empty());
        assert!(bytes_read(std::process::id()).unwrap() > 0);
    }
}
