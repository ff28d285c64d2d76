//! Which files count, what they may say, and how a mistake is told.

use std::os::unix::fs::PermissionsExt;

use super::parse::parse;
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
            places: ConfigPlaces {
                user_file: self.folder.path().join("user.toml"),
                trusted: self.folder.path().join("trusted"),
            },
            home: None,
            uid: rustix::process::geteuid().as_raw(),
        }
    }
}

#[test]
fn every_key_is_read() {
    let content = read(
        "hive = 'team'\n[bus]\nserver = 'nats://h:1'\ncontext = 'c'\nnkey = 'k.nk'\napi_prefix = 'X'\n\
         ca = 'ca.pem'\ncert = 'me.pem'\nkey = 'me.key'\ntls_first = true\n\
         [sidecar]\nslots = 2\nlisten = '127.0.0.1:0'\n[coordinator]\nlisten = '[::1]:1'\n\
         [alerts]\nwebhook = 'https://h/x'\ncommand = ['page', '-q']\nmessage = true\nlimits = { agent_lost = 2.5 }\n",
    )
    .unwrap();
    let config = Config {
        files: vec![(
            Origin {
                scope: Scope::User,
                path: "/p/x".into(),
            },
            content,
        )],
        ..Config::default()
    };
    assert_eq!(config.hive().unwrap().value.as_str(), "team");
    let bus = config.bus().unwrap().value;
    assert_eq!(bus.nkey.unwrap(), Path::new("/p/k.nk"));
    assert!(bus.tls.first);
    assert_eq!(
        bus.tls.identity.unwrap(),
        ("/p/me.pem".into(), "/p/me.key".into())
    );
    assert_eq!(config.sidecar_slots().unwrap().value, 2);
    let alerts = config.alerts();
    assert_eq!(alerts.webhook.unwrap().value, "https://h/x");
    assert_eq!(alerts.command.unwrap().value, ["page", "-q"]);
    assert!(alerts.message.unwrap().value);
    assert_eq!(alerts.limits, [("agent_lost".to_owned(), 2.5)].into());
    assert!(config.coordinator_listen().unwrap().value.is_ipv6());
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
        assert_eq!(content.bus.get_ref().creds.as_deref(), Some(Path::new(meant)));
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
        ("# [sidecar] é\n\n[sidecar]\nslots = 0\n", (4, 9), "1 to 256"),
        ("[bus]\nnkey = 'a'\n", (1, 1), "no bus"),
        (
            "[bus]\nserver = 'a'\nnkey = 'a'\ncreds = 'b'\n",
            (1, 1),
            "exclude",
        ),
        ("[coordinator]\nlisten = '0.0.0.0:1'\n", (2, 10), "loopback"),
    ] {
        match read(text) {
            Err(error @ ConfigError::Invalid { .. }) => {
                let told = error.to_string();
                let place = format!("/p/wagglebus.toml:{}:{}: ", at.0, at.1);
                assert!(told.starts_with(&place), "{text:?}: {told}");
                assert!(told.contains(reason) && !told.contains('\n'), "{text:?}: {told}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn every_mistake_is_told_at_once_with_its_key() {
    let text = "hive = 'No'\nserver = 'x'\n[sidecar]\nslots = 'two'\nlisten = '0.0.0.0:1'\n\
                [buss]\nserver = 'x'\n[bus]\nserver = 7\nnkey = 'k'\n";
    let Err(ConfigError::Invalid { faults, .. }) = read(text) else {
        panic!("it is read");
    };
    let told: Vec<_> = faults
        .iter()
        .map(|fault| (fault.line, fault.key.as_str()))
        .collect();
    let expected = [
        (1, "hive"),
        (2, ""),
        (4, "sidecar.slots"),
        (5, "sidecar.listen"),
        (6, ""),
        (9, "bus.server"),
    ];
    assert_eq!(told, expected, "{faults:?}");
    let told = read(text).unwrap_err().to_string();
    assert!(
        told.contains("\n/p/wagglebus.toml:4:9: sidecar.slots: invalid type"),
        "{told}"
    );
    let Err(ConfigError::Invalid { faults, .. }) = read("hive = \n[bus\n") else {
        panic!("it is read");
    };
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_file_that_a_group_may_write_is_not_trusted_and_can_be_looked_at() {
    let tree = Tree::new();
    let path = tree.write("wagglebus.toml", "[bus]\nserver = 'nats://h:1'\nnkey = 'no.nk'\n");
    let trusted = tree.surroundings().places.trusted;
    trust(&trusted, &path).unwrap();
    assert!(tree.surroundings().load().is_ok() && !needs_trust(&trusted, &path).unwrap());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o664)).unwrap();
    let refused = tree.surroundings().load().unwrap_err();
    assert!(
        matches!(&refused, ConfigError::Foreign { reason, .. } if reason.contains("its group")),
        "{refused}"
    );
    assert!(matches!(trust(&trusted, &path), Err(ConfigError::Foreign { .. })));
    assert!(needs_trust(&trusted, &path).unwrap());
    let looked = tree.surroundings().look().unwrap();
    assert_eq!(looked.bus().unwrap().origin.scope, Scope::Untrusted);
    let missing = looked.missing();
    assert_eq!((missing.len(), missing[0].1), (1, "bus.nkey"));
}

#[test]
fn a_project_may_choose_limits_and_nobody_else_is_told_or_run_without_trust() {
    let tree = Tree::new();
    let file = |text: &str| {
        tree.write("wagglebus.toml", text);
        tree.surroundings().load()
    };
    let limits = file("[alerts]\nmessage = true\nlimits = { urgent_unread = 5 }\n").unwrap();
    assert_eq!(limits.alerts().limits["urgent_unread"], 5.0);
    for text in [
        "[alerts]\nwebhook = 'https://h/'\n",
        "[alerts]\ncommand = ['rm']\n",
    ] {
        let refused = file(text).unwrap_err();
        assert!(matches!(refused, ConfigError::Untrusted { .. }), "{refused}");
    }
}

#[test]
fn the_nearest_project_file_counts_before_the_users() {
    let tree = Tree::new();
    assert_eq!(tree.surroundings().load().unwrap(), Config::default());
    tree.write("user.toml", "hive = 'user'\n[sidecar]\nslots = 7\n");
    let far = tree.write("wagglebus.toml", "hive = 'far'\n[bus]\nserver = 'nats://far:1'\n");
    trust(&tree.surroundings().places.trusted, &far).unwrap();
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
        Err(ConfigError::Invalid { faults, .. }) if faults[0].line == 1
    ));
}

