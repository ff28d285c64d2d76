//! How many servers may be lost before data is: what streams say of their copies.

use serde::Serialize;

/// How it stands about copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// One server holds everything: never a good state.
    None,
    /// Some streams have copies and some have not.
    Partial,
    /// Every stream has copies.
    Redundant,
}

/// The copies of the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Redundancy {
    pub(crate) state: State,
    /// Copies of the stream that has the fewest.
    pub(crate) replicas: u64,
    /// Servers that may be lost while everything goes on.
    pub(crate) tolerated: u64,
}

impl Redundancy {
    /// Of streams with so many copies each; `None` when none was seen.
    pub(crate) fn of(copies: impl IntoIterator<Item = u64>) -> Option<Self> {
        let copies: Vec<u64> = copies.into_iter().map(|copies| copies.max(1)).collect();
        let (least, most) = (*copies.iter().min()?, *copies.iter().max()?);
        let state = match (least, most) {
            (1, 1) => State::None,
            (1, _) => State::Partial,
            _ => State::Redundant,
        };
        Some(Self {
            state,
            replicas: least,
            // A majority must be left.
            tolerated: least.saturating_sub(1) / 2,
        })
    }

    /// For people.
    pub(crate) fn text(self) -> String {
        let Self {
            state,
            replicas,
            tolerated,
        } = self;
        match state {
            State::None => "none: one server holds everything (R1)".to_owned(),
            State::Partial => "partial: some streams have one copy only (R1)".to_owned(),
            State::Redundant => format!("R{replicas}: {tolerated} of {replicas} servers may be lost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_copy_is_no_redundancy() {
        let of = |copies: &[u64]| Redundancy::of(copies.iter().copied());
        assert_eq!(of(&[]), None);
        for (copies, state, tolerated) in [
            (&[1, 1][..], State::None, 0),
            (&[0], State::None, 0),
            (&[1, 3], State::Partial, 0),
            (&[3, 3], State::Redundant, 1),
            (&[5, 3], State::Redundant, 1),
            (&[5], State::Redundant, 2),
        ] {
            let found = of(copies).unwrap();
            assert_eq!((found.state, found.tolerated), (state, tolerated), "{copies:?}");
        }
        assert!(of(&[1]).unwrap().text().starts_with("none"));
    }
}
