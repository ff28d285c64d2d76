//! Readers that move to another coordinator, that are slow, and that are many.

use futures::future::join_all;
use wagglebus_harness::feed::{FeedEvent, FeedReader};
use wagglebus_harness::fleet::Fleet;

use super::{content, hive, next, numbers, publish, submit};

/// Content of a message that is many times as long as what is on its way in a connection, so that few fill the memory of
/// a coordinator.
const LONG: usize = 200_000;
/// More of them than a coordinator remembers.
const MANY: usize = 150;

/// What was seen, and from where on.
struct Seen {
    from: [u64; 3],
    events: Vec<FeedEvent>,
}

impl Seen {
    /// Nothing yet, behind everything that is stored now.
    async fn nothing(fleet: &Fleet) -> Self {
        let mut from = [0; 3];
        for (n, name) in ["WB_EVENTS", "WB_MESSAGES", "WB_RECEIPTS"].iter().enumerate() {
            let stream = fleet.bus().admin().get_stream(*name).await.unwrap();
            from[n] = stream.cached_info().state.last_sequence;
        }
        Self {
            from,
            events: Vec::new(),
        }
    }

    fn id(&self) -> String {
        let last = self.events.last().map(|event| event.id.clone());
        last.unwrap_or_else(|| self.from.map(|n| n.to_string()).join("."))
    }

    /// Reads until this many rounds of messages, tasks and verdicts were seen.
    async fn read(&mut self, reader: &mut FeedReader, rounds: usize) {
        let enough = rounds * ROUND;
        while ["message", "task", "receipt"]
            .iter()
            .any(|name| self.of(name).len() < enough)
        {
            let event = next(reader).await;
            // Counters have no place.
            if event.name != "metric" {
                self.events.push(event);
            }
        }
    }

    /// Ids of the records under a name; of receipts only verdicts, as others depend on the time.
    fn of(&self, name: &str) -> Vec<String> {
        let of_name = self.events.iter().filter(|event| event.name == name);
        let counted = of_name.filter(|event| name != "receipt" || event.data["level"] == "done");
        counted.map(|event| event.data["id"].to_string()).collect()
    }

    /// Each event moves one stream by one; the log has lines beside that are told to nobody.
    fn check(&self) {
        let mut before = self.from;
        for event in &self.events {
            let now = numbers(&event.id);
            let moved: Vec<usize> = (0..3).filter(|n| now[*n] != before[*n]).collect();
            assert_eq!(moved.len(), 1, "{before:?} {event:?}");
            let next = before[moved[0]] + 1;
            let is_log = moved == [0];
            assert!(
                now[moved[0]] == next || (is_log && now[0] > next),
                "{before:?} {event:?}"
            );
            before = now;
        }
    }
}

/// Messages and tasks of a round.
const ROUND: usize = 5;

async fn round(fleet: &Fleet, round: usize) {
    for n in 0..ROUND {
        publish(fleet, "alice", "bob", &format!("{round}.{n}")).await;
        submit(fleet, "alice", &format!("task {round}.{n}")).await;
    }
}

#[tokio::test]
async fn a_reader_goes_on_at_the_standby_where_it_was_at_the_leader() {
    let mut fleet = hive(2).await;
    let (mut seen, mut watched) = (Seen::nothing(&fleet).await, Seen::nothing(&fleet).await);
    let mut reader = fleet.feed(0).unwrap().read("", Some(&seen.id())).await.unwrap();
    let mut watcher = fleet
        .feed(1)
        .unwrap()
        .read("", Some(&watched.id()))
        .await
        .unwrap();
    round(&fleet, 0).await;
    seen.read(&mut reader, 1).await;
    fleet.kill_coordinator(0).await.unwrap();
    while let Ok(event) = reader.next().await {
        seen.events.push(event);
    }
    // While nobody leads and nobody reads, and after that.
    round(&fleet, 1).await;
    let mut reader = fleet.feed(0).unwrap().read("", Some(&seen.id())).await.unwrap();
    round(&fleet, 2).await;
    seen.read(&mut reader, 3).await;
    watched.read(&mut watcher, 3).await;
    seen.check();
    watched.check();
    for name in ["task", "message", "receipt"] {
        assert_eq!(seen.of(name).len(), 3 * ROUND, "{name}");
        assert_eq!(seen.of(name), watched.of(name), "{name}");
    }
    let leads = |event: &FeedEvent| event.name == "swarm" && event.data["entity"] == "leader";
    assert!(seen.events.iter().any(leads), "the new leader");
}

#[tokio::test]
async fn a_slow_reader_is_given_everything_and_takes_no_memory() {
    let fleet = hive(1).await;
    let feed = fleet.feed(0).unwrap();
    let mut slow = feed.read("kind=message", None).await.unwrap();
    let mut quick = feed.read("kind=message", None).await.unwrap();
    let long = "x".repeat(LONG);
    for n in 0..MANY {
        publish(&fleet, "alice", "bob", &format!("{n} {long}")).await;
        let event = next(&mut quick).await;
        assert!(content(&event).starts_with(&format!("{n} ")), "{}", event.id);
    }
    for n in 0..MANY {
        let event = next(&mut slow).await;
        assert!(content(&event).starts_with(&format!("{n} ")), "{}", event.id);
    }
    let rss = rss_mib(fleet.coordinators()[0].pid());
    assert!(
        rss < 160,
        "{rss} MiB for {} MB of messages",
        MANY * LONG / 1_000_000
    );
}

fn rss_mib(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.map_or(0, |kib| kib.parse::<usize>().unwrap() / 1_024)
}

#[tokio::test]
async fn a_hundred_readers_are_given_the_same() {
    let fleet = hive(1).await;
    let feed = fleet.feed(0).unwrap();
    let readers = join_all((0..100).map(|_| feed.read("kind=message", None))).await;
    for n in 0..50 {
        publish(&fleet, "alice", "bob", &format!("{n}")).await;
    }
    let read = readers.into_iter().map(|reader| async {
        let mut reader = reader.unwrap();
        for n in 0..50 {
            assert_eq!(content(&next(&mut reader).await), n.to_string());
        }
    });
    join_all(read).await;
}
