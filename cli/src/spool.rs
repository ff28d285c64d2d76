//! Looks into a sidecar's spool without changing it: what was accepted and is in no stream yet.

use std::io;
use std::path::Path;

use wagglebus_sidecar_core::journal::Location;
use wagglebus_sidecar_core::ledger::Ledger;
use wagglebus_sidecar_core::record::Record;
use wagglebus_sidecar_core::spool::{Item, Scanner, SegmentId};

/// How many messages and commands in the spool folder `dir` no stream has. A folder that is not there has none.
///
/// # Errors
/// When it cannot be read whole; what is torn at the end of a segment was never accepted.
pub(crate) fn unstored(dir: &Path) -> io::Result<usize> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut records = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        match std::fs::read(entry.path()) {
            Ok(bytes) => read(id, &bytes, &mut records)?,
            // Its sidecar has just compacted it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let ledger = Ledger::fold(records);
    let waits = |id| {
        ledger
            .sent(&id)
            .is_some_and(|entry| entry.is_message() || entry.is_command())
    };
    Ok(ledger.unstored().filter(|(_, id)| waits(*id)).count())
}

fn read(id: SegmentId, bytes: &[u8], records: &mut Vec<(Record, Location)>) -> io::Result<()> {
    let odd = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    for item in Scanner::open(bytes, Some(id)).map_err(|error| odd(error.to_string()))? {
        let payload = match item {
            Item::Found { payload, .. } => payload,
            Item::TornTail { .. } => continue,
            Item::Damage(damage) => return Err(odd(format!("it is damaged: {damage:?}"))),
        };
        let payload = bytes.get(payload).unwrap_or_default();
        let (record, _) = Record::parse(payload).map_err(|error| odd(error.to_string()))?;
        // Bodies are not read here.
        let location = Location {
            segment: id.number,
            offset: 0,
            len: 0,
        };
        records.push((record, location));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wagglebus_schemas::{Id, Priority, Timestamp};
    use wagglebus_sidecar_core::record::{Out, OutKind};
    use wagglebus_sidecar_core::spool::Writer;

    use super::*;

    fn out(n: u8, kind: OutKind) -> Record {
        let out = Out {
            id: Id::from_bytes([n; 16]),
            kind,
            subject: "wb.msg.bob.normal.alice".into(),
            priority: Priority::Normal,
            conversation: None,
            event_type: String::new(),
            digest: [n; 16],
            order: u64::from(n),
            at: Timestamp::EPOCH,
            then_ack: None,
            idempotency_key: None,
            forgotten: false,
        };
        Record::Out(out.into())
    }

    fn segment(dir: &Path, number: u64, records: &[Record]) -> std::path::PathBuf {
        let id = SegmentId { number, salt: 7 };
        let mut bytes = Vec::new();
        let mut writer = Writer::create(id, &mut bytes);
        for record in records {
            writer.append(&[&record.head(), b"body"], &mut bytes).unwrap();
        }
        let path = dir.join(id.to_string());
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn what_no_stream_has_is_counted_over_all_segments() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        assert_eq!(unstored(&dir.join("none")).unwrap(), 0);
        let stored = Record::OutStored {
            id: Id::from_bytes([1; 16]),
            seq: 5,
            at: None,
        };
        let first = [
            out(1, OutKind::Message),
            out(2, OutKind::Message),
            out(3, OutKind::Receipt),
        ];
        segment(dir, 1, &first);
        segment(dir, 2, &[stored, out(4, OutKind::Command)]);
        assert_eq!(unstored(dir).unwrap(), 2, "a message and a command");
        std::fs::write(dir.join("other"), "x").unwrap();
        assert_eq!(unstored(dir).unwrap(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = segment(
            folder.path(),
            1,
            &[out(1, OutKind::Message), out(2, OutKind::Message)],
        );
        let mut bytes = std::fs::read(&path).unwrap();
        let torn = bytes.len() - 3;
        std::fs::write(&path, &bytes[..torn]).unwrap();
        assert_eq!(
            unstored(folder.path()).unwrap(),
            1,
            "the torn one was never accepted"
        );
        let end = bytes.len() - 1;
        bytes[end] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(unstored(folder.path()).is_err());
    }
}
