//! The thread that syncs, so that the event loop never waits for the disk.

use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;

use tokio::sync::mpsc;

/// What one round syncs.
struct Round {
    files: Vec<Arc<File>>,
    /// The folder, when files were made or removed: first their names, or a record could survive without its file.
    folder: Option<Arc<File>>,
    position: u64,
}

/// What came of a round.
#[derive(Debug)]
pub(crate) struct SyncReport {
    /// Everything appended up to this position survives a power cut.
    pub(crate) position: u64,
    /// Why it does not.
    pub(crate) failure: Option<std::io::Error>,
}

/// The sync thread's handle; the thread ends with it.
pub(crate) struct Syncer {
    rounds: std_mpsc::Sender<Round>,
}

impl Syncer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start() -> std::io::Result<(Self, mpsc::UnboundedReceiver<SyncReport>)> {
        let (rounds, work) = std_mpsc::channel::<Round>();
        // Unbounded, but at most one round is under way.
        let (reports, reports_end) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("spool-sync".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                // After a failure the system may have dropped what it could not write, and tells so only once: nothing
                // that this process wrote before or writes later is known to be on the disk.
                let mut failed: Option<String> = None;
                for round in work {
                    let ran = match &failed {
                        None => run(&round).inspect_err(|error| failed = Some(error.to_string())),
                        Some(why) => Err(std::io::Error::other(why.clone())),
                    };
                    let report = SyncReport {
                        position: round.position,
                        failure: ran.err(),
                    };
                    if reports.send(report).is_err() {
                        return;
                    }
                }
            })?;
        Ok((Self { rounds }, reports_end))
    }

    /// Begins a round. False when the thread is gone.
    pub(crate) fn begin(&self, files: Vec<Arc<File>>, folder: Option<Arc<File>>, position: u64) -> bool {
        self.rounds
            .send(Round {
                files,
                folder,
                position,
            })
            .is_ok()
    }
}

fn run(round: &Round) -> std::io::Result<()> {
    for file in &round.files {
        file.sync_data()?;
    }
    round.folder.iter().try_for_each(|folder| folder.sync_all())
}
