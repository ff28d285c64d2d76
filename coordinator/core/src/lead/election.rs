//! The leader's lease: one key, renewed each second; whoever sees it unchanged for three takes it over.
//!
//! Two may hold it for a moment, when one was stopped and wakes up. That is harmless: the log decides.

/// How long a lease lives without being renewed, in milliseconds (DESIGN 3.6).
pub const LEASE_MS: u64 = 3_000;
/// Time between two renewals, in milliseconds.
pub const RENEW_MS: u64 = 1_000;
/// Time between two attempts to take over a stale lease, in milliseconds.
pub const TRY_MS: u64 = 100;
/// Time between two looks at somebody else's lease, in milliseconds.
pub const LOOK_MS: u64 = 250;

/// The key as it was seen: the revision of its last write, `None` when there is none.
pub type Revision = Option<u64>;

/// What is to be done about the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Read the key, then report [`Election::seen`].
    Look,
    /// Write the key if its last revision is still this one, then report [`Election::wrote`].
    Write(Revision),
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It has this revision.
    Stored(u64),
    /// Somebody else wrote in between.
    Conflict,
    /// Nobody knows.
    Unanswered,
}

/// A change of what we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// We hold the lease.
    Elected,
    /// We do not hold it any more.
    Deposed,
}

/// One coordinator's view of the lease. Times are those of a clock that never jumps, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    state: State,
    /// An errand is under way.
    busy: bool,
    next_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Somebody else's, or nobody's: as last seen, and since when.
    Watching { seen: Option<(Revision, u64)> },
    /// A write is under way, begun then.
    Trying { seen: (Revision, u64), begun_ms: u64 },
    /// Ours, with the revision and the time of the last write that was stored.
    Holding {
        revision: u64,
        stored_ms: u64,
        begun_ms: u64,
    },
}

impl Default for Election {
    fn default() -> Self {
        Self::new()
    }
}

