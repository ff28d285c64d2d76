//! Changes of `bus.json`, by which everybody on this machine finds the bus: `up` writes it, leaders write their part.
//!
//! Each changes its own fields and keeps the others, one at a time; readers see the old or the new file.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use wagglebus_schemas::places::{BusFile, CoordinatorAddress};

use crate::private_file::{self, PrivateFileError, io_error};

/// The field of the leading coordinator.
const COORDINATOR: &str = "coordinator";

/// Writes a new file in place of whatever was there.
///
/// # Errors
/// When the operating system refuses.
pub fn write(path: &Path, bus: &BusFile) -> Result<(), PrivateFileError> {
    let _lock = lock(path)?;
    let fields = serde_json::to_value(bus).unwrap_or_default();
    store(path, &fields)
}

/// Says under which number nats-server runs now. Without a file nothing is written.
///
/// # Errors
/// When the operating system refuses.
pub fn set_server_pid(path: &Path, pid: u32) -> Result<(), PrivateFileError> {
    edit(path, |fields| put(fields, "pid", json!(pid)))
}

/// Says where the coordinator that leads listens. Without a file nothing is written: the bus has ended.
///
/// # Errors
/// When the operating system refuses.
pub fn lead(path: &Path, address: &CoordinatorAddress) -> Result<(), PrivateFileError> {
    edit(path, |fields| put(fields, COORDINATOR, json!(address)))
}

/// Says where a coordinator listens that may not lead yet, unless one stands there.
///
/// # Errors
/// When the operating system refuses.
pub fn offer(path: &Path, address: &CoordinatorAddress) -> Result<(), PrivateFileError> {
    edit(path, |fields| {
        let free = fields.get(COORDINATOR).is_none_or(Value::is_null);
        free && put(fields, COORDINATOR, json!(address))
    })
}

/// Takes a coordinator's address out, if it still stands there.
///
/// # Errors
/// When the operating system refuses.
pub fn withdraw(path: &Path, gone: impl Fn(&CoordinatorAddress) -> bool) -> Result<(), PrivateFileError> {
    edit(path, |fields| {
        let told = fields.get(COORDINATOR).cloned().unwrap_or_default();
        let told: Option<CoordinatorAddress> = serde_json::from_value(told).ok();
        told.is_some_and(|told| gone(&told)) && put(fields, COORDINATOR, Value::Null)
    })
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Value) -> bool {
    fields.insert(name.to_owned(), value.clone()) != Some(value)
}

/// Lets `change` change the fields, and writes them if it says that it did.
fn edit(path: &Path, change: impl FnOnce(&mut Map<String, Value>) -> bool) -> Result<(), PrivateFileError> {
    let Some(dir) = path.parent() else { return Ok(()) };
    if !dir.is_dir() {
        return Ok(());
    }
    let _lock = lock(path)?;
    let Some(text) = private_file::read(path)? else {
        return Ok(());
    };
    // What cannot be read is left alone: whoever wrote it knows why.
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(&text) else {
        return Ok(());
    };
    if change(&mut fields) {
        store(path, &Value::Object(fields))?;
    }
    Ok(())
}

fn store(path: &Path, fields: &Value) -> Result<(), PrivateFileError> {
    private_file::replace(path, format!("{fields:#}\n").as_bytes())
}

/// Waits for its turn, which takes as long as a few small files are written.
fn lock(path: &Path) -> Result<File, PrivateFileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path);
    let file = file.map_err(io_error(&path, "opened"))?;
    file.lock().map_err(io_error(&path, "locked"))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_schemas::places::Durability;

    fn bus() -> BusFile {
        BusFile {
            url: "nats://127.0.0.1:4222".to_owned(),
            monitor: "http://127.0.0.1:8222".to_owned(),
            pid: 1,
            supervisor_pid: 2,
            credentials_file: "/k".into(),
            durability: Durability::Always,
            coordinator: None,
        }
    }

    fn at(port: u16) -> CoordinatorAddress {
        CoordinatorAddress {
            http: format!("http://127.0.0.1:{port}"),
            token_file: "/t".into(),
        }
    }

    fn read(path: &Path) -> BusFile {
        serde_json::from_str(&private_file::read(path).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn each_writer_changes_its_own_fields() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus.json");
        lead(&path, &at(1)).unwrap();
        assert!(!path.exists(), "without a bus there is nothing to tell");
        write(&path, &bus()).unwrap();
        offer(&path, &at(1)).unwrap();
        lead(&path, &at(2)).unwrap();
        offer(&path, &at(3)).unwrap();
        set_server_pid(&path, 9).unwrap();
        let told = read(&path);
        assert_eq!((told.pid, told.coordinator), (9, Some(at(2))));
        withdraw(&path, |told| told.http.ends_with(":1")).unwrap();
        assert_eq!(read(&path).coordinator, Some(at(2)));
        withdraw(&path, |told| told.http.ends_with(":2")).unwrap();
        let (told, mut expected) = (read(&path), bus());
        expected.pid = 9;
        assert_eq!(told, expected);
    }

    #[test]
    fn fields_of_others_are_kept_and_writers_take_turns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus.json");
        let mut fields = json!(bus());
        fields["later"] = json!({ "x": 1 });
        private_file::replace(&path, fields.to_string().as_bytes()).unwrap();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    if n % 2 == 0 {
                        set_server_pid(path, 100).unwrap();
                    } else {
                        lead(path, &at(7)).unwrap();
                    }
                });
            }
        });
        let told: Value = serde_json::from_str(&private_file::read(&path).unwrap().unwrap()).unwrap();
        assert_eq!(told["later"], json!({ "x": 1 }));
        assert_eq!((&told["pid"], &told["coordinator"]), (&json!(100), &json!(at(7))));
    }
}
