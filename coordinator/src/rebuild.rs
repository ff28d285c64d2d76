//! `rebuild`: folds the log anew and compares what the buckets say of it, or mends them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use serde_json::Value;
use tokio::sync::watch;
use wagglebus_coordinator_core::lead::{Place, Row, view};
use wagglebus_coordinator_core::log::World;
use wagglebus_nats::connect;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::Hive;

use crate::args::Rebuild;
use crate::config::Config;
use crate::failure::Failure;
use crate::health::Health;
use crate::lead::Signs;
use crate::lead::shelf::{Shelf, ShelfError};
use crate::lead::story::{Incomplete, Story};
use crate::lead::views::{VIEWS, Views};
use crate::metrics::Metrics;

/// Looks before a difference counts: a leader that is just writing needs a moment.
const LOOKS: usize = 4;
/// Time between two looks.
const LOOK_AFTER: Duration = Duration::from_millis(700);
/// Time between two lines that say how far it came.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Records that are written at once.
const ROWS_AT_ONCE: usize = 256;
/// Most differences that are told one by one.
const TOLD_MAX: usize = 200;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Compares, and mends where that is asked for.
pub(crate) async fn run(config: Config, args: &Rebuild) -> Result<(), Failure> {
    let hive = config.hive;
    let (connection, _events) = connect::connect(config.bus).await?;
    let Some(session) = connection.session() else {
        return Err(Failure::Rebuild("the connection broke at once".into()));
    };
    let (bus, _) = JetStream::new(connection.clone());
    let js = session.jetstream().clone();
    let mut rebuilding = Rebuilding {
        views: Views::new(js.clone(), bus, hive.clone()),
        signs: Signs::new(&Arc::new(Metrics::new()), &watch::Sender::new(Health::starting())),
        js,
        hive,
    };
    let done = rebuilding.run(args).await;
    connection.close().await;
    match done.map_err(failure)? {
        0 => Ok(()),
        _ if args.write => Err(Failure::NotMended),
        differences => Err(Failure::Differs(differences)),
    }
}

fn failure(error: Error) -> Failure {
    match error.downcast::<Incomplete>() {
        Ok(incomplete) => Failure::Incomplete(*incomplete),
        Err(error) => Failure::Rebuild(error),
    }
}

struct Rebuilding {
    js: Context,
    hive: Hive,
    views: Views,
    signs: Signs,
}

/// A key whose record is not what the log says.
struct Difference {
    row: Row,
    what: String,
}

impl Rebuilding {
    /// How many differences there are in the end.
    async fn run(&mut self, args: &Rebuild) -> Result<usize, Error> {
        let shelf = Shelf::open(&self.js, &self.hive).await?;
        self.snapshots(&shelf).await?;
        let mut story = Story::begin(&shelf, &self.signs).await?;
        if args.accept_loss {
            self.accept_loss(&shelf, &mut story).await?;
        }
        say(&format!("log        read from line {}", story.world.last() + 1));
        let mut found = self.differences(&mut story).await?;
        for _ in 1..LOOKS {
            if found.is_empty() {
                break;
            }
            tokio::time::sleep(LOOK_AFTER).await;
            found = self.differences(&mut story).await?;
        }
        let world = &story.world;
        say(&format!(
            "log        {} lines, {} tasks, {} unreadable lines passed over",
            world.last(),
            world.tasks().count(),
            story.unreadable
        ));
        for difference in found.iter().take(TOLD_MAX) {
            let (bucket, key) = &difference.row.place;
            say(&format!(
                "differs    {}/{key}: {}",
                bucket.name(&self.hive),
                difference.what
            ));
        }
        if found.len() > TOLD_MAX {
            say(&format!("differs    … and {} more", found.len() - TOLD_MAX));
        }
        if !args.write || found.is_empty() {
            say(&summary(found.len()));
            return Ok(found.len());
        }
        let mended = found.len();
        self.mend(found).await;
        let left = self.differences(&mut story).await?.len();
        say(&format!(
            "mended     {} of {mended} records",
            mended.saturating_sub(left)
        ));
        Ok(left)
    }