#[test]
fn a_project_file_of_a_stranger_is_passed_over_and_one_further_up_counts() {
    let tree = Tree::new();
    let near = tree.write("a/wagglebus.toml", "hive = 'evil'");
    tree.write("wagglebus.toml", "hive = 'ours'");
    std::fs::set_permissions(&near, std::fs::Permissions::from_mode(0o666)).unwrap();
    let config = tree.surroundings().load().unwrap();
    assert_eq!(config.hive().unwrap().value.as_str(), "ours");
    assert!(
        matches!(config.passed_over(), [ConfigError::Foreign { path, .. }] if *path == near),
        "{config:?}"
    );
    std::fs::set_permissions(&near, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        tree.surroundings().load().unwrap().hive().unwrap().value.as_str(),
        "evil"
    );
}

/// A folder that was cloned is the user's own, but nobody has looked at its file.
#[test]
fn a_project_file_names_a_bus_only_once_it_is_trusted_and_until_it_changes() {
    let tree = Tree::new();
    let text = "[bus]\nserver = 'nats://evil:1'\nnkey = '/home/me/.local/state/admin.nk'\n";
    let path = tree.write("wagglebus.toml", text);
    let trusted = tree.surroundings().places.trusted;
    let load = || tree.surroundings().load();
    assert_eq!(load(), Err(ConfigError::Untrusted { path: path.clone() }));
    trust(&trusted, &path).unwrap();
    assert_eq!(
        load().unwrap().bus().unwrap().value.server.as_deref(),
        Some("nats://evil:1")
    );
    tree.write("wagglebus.toml", &format!("{text}# changed\n"));
    assert!(matches!(load(), Err(ConfigError::Untrusted { .. })), "it changed");
    tree.write("wagglebus.toml", text);
    assert!(load().is_ok());
    tree.write("a/wagglebus.toml", text);
    assert!(
        matches!(load(), Err(ConfigError::Untrusted { .. })),
        "trust is in one place"
    );
    std::fs::remove_file(tree.folder.path().join("a/wagglebus.toml")).unwrap();
    assert!(untrust(&trusted, &path).unwrap() && !untrust(&trusted, &path).unwrap());
    assert!(load().is_err());
    tree.write("wagglebus.toml", "hive = 'h'\n[sidecar]\nslots = 2\n");
    assert!(load().is_ok(), "what names no bus needs no trust");
    tree.write("user.toml", text);
    assert!(load().is_ok(), "nor does the user's own file");
}

#[test]
fn what_goes_to_a_terminal_has_no_controls_and_no_password() {
    for (text, part) in [
        ("\"\\u001b[2J\" = 1\n", "\u{fffd}"),
        ("[bus]\nserver = \"nats://\\u001b[31mx:1\"\n", "control"),
        ("[bus]\nserver = \"nats://me:secret@h:1\"\n", "password"),
    ] {
        let told = read(text).unwrap_err().to_string();
        assert!(
            told.contains(part) && !told.contains('\u{1b}') && !told.contains("secret"),
            "{told}"
        );
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

/// The coordinator would end with it, again and again, while `up` says that all is well.
#[test]
fn mistakes_about_alerts_are_told_with_their_place() {
    let text = "[alerts]\nwebhook = 'http://hooks.example.com/secret'\ncommand = []\n\
                limits = { urgent_unred = 30, agent_lost = -1 }\n";
    let Err(ConfigError::Invalid { faults, .. }) = read(text) else {
        panic!("it is taken for sound");
    };
    let told: Vec<_> = faults
        .iter()
        .map(|fault| (fault.line, fault.key.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (2, "alerts.webhook"),
            (3, "alerts.command"),
            (4, "alerts.limits.urgent_unred"),
            (4, "alerts.limits.agent_lost")
        ]
    );
    let reasons: Vec<_> = faults.iter().map(|fault| fault.reason.as_str()).collect();
    assert!(
        reasons[2].contains("the rules are agent_lost, urgent_unread"),
        "{reasons:?}"
    );
    assert!(!reasons[0].contains("secret"), "{reasons:?}");
}
