//! Which files count, what they may say, and how a mistake is told.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn read(text: &str) -> Result<Content, ConfigError> {
    parse(Path::new("/p/wagglebus.toml"), text, Some(Path::new("/home/me")))
}

/// Two nested project folders and a user file, all of ours.
struct Tree {
    folder: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        Self { folder }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            choice: None,
            folder: Some(self.folder.path().join("a/b")),
            user_file: self.folder.path().join("user.toml"),
            home: None,
            uid: rustix::process::geteuid().as_raw(),
        }
    }
}

#[test]
fn every_key_is_read() {
    let content = read(
        "hive = 'team'\n[bus]\nserver = 'nats://h:1'\ncontext = 'c'\nnkey = 'k.nk'\napi_prefix = 'X'\n\
         [sidecar]\nslots = 2\nlisten = '127.0.0.1:0'\n[coordinator]\nlisten = '[::1]:1'\n",
    )
    .unwrap();
    assert_eq!(content.hive.unwrap().as_str(), "team");
    assert_eq!(content.bus.nkey.unwrap(), Path::new("/p/k.nk"));
    assert_eq!(content.sidecar.slots, Some(2));
    assert!(content.coordinator.listen.unwrap().is_ipv6());
}

#[test]
fn paths_begin_at_the_file_or_at_home() {
    for (given, meant) in [
        ("~/a", "/home/me/a"),
        ("k/a", "/p/k/a"),
        ("/x/a", "/x/a"),
        ("~bob/a", "/p/~bob/a"),
    ] {
        let content = read(&format!("[bus]\nserver = 'h'\ncreds = '{given}'")).unwrap();
        assert_eq!(content.bus.creds.unwrap(), Path::new(meant));
    }
}

#[test]
fn a_mistake_is_told_with_its_line() {
    for (text, at, reason) in [
        ("hive = 'x'\n\nserver = 'y'\n", (3, 1), "unknown field `server`"),
        ("[bus]\n  serve = 'y'\n", (2, 3), "unknown field `serve`"),
        ("[buss]\n", (1, 2), "unknown field `buss`"),
        ("hive = 'No'\n", (1, 8), "hive"),
        ("[sidecar]\nslots = 'two'\n", (2, 9), "invalid type"),
        ("hive = \n", (1, 8), ""),
        ("# é\n[sidecar]\nslots = 0\n", (2, 1), "1 to 256"),
        ("[bus]\nnkey = 'a'\n", (1, 1), "no bus"),
        (
            "[bus]\nserver = 'a'\nnkey = 'a'\ncreds = 'b'\n",
            (1, 1),
            "exclude",
        ),
        ("[coordinator]\nlisten = '0.0.0.0:1'\n", (1, 1), "loopback"),
    ] {
        match read(text) {
            Err(ConfigError::Invalid {
                line,
                column,
                reason: told,
                ..
            }) => {
                assert_eq!((line, column), at, "{text:?}: {told}");
                assert!(told.contains(reason) && !told.contains('\n'), "{text:?}: {told}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn the_nearest_project_file_counts_before_the_users() {
    let tree = Tree::new();
    assert_eq!(tree.surroundings().load().unwrap(), Config::default());
    tree.write("user.toml", "hive = 'user'\n[sidecar]\nslots = 7\n");
    let far = tree.write("wagglebus.toml", "hive = 'far'\n[bus]\nserver = 'nats://far:1'\n");
    let config = tree.surroundings().load().unwrap();
    assert_eq!(config.hive().unwrap().value.as_str(), "far");
    assert_eq!(
        config.hive().unwrap().origin,
        Origin {
            scope: Scope::Project,
            path: far
        }
    );
    assert_eq!(config.sidecar_slots().unwrap().value, 7);
    assert_eq!(config.sidecar_slots().unwrap().origin.scope, Scope::User);
    tree.write("a/wagglebus.toml", "hive = 'near'\n");
    let config = tree.surroundings().load().unwrap();
    assert_eq!(config.hive().unwrap().value.as_str(), "near");
    assert_eq!(config.bus(), None, "a project has one file, not several");
}

#[test]
fn what_was_asked_for_counts_alone() {
    let tree = Tree::new();
    tree.write("user.toml", "hive = 'user'");
    tree.write("wagglebus.toml", "this is no TOML");
    let given = tree.write("a/b/own.toml", "[sidecar]\nslots = 3\n");
    let with = |choice: &str| {
        Surroundings {
            choice: choice.parse().ok(),
            ..tree.surroundings()
        }
        .load()
    };
    assert_eq!(with("none").unwrap(), Config::default());
    let config = with("own.toml").unwrap();
    assert_eq!(config.origins().map(|o| &o.path).collect::<Vec<_>>(), [&given]);
    assert_eq!(config.hive(), None);
    assert!(matches!(
        with("missing.toml"),
        Err(ConfigError::Unreadable { .. })
    ));
    assert!(matches!(
        tree.surroundings().load(),
        Err(ConfigError::Invalid { line: 1, .. })
    ));
}

#[test]
fn a_project_file_that_others_may_write_is_not_followed() {
    let tree = Tree::new();
    let path = tree.write("a/wagglebus.toml", "hive = 'evil'");
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o666);
    assert!(matches!(
        tree.surroundings().load(),
        Err(ConfigError::Foreign { .. })
    ));
    mode(0o644);
    assert!(tree.surroundings().load().is_ok());
    if tree.surroundings().uid != 0 {
        let stranger = Surroundings {
            uid: tree.surroundings().uid + 1,
            ..tree.surroundings()
        };
        assert!(matches!(stranger.load(), Err(ConfigError::Foreign { .. })));
    }
}

#[test]
fn what_is_no_file_or_too_long_is_refused_at_once() {
    let tree = Tree::new();
    let long = " ".repeat(CONFIG_BYTES_MAX as usize + 1);
    tree.write("long.toml", &long);
    for name in ["long.toml", "."] {
        let surroundings = Surroundings {
            choice: name.parse().ok(),
            ..tree.surroundings()
        };
        let surroundings = Surroundings {
            folder: Some(tree.folder.path().to_owned()),
            ..surroundings
        };
        assert!(
            matches!(surroundings.load(), Err(ConfigError::Unreadable { .. })),
            "{name}"
        );
    }
}
