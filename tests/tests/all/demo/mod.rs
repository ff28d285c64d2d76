//! `demo` with the built programs: proves everything, says what is missing, and leaves nothing however it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use wagglebus_harness::fleet::program;

/// Far longer than an end takes on two busy cores.
const GONE_WITHIN: Duration = Duration::from_secs(30);

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(program::find("wagglebus").unwrap());
    command
        .arg("demo")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// The folder that a line of the demonstration names.
fn folder(line: &str) -> Option<PathBuf> {
    let (_, rest) = line.split_once("everything lies in ")?;
    Some(rest.split(' ').next()?.into())
}

/// Processes that were started for the folder: its path stands in the environment of each.
fn processes(folder: &Path) -> Vec<String> {
    let needle = folder.to_str().unwrap().as_bytes();
    let holds = |path: PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle)
    };
    fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|process| holds(process.join("environ")) || holds(process.join("cmdline")))
        .map(|process| fs::read_to_string(process.join("comm")).unwrap_or_default())
        .collect()
}

fn assert_no_process(folder: &Path) {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        let left = processes(folder);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {left:?}");
        std::thread::yield_now();
    }
}

/// Reads until the two agents talk, and returns the folder.
fn until_they_talk(demo: &mut Child) -> PathBuf {
    until_it_says(demo, "injected (stdio: write)", 6)
}

/// Reads until this is said, when so many processes must run, and returns the folder.
fn until_it_says(demo: &mut Child, words: &str, running: usize) -> PathBuf {
    let mut lines = BufReader::new(demo.stdout.as_mut().unwrap())
        .lines()
        .map(Result::unwrap);
    let folder = lines.find_map(|line| folder(&line)).unwrap();
    assert!(lines.any(|line| line.contains(words)));
    assert!(processes(&folder).len() >= running, "{:?}", processes(&folder));
    folder
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(status.success());
}

#[test]
fn once_it_proves_every_priority_and_type_and_leaves_nothing() {
    let output = demo(&["--once"]).output().unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    for priority in ["urgent", "high", "normal", "low"] {
        let row = |direction: &str, levels: &str| {
            let found = stdout.lines().any(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.join(" ") == format!("{direction} {priority} {levels}")
            });
            assert!(found, "{direction} {priority}: {stdout}");
        };
        row("python → bash", "injected injected injected injected");
        row("bash → python", "- - - 2 × done");
    }
    assert!(stdout.contains("ok: 24 messages"), "{stdout}");
    proves_tasks(&stdout, "review completed pane");
    let folder = stdout.lines().find_map(folder).unwrap();
    assert!(!folder.exists());
    assert_no_process(&folder);
}

/// What the second act must have told; `last` is the end of the row of the task that waits for others.
fn proves_tasks(stdout: &str, last: &str) {
    let rows: Vec<String> = stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let has = |text: &str| rows.iter().any(|row| row.contains(text));
    for text in [
        "Count the words shell completed bash",
        "Sort the numbers python completed python",
        "Add the numbers rust completed rust",
        last,
        "Crunch the data data completed python → rust",
        "why \"Sort the numbers\" → python",
        "bash: does not declare python",
        "can begin: what it waited for is completed",
        "the sidecar of python, its task in hand",
        "taken from python: lost",
        "answer of python refused: stale_epoch",
        "ok: 5 tasks",
        "ok: python was killed with a task in hand",
        "ok: their submitter was told of each end, once",
    ] {
        assert!(has(text), "{text}: {stdout}");
    }
}

#[test]
fn without_tmux_it_says_so_and_proves_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap();
    for name in ["bash", "python3"] {
        // A program on PATH may itself be a script that needs PATH.
        let script = format!("#!/bin/sh\nPATH='{path}' exec {name} \"$@\"\n");
        let program = folder.path().join(name);
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = demo(&["--once"]).env("PATH", folder.path()).output().unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("left out: tmux is not on PATH"), "{stdout}");
    proves_tasks(&stdout, "Look at what the others did shell completed bash");
}

#[test]
fn as_data_it_is_one_record() {
    let output = demo(&["--once", "--json"]).output().unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    let record: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(record["messages"].as_array().unwrap().len(), 24);
    assert_eq!(record["missing"], serde_json::json!([]));
    let tasks = record["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 5);
    assert!(
        tasks.iter().all(|task| task["state"] == "completed"),
        "{tasks:#?}"
    );
    assert_eq!(tasks[4]["held_by"], serde_json::json!(["python", "rust"]));
    assert_eq!(record["killed"], "python");
    assert!(record["takeover_ms"].as_u64().unwrap() <= 10_000, "{record}");
}

#[test]
fn it_stays_until_it_is_interrupted_and_a_second_terminal_can_take_part() {
    let mut demo = demo(&[]).spawn().unwrap();
    let mut lines = BufReader::new(demo.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut stdout = BufReader::new(demo.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let folder = stdout.find_map(|line| folder(&line)).unwrap();
    let mut told = Vec::new();
    let exports = lines.find(|line| {
        told.push(line.clone());
        line.starts_with("  . ")
    });
    let exports = exports.unwrap_or_else(|| panic!("{}", told.join("\n")));
    let script = format!("{exports} && wagglebus send bash hello -t question --wait injected");
    let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
    let (sent, stderr) = text(&output);
    assert!(sent.ends_with(" injected\n"), "{sent}{stderr}");
    assert!(stdout.any(|line| line.contains("operator → bash") && line.contains("hello")));

    signal(&demo, "-INT");
    let status = demo.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(!folder.exists());
    assert_no_process(&folder);
}

#[test]
fn what_was_stopped_early_has_proven_nothing() {
    let mut demo = demo(&["--once"]).spawn().unwrap();
    let folder = until_they_talk(&mut demo);
    signal(&demo, "-TERM");
    assert_eq!(demo.wait().unwrap().code(), Some(1));
    assert!(!folder.exists());
    assert_no_process(&folder);
}

#[test]
fn killed_it_takes_its_processes_along() {
    for (words, running) in [
        ("injected (stdio: write)", 6),
        ("Crunch the data            submitted", 12),
    ] {
        let mut demo = demo(&["--once"]).spawn().unwrap();
        let folder = until_it_says(&mut demo, words, running);
        signal(&demo, "-KILL");
        demo.wait().unwrap();
        assert_no_process(&folder);
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn what_is_missing_is_said() {
    let tools = tempfile::tempdir().unwrap();
    let tool = |name: &str, script: &str| {
        let path = tools.path().join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let run = |path: &str| {
        let output = demo(&["--once"]).env("PATH", path).output().unwrap();
        let (stdout, stderr) = text(&output);
        assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
        (stdout, stderr)
    };
    let tools = tools.path().to_str().unwrap();
    tool("bash", "#!/bin/sh\n");
    let (stdout, stderr) = run(tools);
    assert!(
        stdout.is_empty() && stderr.contains("needs python3"),
        "{stdout}{stderr}"
    );

    tool("python3", "#!/bin/sh\necho no such luck; exit 3\n");
    let (stdout, stderr) = run(&format!("{tools}:/usr/bin:/bin"));
    for part in [
        "python → bash low task was not sent",
        "exit status: 3",
        "no such luck",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    assert!(!stdout.lines().find_map(folder).unwrap().exists());
}
