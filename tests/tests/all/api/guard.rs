//! The loopback port: our host name, our token, and no web page.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use wagglebus_harness::fleet::Options;

use super::raw::Connection;
use super::world::World;

#[tokio::test]
async fn the_port_is_guarded_by_host_token_and_origin() -> Result<()> {
    let world = World::with(&Options::http().with(&["--listen", "127.0.0.1:0"])).await?;
    let url = world.bob.http.clone().context("no http")?;
    let address = url.strip_prefix("http://").context("no http URL")?;
    let token_file = world.bob.token_file.clone().context("no token file")?;
    assert_eq!(
        std::fs::metadata(&token_file)?.permissions().mode() & 0o777,
        0o600
    );
    let token = std::fs::read_to_string(&token_file)?;
    let token = token.trim();

    let ask = async |headers: String| {
        let mut connection = Connection::tcp(address).await?;
        connection
            .write(format!("GET /livez HTTP/1.1\r\n{headers}\r\n").as_bytes())
            .await?;
        connection.answer().await
    };
    let host = format!("Host: {address}\r\n");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(ask(format!("{host}{bearer}")).await?.status, 200);
    let port = address.rsplit(':').next().context("no port")?;
    assert_eq!(
        ask(format!("Host: localhost:{port}\r\n{bearer}")).await?.status,
        200
    );

    let unauthorized = ask(host.clone()).await?;
    assert_eq!(unauthorized.refusal(), (401, "unauthorized".to_owned()));
    assert_eq!(unauthorized.header("www-authenticate"), Some("Bearer"));
    let wrong = format!("{host}Authorization: Bearer {}\r\n", "0".repeat(token.len()));
    assert_eq!(ask(wrong).await?.refusal(), (401, "unauthorized".to_owned()));
    for bad in ["Host: evil.example\r\n", "Host: 127.0.0.1\r\n", ""] {
        let refused = ask(format!("{bad}{bearer}")).await?;
        assert_eq!(refused.refusal(), (403, "forbidden_host".to_owned()), "{bad}");
    }
    let twice = ask(format!("{host}Host: evil.example\r\n{bearer}")).await?;
    assert_eq!(twice.status / 100, 4, "{twice:?}");
    let page = ask(format!("{host}{bearer}Origin: {url}\r\n")).await?;
    assert_eq!(page.refusal(), (403, "forbidden_origin".to_owned()));
    Ok(())
}

#[tokio::test]
async fn the_socket_is_private_and_needs_no_token() -> Result<()> {
    let world = World::open().await?;
    let mode = |path: &std::path::Path| {
        Ok::<_, std::io::Error>(std::fs::metadata(path)?.permissions().mode() & 0o777)
    };
    assert_eq!(mode(&world.alice.socket)?, 0o600);
    assert_eq!(mode(world.alice.socket.parent().context("no folder")?)?, 0o700);
    assert_eq!((&world.alice.http, &world.alice.token_file), (&None, &None));
    let mut alice = world.alice().await?;
    alice
        .write(b"GET /livez HTTP/1.1\r\nHost: x\r\nOrigin: null\r\n\r\n")
        .await?;
    assert_eq!(
        alice.answer().await?.refusal(),
        (403, "forbidden_origin".to_owned())
    );
    assert_eq!(alice.get("/livez").await?.status, 200);
    Ok(())
}
