//! How much of a disk a hive may fill, and which stream gets which share (DESIGN 6).

use wagglebus_schemas::stream::Stream;

/// Most that the rule for a fresh installation takes.
pub const STORAGE_BYTES_MAX: u64 = 20 << 30;

/// Least that is accepted: below it the smallest share holds too few messages of the largest size to be useful, and a
/// share of zero would mean "no limit" to the server.
pub const STORAGE_BYTES_MIN: u64 = 64 << 20;

/// What the server and the bus account may use beyond the streams' shares: buckets, consumers and their logs.
pub const SERVER_RESERVE_BYTES: u64 = 1 << 30;

/// Storage of a hive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizing {
    storage_bytes: u64,
    replicas: u8,
}

/// Why a [`Sizing`] is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizingError {
    /// Too little space.
    #[error("{found} bytes of storage are too few: free at least {} MiB for the streams", STORAGE_BYTES_MIN >> 20)]
    TooSmall {
        /// What was given.
        found: u64,
    },
    /// More than any disk; the server counts in signed 64-bit numbers.
    #[error("{found} bytes of storage are more than the server can count")]
    TooLarge {
        /// What was given.
        found: u64,
    },
    /// Not a number of replicas that the server knows.
    #[error("{found} replicas are not possible: use 1, 3 or 5")]
    Replicas {
        /// What was given.
        found: u8,
    },
}

impl Sizing {
    /// `storage_bytes` for all streams together, each kept on `replicas` servers.
    ///
    /// # Errors
    /// When the storage is below [`STORAGE_BYTES_MIN`], or the replicas are none of 1, 3, 5.
    pub const fn new(storage_bytes: u64, replicas: u8) -> Result<Self, SizingError> {
        if storage_bytes < STORAGE_BYTES_MIN {
            return Err(SizingError::TooSmall { found: storage_bytes });
        }
        if storage_bytes > (i64::MAX as u64) / 2 {
            return Err(SizingError::TooLarge { found: storage_bytes });
        }
        if !matches!(replicas, 1 | 3 | 5) {
            return Err(SizingError::Replicas { found: replicas });
        }
        Ok(Self {
            storage_bytes,
            replicas,
        })
    }

    /// The rule for a fresh installation on one server: half of the free space, at most [`STORAGE_BYTES_MAX`].
    ///
    /// # Errors
    /// When that is below [`STORAGE_BYTES_MIN`].
    pub const fn of_free_space(free_bytes: u64) -> Result<Self, SizingError> {
        let half = free_bytes / 2;
        Self::new(
            if half < STORAGE_BYTES_MAX {
                half
            } else {
                STORAGE_BYTES_MAX
            },
            1,
        )
    }

    /// Bytes of all streams together.
    pub const fn storage_bytes(self) -> u64 {
        self.storage_bytes
    }

    /// Servers that keep each stream.
    pub const fn replicas(self) -> u8 {
        self.replicas
    }

    /// `max_file` of the server and of the bus account.
    pub const fn server_bytes(self) -> u64 {
        self.storage_bytes + SERVER_RESERVE_BYTES
    }

    /// `max_bytes` of a stream.
    pub fn share(self, stream: Stream) -> i64 {
        let percent: u64 = match stream {
            Stream::Messages => 60,
            Stream::Receipts => 10,
            Stream::Events => 15,
            Stream::Tasks | Stream::Dlq => 5,
        };
        // Dividing first cannot overflow; the 99 bytes it may lose do not matter.
        i64::try_from(self.storage_bytes / 100 * percent).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_fit_the_storage() {
        let sizing = Sizing::of_free_space(100 << 30).unwrap();
        assert_eq!(sizing.storage_bytes(), STORAGE_BYTES_MAX);
        let sum: i64 = Stream::ALL.iter().map(|&stream| sizing.share(stream)).sum();
        assert_eq!(sum, i64::try_from(STORAGE_BYTES_MAX / 100 * 95).unwrap());
        assert_eq!(sizing.server_bytes(), 21 << 30);
    }

    #[test]
    fn useless_sizes_are_refused() {
        let too_small = Sizing::of_free_space(2 * STORAGE_BYTES_MIN - 2).unwrap_err();
        assert!(matches!(too_small, SizingError::TooSmall { .. }));
        assert!(Sizing::of_free_space(2 * STORAGE_BYTES_MIN).is_ok());
        assert!(matches!(
            Sizing::new(u64::MAX, 1),
            Err(SizingError::TooLarge { .. })
        ));
        for replicas in [0, 2, 4, 6] {
            assert_eq!(
                Sizing::new(1 << 30, replicas),
                Err(SizingError::Replicas { found: replicas })
            );
        }
    }
}
