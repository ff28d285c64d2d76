//! The server, as a coordinator that leads needs it: it takes whatever is written.

use wagglebus_coordinator_core::lead::election::{Errand, Written};
use wagglebus_coordinator_core::lead::{Appended, News, Order};
use wagglebus_coordinator_core::{Effect, Event};

use super::World;

impl World {
    /// Answers for the server what a coordinator that leads asks of it.
    pub(super) fn serve(&mut self, effect: Effect) -> Vec<String> {
        if let Effect::Lease(errand) = effect {
            let news = match errand {
                Errand::Look => News::LeaseSeen(Some(None)),
                Errand::Write(_) => News::LeaseWrote(Written::Stored(self.boot_ms)),
            };
            return self.step(Event::Lead(news));
        }
        let Effect::Tasks(Order::Append { after, events }) = effect else {
            return Vec::new();
        };
        assert_eq!(after, self.log.len() as u64);
        self.log.extend(events);
        let outcome = Appended::Stored(self.log.len() as u64);
        let printed = self.step(Event::Lead(News::Appended { after, outcome }));
        printed.into_iter().chain(self.read_on()).collect()
    }

    /// Reads the log to its end.
    pub(super) fn read_on(&mut self) -> Vec<String> {
        if !self.leads {
            return Vec::new();
        }
        let reading = self.machine.lead().reading();
        let (known, last) = (self.machine.lead().world().last(), self.log.len() as u64);
        let mut printed = Vec::new();
        for seq in known + 1..=last {
            let line = Ok(Box::new(self.log[usize::try_from(seq - 1).unwrap()].clone()));
            printed.extend(self.step(Event::Lead(News::Logged { reading, seq, line })));
        }
        printed.extend(self.step(Event::Lead(News::CaughtUp { reading, last })));
        printed
    }
}
