//! Tables of stock settings.

use super::*;
use crate::config::{Config, ConfigChoice, ConfigPlaces, Surroundings};

const DIR: &str = "conf/nats/context";

fn files<'a>(contents: &'a [(&'a str, &'a str)]) -> impl Fn(&Path) -> io::Result<String> + 'a {
    move |path| {
        let found = contents
            .iter()
            .find(|(name, _)| path == Path::new(DIR).join(name));
        found.map_or_else(
            || Err(io::ErrorKind::NotFound.into()),
            |(_, text)| Ok((*text).to_owned()),
        )
    }
}

fn context(text: &str) -> Result<StockSettings, ContextError> {
    StockSettings::from_context(
        Path::new(DIR),
        "x",
        Some(Path::new("home")),
        &files(&[("x.json", text)]),
    )
}

fn environment(
    variables: &[(&str, &str)],
    contents: &[(&str, &str)],
) -> Result<Option<StockSettings>, ContextError> {
    named(&BusOptions::default(), variables, contents)
}

fn named(
    options: &BusOptions,
    variables: &[(&str, &str)],
    contents: &[(&str, &str)],
) -> Result<Option<StockSettings>, ContextError> {
    let named = options.named(&surroundings(variables), &files(contents))?;
    Ok(named.map(|named| named.settings))
}

fn surroundings(variables: &[(&str, &str)]) -> Environment {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment {
        variables: variables.collect(),
        contexts: DIR.into(),
        home: None,
        config: Config::default(),
    }
}

