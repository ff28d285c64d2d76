//! Tests of the search with scripts in place of servers.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A script that answers `--version` like a server of `version`.
fn server(path: &Path, version: &str) {
    script(path, &format!("#!/bin/sh\necho 'nats-server: v{version}'\n"));
}

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// All places of one imaginary machine below `root`.
fn machine(root: &Path) -> Search {
    let executable = root.join("checkout/target/debug/wagglebus");
    script(&executable, "");
    script(&root.join("checkout/tools/nats-server.lock"), "");
    Search {
        explicit: None,
        executable: Some(executable),
        cache: Some(root.join("cache")),
        path: Some(env::join_paths([root.join("empty"), root.join("bin")]).unwrap()),
    }
}

#[tokio::test]
async fn earlier_places_win_over_later_ones() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let search = machine(&root);
    for (place, origin) in [
        ("bin/nats-server", Origin::Path),
        ("checkout/.tools/bin/nats-server", Origin::Checkout),
        ("cache/2.15.1/nats-server", Origin::ToolCache),
        ("checkout/target/libexec/nats-server", Origin::Beside),
        ("checkout/target/debug/nats-server", Origin::Beside),
    ] {
        server(&root.join(place), "2.15.1");
        let found = search.resolve().await.unwrap().found;
        assert_eq!(
            found,
            Found {
                path: root.join(place),
                version: PINNED,
                origin
            }
        );
    }
}

#[tokio::test]
async fn what_is_too_old_or_broken_is_passed_over_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let search = machine(&root);
    server(&root.join("checkout/target/debug/nats-server"), "2.10.7");
    script(&root.join("cache/2.15.1/nats-server"), "#!/bin/sh\necho hello\n");
    fs::create_dir_all(root.join("checkout/.tools/bin")).unwrap();
    fs::write(
        root.join("checkout/.tools/bin/nats-server"),
        "no permission to run",
    )
    .unwrap();
    server(&root.join("bin/nats-server"), "2.15.2");

    let Resolution { found, skipped } = search.resolve().await.unwrap();
    assert_eq!(found.origin, Origin::Path);
    let why: Vec<String> = skipped
        .iter()
        .map(|s| format!("{}: {}", s.origin, s.why))
        .collect();
    assert_eq!(
        why,
        [
            "next to our executable: is 2.10.7, older than 2.15.1",
            "next to our executable: not there",
            "tool cache: did not answer --version like nats-server",
            "checkout: cannot be run",
        ]
    );
}

#[tokio::test]
async fn the_newest_of_the_cache_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let search = Search {
        cache: Some(dir.path().to_owned()),
        ..Search::default()
    };
    for version in ["2.15.1", "2.16.3", "2.9.0"] {
        server(&dir.path().join(version).join(BINARY), version);
    }
    fs::create_dir(dir.path().join("not-a-version")).unwrap();
    assert_eq!(
        search.resolve().await.unwrap().found.version.to_string(),
        "2.16.3"
    );
}

#[tokio::test]
async fn an_explicit_server_is_taken_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let mut search = machine(&root);
    server(&root.join("bin/nats-server"), "2.15.1");
    search.explicit = Some(root.join("mine"));

    let error = search.resolve().await.unwrap_err();
    assert!(
        matches!(
            error,
            ResolveError::Explicit {
                why: Unfit::Broken(ProbeError::Absent),
                ..
            }
        ),
        "{error}"
    );
    server(&root.join("mine"), "2.15.0");
    let error = search.resolve().await.unwrap_err();
    assert!(
        matches!(
            error,
            ResolveError::Explicit {
                why: Unfit::TooOld(_),
                ..
            }
        ),
        "{error}"
    );
    server(&root.join("mine"), "2.15.1");
    assert_eq!(search.resolve().await.unwrap().found.origin, Origin::Explicit);
}

#[tokio::test]
async fn a_link_to_our_executable_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let mut search = machine(&root);
    server(&root.join("checkout/target/debug/nats-server"), "2.15.1");
    symlink(
        root.join("checkout/target/debug/wagglebus"),
        root.join("wagglebus"),
    )
    .unwrap();
    search.executable = Some(root.join("wagglebus"));
    assert_eq!(search.resolve().await.unwrap().found.origin, Origin::Beside);
}

#[tokio::test]
async fn nothing_found_names_every_fix_and_what_was_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let search = machine(dir.path());
    server(&dir.path().join("bin/nats-server"), "2.9.10");
    let text = search.resolve().await.unwrap_err().to_string();
    for expected in FIXES
        .into_iter()
        .chain(["bin/nats-server (PATH) is 2.9.10, older than 2.15.1"])
    {
        assert!(text.contains(expected), "{expected:?} is missing in {text}");
    }
}
