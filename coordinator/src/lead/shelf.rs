//! The snapshots of the log in their object store: written, listed, read, let go (ADR 0042).

use std::io::{Read as _, Write as _};
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::object_store::{ObjectInfo, ObjectMetadata, ObjectStore as Store};
use async_nats::jetstream::stream::RawMessageErrorKind;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures::{StreamExt, TryStreamExt};
use tokio::io::AsyncReadExt;
use wagglebus_coordinator_core::log::World;
use wagglebus_coordinator_core::log::snapshot::{self, Head, SnapshotError};
use wagglebus_schemas::Hive;
use wagglebus_schemas::headers;
use wagglebus_schemas::stream::{ObjectStore, Stream};

use super::signs::Signs;

/// Longest pause between two parts of a snapshot that is read: one whose parts are gone never ends.
const PART_WITHIN: Duration = Duration::from_secs(10);
/// Longest snapshot that is unpacked, in bytes: far above what the store takes of ten such.
const BYTES_MAX: u64 = 4 << 30;
/// Most bad entries of a listing that are passed over.
const BAD_MAX: usize = 100;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Why a snapshot was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelfError {
    /// It is damaged, of another release or of another log, and stays so.
    #[error("{0}")]
    Unusable(String),
    /// The bus did not answer as it should: it may work later.
    #[error(transparent)]
    Bus(#[from] Error),
}

/// The store of snapshots.
pub(crate) struct Shelf {
    store: Store,
    js: Context,
    hive: Hive,
}

/// A snapshot that is there, as its description says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The object's name.
    pub(crate) name: String,
    /// Sequence of the last line that it covers.
    pub(crate) seq: u64,
    /// When that line was decided, in milliseconds of Unix time.
    pub(crate) at_ms: i64,
    /// See [`snapshot::VERSION`].
    version: u32,
    /// Which chunks are its.
    nuid: String,
}

impl Shelf {
    pub(crate) async fn open(js: &Context, hive: &Hive) -> Result<Self, Error> {
        Ok(Self {
            store: js.get_object_store(ObjectStore::Snapshots.name(hive)).await?,
            js: js.clone(),
            hive: hive.clone(),
        })
    }

    /// Every snapshot, the newest first.
    pub(crate) async fn kept(&self) -> Result<Vec<Kept>, Error> {
        let mut list = self.store.list().await?;
        let (mut kept, mut bad) = (Vec::new(), 0);
        while let Some(object) = list.next().await {
            match object {
                Ok(object) => kept.extend(describe(object)),
                Err(error) if bad < BAD_MAX => {
                    bad += 1;
                    tracing::debug!(%error, "an entry of the snapshots is passed over");
                }
                Err(error) => return Err(error.into()),
            }
        }
        kept.sort_by(|a, b| b.name.cmp(&a.name));
        Ok(kept)
    }

