//! Tables of stock settings.

use super::*;

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
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    StockSettings::from_environment(&variables.collect(), Path::new(DIR), None, &files(contents))
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
    let url: BTreeMap<String, String> = [("NATS_URL".to_owned(), "nats://a".to_owned())].into();
    let settings = StockSettings::from_environment(&url, Path::new(DIR), None, &read)
        .unwrap()
        .unwrap();
    assert_eq!(settings.urls, ["nats://a"]);
}