#[test]
fn each_way_to_log_in_is_read() {
    let user = Credentials::User {
        name: "bob".to_owned(),
        password: "s".to_owned(),
    };
    let jwt = Credentials::Jwt {
        jwt: "ey".to_owned(),
        seed: Some("SU".to_owned()),
    };
    for (text, expected) in [
        ("{}", Credentials::None),
        (
            r#"{"creds":"~/a.creds"}"#,
            Credentials::CredsFile("home/a.creds".into()),
        ),
        (r#"{"nkey":"a.nk"}"#, Credentials::NkeyFile("a.nk".into())),
        (r#"{"user":"bob","password":"s"}"#, user),
        (r#"{"token":"t"}"#, Credentials::Token("t".to_owned())),
        (r#"{"user_jwt":"ey","user_seed":"SU"}"#, jwt),
    ] {
        assert_eq!(context(text).unwrap().credentials, expected, "{text}");
    }
}

#[test]
fn names_and_files_are_read_as_the_stock_cli_writes_them() {
    let full = r#"{"description":"d","url":"nats://a:1, nats://b:2","ca":"ca.pem","cert":"c.pem","key":"k.pem",
        "jetstream_api_prefix":"wb.js","inbox_prefix":"_INBOX_alice","tls_first":true,"color_scheme":"","windows_ca_certs_match":null}"#;
    let expected = StockSettings {
        urls: vec!["nats://a:1".to_owned(), "nats://b:2".to_owned()],
        credentials: Credentials::None,
        tls: TlsFiles {
            required: false,
            first: true,
            ca: Some("ca.pem".into()),
            identity: Some(("c.pem".into(), "k.pem".into())),
        },
        api_prefix: Some("wb.js".to_owned()),
        inbox_prefix: Some("_INBOX_alice".to_owned()),
    };
    assert_eq!(context(full).unwrap(), expected);
    let domain = context(r#"{"jetstream_domain":"hub"}"#).unwrap();
    assert_eq!(domain.api_prefix.as_deref(), Some("$JS.hub.API"));
    let settings = StockSettings::default().connection("me");
    assert_eq!(
        (settings.urls[0].as_str(), settings.api_prefix.as_str()),
        ("nats://127.0.0.1:4222", "$JS.API")
    );
}

#[test]
fn what_cannot_be_used_is_said() {
    for (text, part) in [
        (r#"{"nsc":"nsc://o/a/u"}"#, "nsc generate creds"),
        (r#"{"user":"a","token":"t"}"#, "more than one way"),
        (r#"{"password":"p"}"#, "without a user"),
        (r#"{"cert":"c"}"#, "belong together"),
        (
            r#"{"jetstream_domain":"d","jetstream_api_prefix":"p"}"#,
            "exclude",
        ),
        ("no json", "cannot be read"),
        (r#"{"url":1}"#, "cannot be read"),
    ] {
        let error = context(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let load = |name: &str| StockSettings::from_context(Path::new(DIR), name, None, &files(&[]));
    assert!(matches!(load("gone"), Err(ContextError::Missing { .. })));
    for name in ["", "../x", "a/b", ".x", "a\0b"] {
        assert!(matches!(load(name), Err(ContextError::Name { .. })), "{name:?}");
    }
}

#[test]
fn variables_come_before_the_context_that_they_name() {
    let file = (
        "mine.json",
        r#"{"url":"nats://file:1","nkey":"a.nk","inbox_prefix":"_I"}"#,
    );
    assert_eq!(environment(&[], &[file]), Ok(None));
    assert_eq!(
        environment(&[("NATS_URL", "")], &[file]),
        Ok(None),
        "empty is unset"
    );
    let named = environment(&[("NATS_CONTEXT", "mine")], &[file])
        .unwrap()
        .unwrap();
    assert_eq!(named.urls, ["nats://file:1"]);
    let both = [
        ("NATS_CONTEXT", "mine"),
        ("NATS_URL", "nats://var:2"),
        ("NATS_TOKEN", "t"),
    ];
    let both = environment(&both, &[file]).unwrap().unwrap();
    assert_eq!(both.urls, ["nats://var:2"]);
    assert_eq!(both.credentials, Credentials::Token("t".to_owned()));
    assert_eq!(both.inbox_prefix.as_deref(), Some("_I"));
    assert!(
        environment(&[("NATS_CONTEXT", "gone")], &[file]).is_err(),
        "a named context must be there"
    );
}

/// A context that is only selected lies beside the others; no variable names it, so nothing reads it.
#[test]
fn a_selected_context_is_never_read() {
    let read = |path: &Path| -> io::Result<String> { panic!("{} was read", path.display()) };
    let settings = BusOptions::default()
        .named(&surroundings(&[("NATS_URL", "nats://a")]), &read)
        .unwrap()
        .unwrap();
    assert_eq!(settings.settings.urls, ["nats://a"]);
}

/// Who comes first: options, `WAGGLEBUS_*`, `NATS_*`; nothing below a context counts.
#[test]
fn the_bus_is_named_by_options_then_by_our_variables_then_by_those_of_the_stock_cli() {
    let nkey = |path: &str| Credentials::NkeyFile(path.into());
    let token = Credentials::Token("t".to_owned());
    let files = [
        ("mine.json", r#"{"url":"nats://mine:1","nkey":"mine.nk"}"#),
        ("bare.json", "{}"),
    ];
    let options = |server: Option<&str>, context: Option<&str>, nkey: Option<&str>| BusOptions {
        server: server.map(str::to_owned),
        context: context.map(str::to_owned),
        nkey: nkey.map(PathBuf::from),
        ..BusOptions::default()
    };
    let none = options(None, None, None);
    let stock = [("NATS_URL", "nats://var:2"), ("NATS_TOKEN", "t")];
    let ours = [
        ("WAGGLEBUS_SERVER", "nats://a:1, nats://b:2"),
        ("WAGGLEBUS_NKEY", "our.nk"),
    ];
    let both = [ours, stock].concat();
    let our_context = [("WAGGLEBUS_CONTEXT", "mine")];
    for (options, variables, expected) in [
        (&none, &[][..], None),
        (&none, &[("NATS_TOKEN", "t"), ("WAGGLEBUS_NKEY", "n")], None),
        (&none, &stock, Some(("nats://var:2", token.clone()))),
        (&none, &ours, Some(("nats://a:1 nats://b:2", nkey("our.nk")))),
        (&none, &both, Some(("nats://a:1 nats://b:2", nkey("our.nk")))),
        (&none, &our_context, Some(("nats://mine:1", nkey("mine.nk")))),
        // A context without an address means the stock one, never our own bus.
        (&none, &[("NATS_CONTEXT", "bare")], Some(("", Credentials::None))),
        (
            &options(Some("nats://c:3"), None, None),
            &both,
            Some(("nats://c:3", nkey("our.nk"))),
        ),
        (
            &options(Some("nats://c:3"), None, None),
            &stock,
            Some(("nats://c:3", token.clone())),
        ),
        (
            &options(None, None, Some("opt.nk")),
            &both,
            Some(("nats://a:1 nats://b:2", nkey("opt.nk"))),
        ),
        (
            &options(None, Some("mine"), None),
            &both,
            Some(("nats://mine:1", nkey("mine.nk"))),
        ),
        (
            &options(Some("nats://c:3"), Some("mine"), Some("opt.nk")),
            &both,
            Some(("nats://c:3", nkey("opt.nk"))),
        ),
    ] {
        let found = named(options, variables, &files).unwrap();
        let found = found.map(|settings| (settings.urls.join(" "), settings.credentials));
        let expected = expected.map(|(urls, credentials)| (urls.to_owned(), credentials));
        assert_eq!(found, expected, "{options:?} {variables:?}");
    }
}

#[test]
fn options_that_cannot_be_followed_are_said() {
    let key = BusOptions {
        nkey: Some("a.nk".into()),
        ..BusOptions::default()
    };
    let two_keys = BusOptions {
        server: Some("nats://a:1".to_owned()),
        creds: Some("a.creds".into()),
        ..key.clone()
    };
    let nowhere = BusOptions {
        server: Some(" , ".to_owned()),
        ..BusOptions::default()
    };
    for (options, part) in [
        (key, "for no bus"),
        (two_keys, "more than one"),
        (nowhere, "address"),
    ] {
        let error = named(&options, &[("NATS_TOKEN", "t")], &[]).unwrap_err();
        assert!(error.to_string().contains(part), "{options:?}: {error}");
    }
}

/// What our files say: below everything else, and never together with what was meant for another bus.
#[test]
fn a_file_names_the_bus_when_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.toml");
    let with = |text: &str, variables: &[(&str, &str)], options: &BusOptions| {
        std::fs::write(&path, text).unwrap();
        let surroundings_of_files = Surroundings {
            choice: Some(ConfigChoice::File(path.clone())),
            folder: None,
            places: ConfigPlaces::default(),
            home: None,
            uid: 0,
        };
        let environment = Environment {
            config: surroundings_of_files.load().unwrap(),
            ..surroundings(variables)
        };
        let files = files(&[("mine.json", r#"{"url":"nats://mine:1","token":"m"}"#)]);
        options.named(&environment, &files).unwrap()
    };
    let none = BusOptions::default();
    let file = "[bus]\nserver = 'nats://file:1'\nnkey = 'f.nk'\n";
    let own_key = Credentials::NkeyFile(folder.path().join("f.nk"));

    let named = with(file, &[], &none).unwrap();
    assert_eq!(
        (named.settings.urls[0].as_str(), &named.settings.credentials),
        ("nats://file:1", &own_key)
    );
    let origin = format!("given file {}", path.display());
    assert_eq!(
        named.origins,
        [(Part::Urls, origin.clone()), (Part::Credentials, origin)].into()
    );

    let token = [("NATS_TOKEN", "secret")];
    let bare = "[bus]\nserver = 'nats://file:1'\n";
    assert_eq!(
        with(bare, &token, &none).unwrap().settings.credentials,
        Credentials::None
    );
    let ours = [("WAGGLEBUS_NKEY", "our.nk")];
    let named = with(file, &ours, &none).unwrap();
    assert_eq!(named.settings.credentials, Credentials::NkeyFile("our.nk".into()));
    assert_eq!(named.origins[&Part::Credentials], "WAGGLEBUS_* variables");

    for variables in [
        [("NATS_URL", "nats://var:2")],
        [("WAGGLEBUS_SERVER", "nats://var:2")],
    ] {
        let named = with(file, &variables, &none).unwrap();
        assert_eq!(
            (named.settings.urls[0].as_str(), named.settings.credentials),
            ("nats://var:2", Credentials::None)
        );
    }
    let context = with("[bus]\ncontext = 'mine'\n", &token, &none).unwrap();
    assert_eq!(context.settings.credentials, Credentials::Token("m".to_owned()));
    assert_eq!(context.origins[&Part::Urls], "context mine");
    let prefix = BusOptions {
        api_prefix: Some("X".to_owned()),
        ..none.clone()
    };
    assert_eq!(
        with(file, &[], &prefix).unwrap().settings.api_prefix.as_deref(),
        Some("X")
    );
    assert_eq!(with("hive = 'x'", &token, &none), None);
}
