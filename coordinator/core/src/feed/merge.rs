//! Puts what lies in the streams in the order of time.

use super::position::Source;

/// The next record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<T> {
    /// When it was stored, in nanoseconds since 1970, by the server's clock.
    pub at: i128,
    /// The record.
    pub item: T,
}

/// What is known of the next record of a stream.
#[derive(Debug)]
enum Next<T> {
    Unknown,
    Known(Head<T>),
    None,
}

/// Takes the streams' records one by one and gives them back by time, and by the order of streams where that is equal.
/// Holds one record of each stream. Within a stream nothing is put in another order, whatever the clock said.
#[derive(Debug)]
pub struct Merge<T> {
    next: [(Source, Next<T>); 3],
}

impl<T> Default for Merge<T> {
    fn default() -> Self {
        Self {
            next: Source::ALL.map(|source| (source, Next::Unknown)),
        }
    }
}

impl<T> Merge<T> {
    /// The stream whose next record must be [put](Self::put) before anything can be taken.
    pub fn wants(&self) -> Option<Source> {
        let unknown = self.next.iter().find(|(_, next)| matches!(next, Next::Unknown));
        unknown.map(|(source, _)| *source)
    }

    /// The next record of a stream; `None` when there are no more.
    pub fn put(&mut self, source: Source, head: Option<Head<T>>) {
        if let Some((_, next)) = self.next.iter_mut().find(|(of, _)| *of == source) {
            *next = head.map_or(Next::None, Next::Known);
        }
    }

    /// The record that comes first; `None` when there are no more, or a stream is wanted.
    pub fn take(&mut self) -> Option<(Source, T)> {
        if self.wants().is_some() {
            return None;
        }
        let known = self.next.iter_mut().filter_map(|(source, next)| match next {
            Next::Known(head) => Some((head.at, *source, next)),
            Next::Unknown | Next::None => None,
        });
        let (_, source, first) = known.min_by_key(|(at, source, _)| (*at, *source))?;
        match std::mem::replace(first, Next::Unknown) {
            Next::Known(head) => Some((source, head.item)),
            Next::Unknown | Next::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Merges times of the three streams; an item is its stream and its place there.
    fn merged(streams: [&[i128]; 3]) -> Vec<(Source, usize)> {
        let mut merge = Merge::default();
        let mut read = [0; 3];
        let mut order = Vec::new();
        loop {
            while let Some(source) = merge.wants() {
                let n = Source::ALL.iter().position(|of| *of == source).unwrap();
                let head = streams[n].get(read[n]).map(|at| Head {
                    at: *at,
                    item: read[n],
                });
                read[n] += 1;
                merge.put(source, head);
            }
            match merge.take() {
                Some(next) => order.push(next),
                None => return order,
            }
        }
    }

    #[test]
    fn the_oldest_comes_first_and_a_stream_keeps_its_order() {
        use Source::{Events, Messages, Receipts};
        assert_eq!(merged([&[], &[], &[]]), []);
        assert_eq!(
            merged([&[2, 5], &[1, 3], &[4]]),
            [
                (Messages, 0),
                (Events, 0),
                (Messages, 1),
                (Receipts, 0),
                (Events, 1)
            ]
        );
        assert_eq!(
            merged([&[1], &[1], &[1]]),
            [(Events, 0), (Messages, 0), (Receipts, 0)]
        );
        // A clock that was set back.
        assert_eq!(
            merged([&[9, 1], &[5], &[]]),
            [(Messages, 0), (Events, 0), (Events, 1)]
        );
    }

    #[test]
    fn nothing_is_taken_while_a_stream_is_unknown() {
        let mut merge = Merge::default();
        merge.put(Source::Events, Some(Head { at: 1, item: () }));
        merge.put(Source::Receipts, None);
        assert_eq!(merge.wants(), Some(Source::Messages));
        assert_eq!(merge.take(), None);
        merge.put(Source::Messages, None);
        assert_eq!(merge.take(), Some((Source::Events, ())));
        assert_eq!(merge.wants(), Some(Source::Events));
    }
}
