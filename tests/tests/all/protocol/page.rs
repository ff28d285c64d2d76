//! `docs/protocol.md` says what the contract says.
