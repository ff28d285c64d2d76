//! Logins of other kinds: user JWTs of a server in operator mode, and TLS with a certificate of one's own authority.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair as TlsKey};
use serde_json::{Value, json};
use wagglebus_harness::fleet::program;
use wagglebus_harness::server::TestServer;
use wagglebus_nats::export::Permissions;
use wagglebus_schemas::{AgentId, Hive};

use super::{AGENTS, copy_accounts, export, put, text};
use crate::cli::{Home, until};

/// A JWT as nsc signs it.
fn jwt(issuer: &KeyPair, subject: &KeyPair, name: &str, nats: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(&json!({"typ": "JWT", "alg": "ed25519-nkey"}));
    let claims = json!({
        "jti": name, "iat": 1_700_000_000, "iss": issuer.public_key(), "sub": subject.public_key(), "name": name, "nats": nats,
    });
    let text = format!("{head}.{}", part(&claims));
    let signature = issuer.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn account(with_jetstream: bool) -> Value {
    let storage = if with_jetstream { -1 } else { 0 };
    json!({"type": "account", "version": 2, "limits": {
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": storage, "disk_storage": storage, "streams": -1, "consumer": -1,
    }})
}

fn user(permissions: Option<Permissions>) -> Value {
    let mut claims = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
    if let Some(permissions) = permissions {
        claims["pub"] = json!({"allow": permissions.publish});
        claims["sub"] = json!({"allow": permissions.subscribe});
        if permissions.responds {
            claims["resp"] = json!({"max": 1000, "ttl": 10_000_000_000_u64});
        }
    }
    claims
}

/// A file as `nsc generate creds` writes it.
fn creds(path: &Path, jwt: &str, key: &KeyPair) -> PathBuf {
    let seed = key.seed().unwrap();
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    fs::write(path, text).unwrap();
    path.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_log_in_with_jwts() {
    let mut home = Home::empty();
    let (operator, system, company) = (
        KeyPair::new_operator(),
        KeyPair::new_account(),
        KeyPair::new_account(),
    );
    let server = TestServer::with_config(|paths| {
        format!(
            "max_control_line: 16KB\noperator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload {{\n  {}: {}\n  {}: {}\n}}\njetstream {{ store_dir: {:?}, max_file: 4G }}\n",
            jwt(&operator, &operator, "operator", &json!({"type": "operator", "version": 2})),
            system.public_key(),
            system.public_key(),
            jwt(&operator, &system, "SYS", &account(false)),
            company.public_key(),
            jwt(&operator, &company, "COMPANY", &account(true)),
            paths.store,
        )
    })
    .await
    .unwrap();
    let hive = Hive::default();
    let make = |name: &str, permissions| {
        let key = KeyPair::new_user();
        let jwt = jwt(&company, &key, name, &user(permissions));
        (
            creds(&home.path(&format!("{name}.creds")), &jwt, &key),
            key.public_key(),
        )
    };
    let api = "$JS.API";
    let (admin, _) = make("admin", None);
    let agent = |name: &str| Permissions::of_agent(&hive, &name.parse::<AgentId>().unwrap(), api);
    let ((alice, alice_key), (bob, bob_key)) = (
        make("alice", Some(agent("alice"))),
        make("bob", Some(agent("bob"))),
    );
    let (coordinator, _) = make("coordinator", Some(Permissions::of_coordinator(&hive, api)));

    let url = server.url().to_owned();
    let agents = [format!("alice={alice_key}"), format!("bob={bob_key}")];
    let admin = admin.to_str().unwrap();
    let provision = [
        "provision",
        "--server",
        &url,
        "--creds",
        admin,
        "--storage",
        "512MiB",
    ];
    home.json(&[&provision[..], &["--agent", &agents[0], "--agent", &agents[1]]].concat());
    let mut command = home.command(program::find("wagglebus-coordinator").unwrap());
    command
        .args(["--server", &url, "--ready-file"])
        .arg(home.path("coordinator.ready"));
    command.arg("--creds").arg(coordinator);
    home.keep(command, "coordinator.ready", "coordinator.log");
    for (name, file) in [("alice", alice), ("bob", bob)] {
        let mut command = home.command(program::find("wagglebus").unwrap());
        command
            .args(["sidecar", "--agent", name, "--server", &url, "--creds"])
            .arg(file)
            .arg("http");
        home.keep(command, &format!("run/wb/{name}.json"), "sidecars.log");
    }
    exchange(&home, "shared");
    let refused: Vec<String> = server
        .log()
        .lines()
        .filter(|line| line.contains("Violation"))
        .map(str::to_owned)
        .collect();
    assert_eq!(refused, [""; 0]);
}

/// From alice to bob, and to its last level.
fn exchange(home: &Home, trust: &str) {
    assert_eq!(home.file("run/wb/alice.json")["trust"], trust);
    let sent = home.json(&["--as", "alice", "send", "bob", "hello", "--park"]);
    let id = sent["id"].as_str().unwrap();
    let taken = home.json(&["--as", "bob", "inbox", "--take", "1", "--timeout", "10s"]);
    assert_eq!(taken["messages"][0]["message"]["id"], id);
    home.json(&["--as", "bob", "ack", id]);
    until(|| home.json(&["--as", "alice", "trace", id])["level"] == "done");
}

/// Files of an authority and of a server on this machine.
fn certificates(dir: &Path) {
    let key = TlsKey::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(dir.join("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, key);
    let key = TlsKey::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let server = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    fs::write(dir.join("server.pem"), server.pem()).unwrap();
    fs::write(dir.join("server-key.pem"), key.serialize_pem()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_connect_by_tls_and_to_nobody_else() {
    let mut home = Home::empty();
    let out = export(&home, &[]);
    let files = home.path("tls");
    fs::create_dir(&files).unwrap();
    certificates(&files);
    let mut conf = put(&text("single-node.conf"), "10.0.0.1:4222", "127.0.0.1:0");
    conf = put(&conf, "127.0.0.1:8222", "127.0.0.1:0");
    conf = put(&conf, "22G", "4G");
    // As the remark in it says.
    conf = put(&conf, "# For clients on other machines: tls", "tls");
    conf = put(
        &conf,
        "cert_file: \"…\"",
        &format!("cert_file: {:?}", files.join("server.pem")),
    );
    conf = put(
        &conf,
        "key_file: \"…\"",
        &format!("key_file: {:?}", files.join("server-key.pem")),
    );
    let server = TestServer::with_config(|paths| {
        copy_accounts(&out, &paths.dir);
        put(&conf, "/var/lib/nats", paths.store.to_str().unwrap())
    })
    .await
    .unwrap();

    // Contexts of the stock CLI say which authority is trusted; NATS_CA does so, too.
    let contexts = home.path("config/nats/context");
    fs::create_dir_all(&contexts).unwrap();
    let url = server.url().replace("nats://", "tls://");
    let keys = home.path("state/wagglebus/wb/keys/named");
    let context = |name: &str, ca: &Path| {
        let nkey = keys.join(format!("{name}.nk"));
        let prefix = if name == "_admin" { "" } else { "wb.js" };
        let file = json!({"url": url, "ca": ca, "nkey": nkey, "jetstream_api_prefix": prefix});
        fs::write(contexts.join(format!("{name}.json")), file.to_string()).unwrap();
    };
    let ca = files.join("ca.pem");
    for name in ["_admin", "alice", "bob"] {
        context(name, &ca);
    }
    home.json(
        &[
            &["provision", "--context", "_admin", "--storage", "512MiB"][..],
            &AGENTS,
        ]
        .concat(),
    );
    for name in ["alice", "bob"] {
        let mut command = home.command(program::find("wagglebus").unwrap());
        command.args(["sidecar", "--agent", name, "--context", name, "http"]);
        home.keep(command, &format!("run/wb/{name}.json"), "sidecars.log");
    }
    exchange(&home, "isolated");

    // A server that the authority did not vouch for is not spoken to.
    let strange = home.path("strange");
    fs::create_dir(&strange).unwrap();
    certificates(&strange);
    context("_admin", &strange.join("ca.pem"));
    let (code, _, said) = home.run(&["provision", "--plan", "--context", "_admin"]);
    assert!(code == 6 && said.contains("TLS"), "{said}");
    let mut command = home.command(program::find("wagglebus").unwrap());
    let seed = home.path("state/wagglebus/wb/keys/named/_admin.nk");
    let command = command
        .args(["provision", "--plan", "--storage", "512MiB", "--server", &url])
        .arg("--nkey")
        .arg(seed);
    let trusting = command
        .env("NATS_CA", &ca)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(trusting.success());
}
