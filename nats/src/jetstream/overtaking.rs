//! Keeps a new session's publishes from overtaking those that an ended one has lost.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::NoAnswer;

/// The publishes whose acks are still to be looked at, all of one session.
///
/// A caller learns of a lost publish only when it looks at its ack. Until then it would go on in the next session, and
/// later messages would be stored before earlier ones.
#[derive(Debug, Default)]
pub(super) struct Unsettled(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    session: u64,
    open: usize,
}

/// One publish whose ack is still to be looked at.
#[derive(Debug)]
pub(super) struct Open(Arc<Unsettled>);

impl Unsettled {
    /// Counts a publish in `session`.
    ///
    /// # Errors
    /// [`NoAnswer::Disconnected`] while acks of an earlier session are neither awaited nor dropped.
    pub(super) fn enter(self: &Arc<Self>, session: u64) -> Result<Open, NoAnswer> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.session != session {
            if state.open > 0 {
                return Err(NoAnswer::Disconnected);
            }
            state.session = session;
        }
        state.open += 1;
        Ok(Open(self.clone()))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_session_waits_for_the_end_of_the_old_ones_publishes() {
        let unsettled = Arc::new(Unsettled::default());
        let one = unsettled.enter(1).unwrap();
        let two = unsettled.enter(1).unwrap();
        drop(one);
        assert_eq!(unsettled.enter(2).unwrap_err(), NoAnswer::Disconnected);
        drop(two);
        let _three = unsettled.enter(2).unwrap();
        let _four = unsettled.enter(2).unwrap();
    }
}