impl Election {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self {
            state: State::Watching { seen: None },
            busy: false,
            next_ms: 0,
        }
    }

    /// Whether we hold the lease.
    pub const fn holds(&self) -> bool {
        matches!(self.state, State::Holding { .. })
    }

    /// When [`Election::due`] has something to do.
    pub const fn next_ms(&self) -> Option<u64> {
        if self.busy { None } else { Some(self.next_ms) }
    }

    /// What is to be done now, one thing at a time.
    pub fn due(&mut self, now_ms: u64) -> Option<Errand> {
        if self.busy || now_ms < self.next_ms {
            return None;
        }
        self.busy = true;
        match &mut self.state {
            State::Watching { seen } => match *seen {
                Some((revision, since)) if revision.is_none() || now_ms >= since + LEASE_MS => {
                    self.state = State::Trying {
                        seen: (revision, since),
                        begun_ms: now_ms,
                    };
                    Some(Errand::Write(revision))
                }
                Some(_) | None => Some(Errand::Look),
            },
            State::Trying { .. } => Some(Errand::Look),
            State::Holding {
                revision, begun_ms, ..
            } => {
                *begun_ms = now_ms;
                Some(Errand::Write(Some(*revision)))
            }
        }
    }

    /// The key was read; `None` when that did not work.
    pub fn seen(&mut self, now_ms: u64, key: Option<Revision>) {
        self.busy = false;
        self.next_ms = now_ms.saturating_add(LOOK_MS);
        if let (State::Watching { seen }, Some(revision)) = (&mut self.state, key) {
            // A lease grows stale from when this revision was seen first.
            if seen.is_none_or(|(known, _)| known != revision) {
                *seen = Some((revision, now_ms));
            }
            let stale_ms = match (revision, &seen) {
                (None, _) => now_ms,
                (Some(_), Some((_, since))) => since.saturating_add(LEASE_MS),
                (Some(_), None) => now_ms,
            };
            self.next_ms = self.next_ms.min(stale_ms.max(now_ms));
        }
    }

    /// A write ended.
    pub fn wrote(&mut self, now_ms: u64, written: Written) -> Option<Turn> {
        self.busy = false;
        match (self.state, written) {
            (State::Trying { begun_ms, .. }, Written::Stored(revision)) => {
                self.hold(revision, begun_ms);
                Some(Turn::Elected)
            }
            (State::Trying { seen, .. }, Written::Conflict | Written::Unanswered) => {
                // Whoever was faster is seen by the next look.
                self.state = State::Watching { seen: Some(seen) };
                self.next_ms = now_ms.saturating_add(TRY_MS);
                if written == Written::Conflict {
                    self.state = State::Watching { seen: None };
                }
                None
            }
            (State::Holding { begun_ms, .. }, Written::Stored(revision)) => {
                self.hold(revision, begun_ms);
                None
            }
            (State::Holding { stored_ms, .. }, Written::Unanswered) if now_ms < stored_ms + LEASE_MS => {
                self.next_ms = now_ms.saturating_add(TRY_MS);
                None
            }
            (State::Holding { .. }, Written::Conflict | Written::Unanswered) => Some(self.step_down(now_ms)),
            (State::Watching { .. }, _) => None,
        }
    }

    /// The lease is given up, or the connection was lost.
    pub fn step_down(&mut self, now_ms: u64) -> Turn {
        self.state = State::Watching { seen: None };
        self.busy = false;
        self.next_ms = now_ms.saturating_add(TRY_MS);
        Turn::Deposed
    }

    fn hold(&mut self, revision: u64, begun_ms: u64) {
        self.state = State::Holding {
            revision,
            stored_ms: begun_ms,
            begun_ms,
        };
        self.next_ms = begun_ms.saturating_add(RENEW_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key as a server keeps it.
    #[derive(Default)]
    struct Key {
        revision: Revision,
        writes: u64,
    }

    impl Key {
        fn write(&mut self, expected: Revision) -> Written {
            if expected != self.revision {
                return Written::Conflict;
            }
            self.writes += 1;
            self.revision = Some(self.writes);
            Written::Stored(self.writes)
        }
    }

    fn run(election: &mut Election, key: &mut Key, now_ms: u64) -> Option<Turn> {
        match election.due(now_ms)? {
            Errand::Look => {
                election.seen(now_ms, Some(key.revision));
                None
            }
            Errand::Write(expected) => {
                let written = key.write(expected);
                election.wrote(now_ms, written)
            }
        }
    }

    #[test]
    fn one_leads_and_the_other_takes_over_when_it_stops() {
        let (mut key, mut a, mut b) = (Key::default(), Election::new(), Election::new());
        let mut elected = Vec::new();
        for now_ms in (0..20_000).step_by(10) {
            // The first one is killed after 5 s.
            if now_ms < 5_000 && run(&mut a, &mut key, now_ms) == Some(Turn::Elected) {
                elected.push(("a", now_ms));
            }
            if run(&mut b, &mut key, now_ms) == Some(Turn::Elected) {
                elected.push(("b", now_ms));
            }
            assert!(now_ms >= 5_000 || !(a.holds() && b.holds()), "{now_ms}");
        }
        assert_eq!(elected.len(), 2, "{elected:?}");
        assert_eq!(elected[0].0, "a");
        let (name, at_ms) = elected[1];
        assert!(name == "b" && (7_000..9_000).contains(&at_ms), "{elected:?}");
    }

    #[test]
    fn whoever_was_stopped_and_wakes_up_is_deposed() {
        let (mut key, mut a, mut b) = (Key::default(), Election::new(), Election::new());
        for now_ms in (0..3_000).step_by(10) {
            run(&mut a, &mut key, now_ms);
            run(&mut b, &mut key, now_ms);
        }
        assert!(a.holds());
        for now_ms in (3_000..9_000).step_by(10) {
            run(&mut b, &mut key, now_ms);
        }
        assert!(a.holds() && b.holds(), "it does not know yet");
        assert_eq!(run(&mut a, &mut key, 9_000), Some(Turn::Deposed));
        assert!(!a.holds() && b.holds());
    }

    #[test]
    fn a_server_that_does_not_answer_ends_the_lease() {
        let (mut key, mut a) = (Key::default(), Election::new());
        let mut now_ms = 0;
        while !a.holds() {
            run(&mut a, &mut key, now_ms);
            now_ms += 10;
        }
        let held_ms = now_ms;
        loop {
            if a.due(now_ms).is_some() && a.wrote(now_ms, Written::Unanswered) == Some(Turn::Deposed) {
                break;
            }
            now_ms += 10;
        }
        assert!(
            (LEASE_MS - 500..=LEASE_MS + 500).contains(&(now_ms - held_ms)),
            "{}",
            now_ms - held_ms
        );
    }
}
