//! Nothing to link against: the package exists for its integration tests in `tests/all`.
