//! `dlq export`: dead letters with what the messages said, as JSON lines.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::choice::Choice;
use super::letters;
use super::letters::Found;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::target::BusArgs;

/// Write dead letters to a file, one JSON object a line: the letter, and what the message said
///
/// `letter` is the record as it lies in the stream, `message` the original as JSON, `text` its bytes as text where they
/// are no JSON, `dropped` the time since which it is put away, `retried` what was sent instead; what does not exist is null.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus dlq export dead.jsonl --older 60d
  wagglebus dlq export - --reason max_deliver | jq -r .message.content")]
pub(crate) struct Args {
    /// Where to; a file must not exist yet; -: standard output
    file: String,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    bus: BusArgs,
}

pub(crate) async fn run(args: &Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let mut letters = letters(&args.bus, session, output).await?;
    letters.retain(|found| args.choice.takes(found));
    if args.file == "-" {
        for found in &letters {
            output.record(&line(found))?;
        }
        return Ok(());
    }
    write(Path::new(&args.file), &letters).map_err(|error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        let failure = Failure::failed(format!("{} cannot be written", args.file)).why(error.to_string());
        failure.fix(if exists {
            "it exists: name another file, or pipe: wagglebus dlq export - >> FILE"
        } else {
            "name a file in a folder that you may write to"
        })
    })?;
    if output.json() {
        output.record(&json!({ "file": args.file, "letters": letters.len() }))?;
    } else {
        output.line(format!("{} {}", letters.len(), args.file))?;
    }
    Ok(())
}

/// All of it or nothing, and for its owner only: it holds what agents wrote to each other.
fn write(path: &Path, letters: &[Found]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    for found in letters {
        serde_json::to_writer(&mut file, &line(found))?;
        file.write_all(b"\n")?;
    }
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    Ok(())
}

fn line(found: &Found) -> Value {
    let original = found.original();
    let message: Option<Value> = original
        .as_deref()
        .and_then(|bytes| serde_json::from_slice(bytes).ok());
    let text = match &message {
        Some(_) => None,
        None => original.and_then(|bytes| String::from_utf8(bytes).ok()),
    };
    let dropped = found.dropped.as_ref().map(|mark| mark.at);
    let retried: Vec<Value> = found.retried.iter().map(|retried| retried.json()).collect();
    json!({ "letter": found.body, "message": message, "text": text, "dropped": dropped, "retried": retried })
}

#[cfg(test)]
mod tests {
    use super::super::letters::tests::found;
    use super::*;

    #[test]
    fn a_line_holds_the_letter_and_what_the_message_said() {
        for (original, message, text) in [
            (
                Some(&br#"{"content":"x"}"#[..]),
                json!({ "content": "x" }),
                Value::Null,
            ),
            (Some(&b"no json"[..]), Value::Null, json!("no json")),
            (Some(&b"\xff"[..]), Value::Null, Value::Null),
            (None, Value::Null, Value::Null),
        ] {
            let line = line(&found(original));
            assert_eq!((&line["message"], &line["text"]), (&message, &text));
            assert_eq!(line["letter"]["extra"], 1, "unknown fields survive");
            assert_eq!((&line["dropped"], &line["retried"]), (&Value::Null, &json!([])));
        }
    }

    #[test]
    fn a_file_that_exists_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dead.jsonl");
        write(&path, &[found(None), found(None)]).unwrap();
        let before = std::fs::read_to_string(&path).unwrap();
        assert_eq!(before.lines().count(), 2);
        assert!(write(&path, &[]).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    }
}