    /// Stores a snapshot that goes on behind the lines that are gone: every coordinator reads it by itself.
    async fn accept_loss(&self, shelf: &Shelf, story: &mut Story) -> Result<(), Error> {
        let Some(Incomplete { first, last }) = story.accept_loss(&self.js, &self.hive).await? else {
            say("complete   no line is missing: nothing is given up");
            return Ok(());
        };
        story.read_on(&self.js, &self.hive, |_, _| {}).await?;
        let head = shelf.put(story.world.clone(), story.last_id.clone()).await?;
        say(&format!(
            "given up   lines {first} to {last}; a snapshot of what is left up to line {} is stored",
            head.seq
        ));
        Ok(())
    }

    async fn snapshots(&self, shelf: &Shelf) -> Result<(), Error> {
        for kept in shelf.kept().await? {
            match shelf.usable(&kept).await {
                Ok((head, _)) => say(&format!(
                    "snapshot   {} covers the log up to line {}, {}",
                    kept.name, head.seq, head.at
                )),
                Err(ShelfError::Unusable(reason)) => say(&format!("UNUSABLE   {}: {reason}", kept.name)),
                Err(ShelfError::Bus(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads the log to its present end, and compares every record with it.
    async fn differences(&mut self, story: &mut Story) -> Result<Vec<Difference>, Error> {
        let mut there = BTreeMap::new();
        for bucket in VIEWS {
            there.extend(self.views.list(bucket).await?);
        }
        // The log last: what it does not say is not there because somebody is ahead of us.
        let mut told = Instant::now();
        let tell = |seq: u64, last: u64| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                eprintln!("line {seq} of {last}");
            }
        };
        story.read_on(&self.js, &self.hive, tell).await?;
        let mut found = Vec::new();
        let (mut told, mut compared) = (Instant::now(), 0_u64);
        for (place, seq) in view::all(&story.world, &self.hive) {
            compared += 1;
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                eprintln!("{compared} records compared");
            }
            let what = match there.remove(&place) {
                None => Some(format!("the log says event {seq}, nothing is there")),
                Some(old) if old != seq => Some(format!("the log says event {seq}, event {old} is there")),
                Some(_) => self.content(&story.world, &place).await?,
            };
            found.extend(what.map(|what| Difference {
                row: view::row(&story.world, place, true),
                what,
            }));
        }
        let surplus = there
            .into_iter()
            .filter(|(place, seq)| !view::stays(&story.world, place, *seq));
        found.extend(surplus.map(|(place, _)| Difference {
            row: view::row(&story.world, place, true),
            what: "the log knows nothing of it".to_owned(),
        }));
        Ok(found)
    }

    /// What differs in a record of the right event.
    async fn content(&self, world: &World, place: &Place) -> Result<Option<String>, Error> {
        let expected = view::row(world, place.clone(), false);
        let read = self.views.read(place).await?;
        let record = read.as_ref().map(|state| &state.record);
        if record == expected.record.as_ref() {
            return Ok(None);
        }
        let field = |of: Option<&serde_json::Map<String, Value>>, name: &str| {
            of.and_then(|record| record.get(name)).cloned()
        };
        let names = expected
            .record
            .iter()
            .chain(record)
            .flat_map(|record| record.keys());
        let differs = |name: &&String| field(record, name) != field(expected.record.as_ref(), name);
        let name = names.into_iter().find(differs).map_or("record", String::as_str);
        Ok(Some(format!("its {name} is not what the log says")))
    }

    async fn mend(&mut self, found: Vec<Difference>) {
        let mut rows: Vec<Row> = found.into_iter().map(|difference| difference.row).collect();
        let all = rows.len();
        let mut told = Instant::now();
        while !rows.is_empty() {
            let some = rows.split_off(rows.len().saturating_sub(ROWS_AT_ONCE));
            self.views.write(some).await;
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                eprintln!("{} of {all} records written", all - rows.len());
            }
        }
    }
}

fn summary(differences: usize) -> String {
    match differences {
        0 => "equal      the buckets say what the log says".to_owned(),
        1 => "differs    1 record; mend it: wagglebus coordinator rebuild --write".to_owned(),
        many => format!("differs    {many} records; mend them: wagglebus coordinator rebuild --write"),
    }
}

/// A line of the answer. Whoever closes the pipe wants no more of it.
fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}
