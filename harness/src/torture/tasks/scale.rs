//! Weighs processes while a run goes on: coordinators come and go, the server stays.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::bench::process::Watched;
use crate::fleet::Fleet;
use crate::fleet::process::Process;

/// Time between two looks.
const WEIGH_EVERY: Duration = Duration::from_millis(500);

/// The largest resident memory that was seen, in MiB; 0 where the system does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Weight {
    pub(super) coordinator_mib: f64,
    pub(super) server_mib: f64,
}

impl Weight {
    const fn raise(&mut self, coordinator_mib: f64, server_mib: f64) {
        self.coordinator_mib = self.coordinator_mib.max(coordinator_mib);
        self.server_mib = self.server_mib.max(server_mib);
    }
}

/// What is weighed, and what was found.
#[derive(Debug, Default)]
struct Pans {
    coordinators: Vec<u32>,
    heaviest: Weight,
}

/// Weighs until it is dropped.
#[derive(Debug)]
pub(super) struct Scale {
    pans: Arc<Mutex<Pans>>,
    weighing: JoinHandle<()>,
}

impl Scale {
    /// Begins with the processes that run now.
    pub(super) fn begin(fleet: &Fleet) -> Result<Self> {
        let pans: Arc<Mutex<Pans>> = Arc::default();
        let (shared, server) = (Arc::clone(&pans), fleet.bus().server().pid()?);
        let weighing = tokio::spawn(async move {
            loop {
                let coordinators = locked(&shared).coordinators.clone();
                let weigh = |pid: &u32| Watched::of(*pid).map_or(0.0, |process| process.rss_mib);
                let coordinator = coordinators.iter().map(weigh).fold(0.0, f64::max);
                let server = weigh(&server);
                locked(&shared).heaviest.raise(coordinator, server);
                sleep(WEIGH_EVERY).await;
            }
        });
        let scale = Self { pans, weighing };
        scale.watch(fleet);
        Ok(scale)
    }

    /// From now on the coordinators that run now.
    pub(super) fn watch(&self, fleet: &Fleet) {
        locked(&self.pans).coordinators = fleet.coordinators().iter().map(Process::pid).collect();
    }

    /// The most so far.
    pub(super) fn heaviest(&self) -> Weight {
        locked(&self.pans).heaviest
    }
}

impl Drop for Scale {
    fn drop(&mut self) {
        self.weighing.abort();
    }
}

fn locked(pans: &Mutex<Pans>) -> MutexGuard<'_, Pans> {
    pans.lock().unwrap_or_else(PoisonError::into_inner)
}
