//! A scripted sidecar: answers each request with the next of the given answers, and the command line run against it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

/// Status and body of an answer.
pub(crate) type Answer = (u16, Value);

pub(crate) struct Fake {
    folder: tempfile::TempDir,
    asked: Receiver<(String, String)>,
}

impl Fake {
    /// A hive in which the sidecar of `agent` runs. Its thread ends with the test's process.
    pub(crate) fn start(agent: &str, script: Vec<Answer>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("wb");
        std::fs::create_dir(&run).unwrap();
        let socket = run.join(format!("{agent}.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let file = json!({ "agent": agent, "pid": std::process::id(), "socket": socket, "http": null, "token_file": null, "epoch": 1 });
        std::fs::write(run.join(format!("{agent}.json")), file.to_string()).unwrap();
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            let mut script = script.into_iter();
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                while let Some(request) = read(&mut stream) {
                    tell.send(request).ok();
                    let (status, body) = script.next().expect("the script has an answer for each request");
                    let body = body.to_string();
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
                    stream.get_mut().write_all((head + &body).as_bytes()).unwrap();
                }
            }
        });
        Self { folder, asked }
    }

    /// `wagglebus` in this hive, with nothing of the surrounding environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wagglebus"));
        command.args(args).env_clear().stdin(Stdio::null());
        command
            .env("HOME", self.folder.path())
            .env("WAGGLEBUS_RUN", self.folder.path());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// The requests so far: request line and body.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        let parse = |body: String| serde_json::from_str(&body).unwrap_or(Value::Null);
        self.asked
            .try_iter()
            .map(|(line, body)| (line, parse(body)))
            .collect()
    }
}

/// What a run of the command line said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn read(stream: &mut BufReader<UnixStream>) -> Option<(String, String)> {
    let (mut first, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line if first.is_empty() => first = line.trim_end_matches(" HTTP/1.1").to_owned(),
            line => {
                length = line
                    .strip_prefix("content-length: ")
                    .map_or(length, |text| text.parse().unwrap())
            }
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Some((first, String::from_utf8(body).unwrap()))
}
