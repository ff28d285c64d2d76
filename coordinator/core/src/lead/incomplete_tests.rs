//! Tests of a log of which lines are gone that nothing tells of: nobody leads by what is left of it.

use wagglebus_schemas::stream::Bucket;
use wagglebus_schemas::task_api::TaskRequest;
use wagglebus_schemas::{Hive, Id};

use super::election::{Errand, Written};
use super::view::Views;
use super::{Lead, News, Order, Place};
use crate::effect::Effect;
use crate::log::World;
use crate::roster::Roster;
use crate::task::rig::{Ids, now, roster};
use crate::tasks;

const MISSING: News = News::Incomplete {
    reading: 0,
    first: 1,
    last: 499,
};

struct Stage {
    lead: Lead,
    roster: Roster,
    ids: Ids,
    boot_ms: u64,
}

impl Stage {
    fn new() -> Self {
        let mut lead = Lead::new(Hive::default(), "a".to_owned());
        lead.connected();
        Self {
            lead,
            roster: roster(&[("alice", &[])]),
            ids: Ids::default(),
            boot_ms: 0,
        }
    }

    fn happens(&mut self, news: News) -> Vec<Effect> {
        self.lead
            .happened(now(self.boot_ms), &self.roster, &mut self.ids, news)
    }

    /// Lets ten seconds pass in which nobody else has the lease: what it does about the lease, and what it appends.
    fn waits(&mut self) -> (usize, usize) {
        let (mut errands, mut appends) = (0, 0);
        for _ in 0..100 {
            self.boot_ms += 100;
            for effect in self.lead.tick(now(self.boot_ms), &self.roster, &mut self.ids) {
                let Effect::Lease(errand) = effect else {
                    appends += count(&[effect]);
                    continue;
                };
                errands += 1;
                let told = match errand {
                    Errand::Look => News::LeaseSeen(Some(None)),
                    Errand::Write(_) => News::LeaseWrote(Written::Stored(1)),
                };
                appends += count(&self.happens(told));
            }
        }
        (errands, appends)
    }
}

fn count(effects: &[Effect]) -> usize {
    let append = |effect: &&Effect| matches!(effect, Effect::Tasks(Order::Append { .. }));
    effects.iter().filter(append).count()
}

#[test]
fn who_misses_lines_leads_only_once_somebody_tells_of_them() {
    let mut stage = Stage::new();
    stage.happens(MISSING);
    assert_eq!(stage.waits(), (0, 0), "the lease is left to those who know more");
    assert_eq!(stage.lead.next_ms(), None);
    let query = TaskRequest {
        id: Id::from_bytes([1; 16]),
    };
    let refused = tasks::task(&stage.lead, &query).unwrap_err();
    assert!(refused.message.contains("lines 1 to 499"), "{refused:?}");
    assert!(
        refused
            .hint
            .as_ref()
            .is_some_and(|hint| hint.contains("--accept-loss")),
        "{refused:?}"
    );

    let mut world = World::new();
    world.lose(499);
    stage.happens(News::Restored {
        reading: 0,
        world: Box::new(world),
    });
    stage.happens(News::CaughtUp {
        reading: 0,
        last: 499,
    });
    let (errands, appends) = stage.waits();
    assert!(errands > 0 && appends == 1, "{errands} {appends}");
}

#[test]
fn who_holds_the_lease_gives_it_up() {
    let mut stage = Stage::new();
    let (errands, appends) = stage.waits();
    assert!(
        errands > 1 && appends == 0,
        "it holds the lease, and has not read the log"
    );
    stage.happens(MISSING);
    assert_eq!(stage.waits(), (0, 0));
}

#[test]
fn who_knows_the_lines_goes_on() {
    let mut stage = Stage::new();
    let mut world = World::new();
    world.skip(600);
    stage.happens(News::Restored {
        reading: 0,
        world: Box::new(world),
    });
    stage.happens(News::CaughtUp {
        reading: 0,
        last: 600,
    });
    stage.happens(MISSING);
    assert_eq!((stage.lead.missing(), stage.lead.is_caught_up()), (None, true));
}

#[test]
fn records_that_only_lost_lines_told_of_stay_in_the_views() {
    let place = |id: &str| (Bucket::Tasks, id.to_owned());
    let found = vec![(place("of-line-400"), 400), (place("of-line-600"), 600)];
    let removed = |world: &World| -> Vec<Place> {
        let mut views = Views::default();
        views.survey();
        views.surveyed((world, &Hive::default()), found.clone(), true);
        let rows = views.due(world, world.last() + 1, 1_000);
        rows.into_iter().map(|row| row.place).collect()
    };
    let mut world = World::new();
    world.skip(700);
    assert_eq!(removed(&world), [place("of-line-400"), place("of-line-600")]);
    let mut world = World::new();
    world.lose(499);
    world.skip(700);
    assert_eq!(removed(&world), [place("of-line-600")]);
}