    /// Reads one; its digest is checked.
    pub(crate) async fn load(&self, name: &str) -> Result<(Head, World), ShelfError> {
        let mut object = self.store.get(name).await.map_err(bus)?;
        let info = object.info.clone();
        let parts = self.parts(&info.nuid).await?;
        if parts != info.chunks {
            let reason = format!("{parts} of its {} parts are there", info.chunks);
            return Err(ShelfError::Unusable(reason));
        }
        let mut packed = Vec::new();
        loop {
            let reading = tokio::time::timeout(PART_WITHIN, object.read_buf(&mut packed));
            match reading.await.map_err(bus)? {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    return Err(ShelfError::Unusable(error.to_string()));
                }
                Err(error) => return Err(bus(error)),
            }
        }
        if packed.len() != info.size {
            let reason = format!("{} of {} bytes are there", packed.len(), info.size);
            return Err(ShelfError::Unusable(reason));
        }
        let read = tokio::task::spawn_blocking(move || unpack(&packed));
        let read = read.await.map_err(bus)?;
        read.map_err(|error| ShelfError::Unusable(error.to_string()))
    }

    /// How many parts there are of an object.
    async fn parts(&self, nuid: &str) -> Result<usize, ShelfError> {
        let subject = format!("$O.{}.C.{nuid}", ObjectStore::Snapshots.name(&self.hive));
        let stream = self.stream().await?;
        let found = stream.info_with_subjects(subject).await.map_err(bus)?;
        let found: Vec<(String, usize)> = found.try_collect().await.map_err(bus)?;
        Ok(found.iter().map(|(_, count)| count).sum())
    }

    /// The newest snapshot that can be read, covers more of the log than up to `after`, and is of this log: one that cannot
    /// be used is told of, and the next older one is tried.
    pub(crate) async fn newest(&self, after: u64, signs: &Signs) -> Result<Option<(Head, World)>, Error> {
        for kept in self.kept().await? {
            if kept.seq <= after {
                break;
            }
            match self.usable(&kept).await {
                Ok(read) => return Ok(Some(read)),
                Err(ShelfError::Unusable(reason)) => signs.snapshot_refused(&kept.name, &reason),
                Err(ShelfError::Bus(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Reads one and compares it with the log.
    pub(crate) async fn usable(&self, kept: &Kept) -> Result<(Head, World), ShelfError> {
        let log = self.js.get_stream(Stream::Events.name(&self.hive)).await;
        let log = log.map_err(bus)?;
        let state = &log.cached_info().state;
        let unusable = |reason: String| Err(ShelfError::Unusable(reason));
        if kept.seq > state.last_sequence {
            let last = state.last_sequence;
            return unusable(format!(
                "it covers the log up to {}, which ends at {last}",
                kept.seq
            ));
        }
        // It need not be fetched for that.
        if !snapshot::is_readable(kept.version) {
            return unusable(SnapshotError::Version(kept.version).to_string());
        }
        let (head, world) = self.load(&kept.name).await?;
        if head.seq != kept.seq {
            return unusable(format!("it covers the log up to {}, not {}", head.seq, kept.seq));
        }
        // The line itself, while it is there, tells whether it is the same log.
        if head.seq >= state.first_sequence && state.messages > 0 {
            let line = match log.get_raw_message(head.seq).await {
                Ok(line) => line,
                // Purged just now: it was the same one.
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                    return Ok((head, world));
                }
                Err(error) => return Err(bus(error)),
            };
            let id = line.headers.get(headers::MSG_ID).map(|id| id.as_str());
            if id != head.last_id.as_deref() {
                return unusable("it is of another log".to_owned());
            }
        }
        Ok((head, world))
    }

    /// Writes one, reads it back, and lets go what is not needed any more. `last_id` is the id of the last line.
    pub(crate) async fn put(&self, world: World, last_id: Option<String>) -> Result<Head, Error> {
        let packed = tokio::task::spawn_blocking(move || pack(&world, last_id)).await?;
        let (head, packed) = packed?;
        let before = self.kept().await?;
        self.sweep(&before).await?;
        let name = name(head.seq, &before);
        if let Err(error) = self.write(&name, &head, &packed).await {
            // The store may be full: two are enough to go on with.
            let Some(oldest) = snapshot::spare(&before, Kept::shelved) else {
                return Err(error);
            };
            tracing::warn!(
                error,
                oldest = oldest.name,
                "the oldest snapshot goes to make room"
            );
            self.sweep(&before).await?;
            self.drop(oldest).await?;
            self.write(&name, &head, &packed).await?;
        }
        let (read, _) = self.load(&name).await?;
        if read != head {
            return Err("what was stored is not what was written".into());
        }
        let log = self.js.get_stream(Stream::Events.name(&self.hive)).await?;
        let first = log.cached_info().state.first_sequence;
        for old in snapshot::outdated(&self.kept().await?, Kept::shelved, first) {
            self.drop(old).await?;
        }
        Ok(head)
    }

    async fn write(&self, name: &str, head: &Head, packed: &[u8]) -> Result<(), Error> {
        let decided = head.decided.iter().map(|(stream, seq)| format!("{stream} {seq}"));
        let metadata = [
            ("seq", head.seq.to_string()),
            ("at", head.at.to_string()),
            ("at_ms", head.at.unix_ms().to_string()),
            ("decided", decided.collect::<Vec<_>>().join(", ")),
            ("version", head.version.to_string()),
        ];
        let meta = ObjectMetadata {
            name: name.to_owned(),
            description: Some(format!("The log up to line {}, JSON, gzip", head.seq)),
            metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
            ..ObjectMetadata::default()
        };
        self.store.put(meta, &mut &packed[..]).await?;
        Ok(())
    }

    /// Lets a snapshot go, without a trace: a marker for each would be there for ever.
    async fn drop(&self, kept: &Kept) -> Result<(), Error> {
        self.store.delete(&kept.name).await?;
        let stream = self.stream().await?;
        let name = encoded(&kept.name);
        let meta = format!("$O.{}.M.{name}", ObjectStore::Snapshots.name(&self.hive));
        stream.purge().filter(meta).await?;
        Ok(())
    }

    /// Lets parts go that belong to no snapshot: whoever wrote them died before the end.
    async fn sweep(&self, kept: &[Kept]) -> Result<(), Error> {
        let stream = self.stream().await?;
        let head = format!("$O.{}.C.", ObjectStore::Snapshots.name(&self.hive));
        let subjects: Vec<(String, usize)> = stream
            .info_with_subjects(format!("{head}>"))
            .await?
            .try_collect()
            .await?;
        for (subject, _) in subjects {
            let nuid = subject.strip_prefix(&head).unwrap_or_default();
            if !kept.iter().any(|kept| kept.nuid == nuid) {
                tracing::info!(subject, "parts of a snapshot that was never finished go");
                stream.purge().filter(subject).await?;
            }
        }
        Ok(())
    }

    async fn stream(&self) -> Result<async_nats::jetstream::stream::Stream, Error> {
        Ok(self
            .js
            .get_stream(ObjectStore::Snapshots.stream_name(&self.hive))
            .await?)
    }
}

impl Kept {
    fn shelved(&self) -> snapshot::Shelved {
        snapshot::Shelved {
            seq: self.seq,
            readable: snapshot::is_readable(self.version),
        }
    }
}

fn bus(error: impl Into<Error>) -> ShelfError {
    ShelfError::Bus(error.into())
}

fn describe(object: ObjectInfo) -> Option<Kept> {
    let number = |key: &str| object.metadata.get(key)?.parse::<i64>().ok();
    Some(Kept {
        seq: u64::try_from(number("seq")?).ok()?,
        at_ms: number("at_ms")?,
        // What says nothing of it says it inside.
        version: number("version")
            .and_then(|version| u32::try_from(version).ok())
            .unwrap_or(snapshot::VERSION),
        nuid: object.nuid,
        name: object.name,
    })
}

/// Names sort as the places in the log do; a second one of the same place comes behind the first.
fn name(seq: u64, there: &[Kept]) -> String {
    let copies = there.iter().filter(|kept| kept.seq == seq).count();
    let name = |n: usize| {
        if n == 0 {
            format!("{seq:020}")
        } else {
            format!("{seq:020}-{n}")
        }
    };
    let mut names = (copies..).map(name);
    let free = names.find(|name| !there.iter().any(|kept| kept.name == *name));
    free.unwrap_or_else(|| name(copies))
}

/// How a name stands in a subject.
fn encoded(name: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE.encode(name)
}

fn pack(world: &World, last_id: Option<String>) -> Result<(Head, Vec<u8>), Error> {
    let (head, bytes) = snapshot::encode(world, last_id)?;
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&bytes)?;
    Ok((head, packer.finish()?))
}

fn unpack(packed: &[u8]) -> Result<(Head, World), Error> {
    let mut bytes = Vec::new();
    let length = GzDecoder::new(packed).take(BYTES_MAX).read_to_end(&mut bytes)?;
    if length as u64 >= BYTES_MAX {
        return Err(format!("it is longer than {BYTES_MAX} bytes").into());
    }
    Ok(snapshot::decode(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_unpacked_as_it_was_packed() {
        let mut world = World::new();
        world.skip(7);
        let (head, packed) = pack(&world, Some("id".to_owned())).unwrap();
        assert_eq!(unpack(&packed).unwrap(), (head, world));
        let mut torn = packed.clone();
        torn.truncate(packed.len() - 5);
        assert!(unpack(&torn).is_err());
    }

    #[test]
    fn names_sort_as_places_do() {
        let kept = |seq: u64, name: &str| Kept {
            name: name.to_owned(),
            seq,
            at_ms: 0,
            version: snapshot::VERSION,
            nuid: String::new(),
        };
        let first = name(9, &[]);
        let again = name(9, &[kept(9, &first)]);
        let third = name(9, &[kept(9, &again)]);
        assert!(first < again && again < name(10, &[]), "{first} {again}");
        assert_ne!(third, again);
    }
}
