//! What the coordinator stores beside its log: views of it, snapshots, dead letters; and streams that are full.

mod full;
mod letters;
mod snapshots;
mod status;
mod views;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use wagglebus_harness::fleet::{Fleet, program};
use wagglebus_nats::keys::BusUser;

use crate::messages::WITHIN;
use crate::tasks::ask;

/// Polls until something holds.
async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let looking = async {
        loop {
            tick.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    tokio::time::timeout(WITHIN, looking)
        .await
        .expect("it never was so")
}

/// Whether the buckets say what the log says, and what was told of it.
async fn rebuild(fleet: &Fleet, how: &str) -> (Option<i32>, String) {
    let bus = fleet.bus();
    let ended = Command::new(program::find("wagglebus-coordinator").unwrap())
        .env_clear()
        .env("HOME", bus.home())
        .args(["rebuild", how, "--server", bus.url(), "--nkey-file"])
        .arg(BusUser::Coordinator.seed_file(bus.places()))
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stdout).into_owned();
    (
        ended.status.code(),
        told + &String::from_utf8_lossy(&ended.stderr),
    )
}

/// Every task that the coordinator knows, by id.
async fn tasks(fleet: &Fleet) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let mut query = json!({ "limit": 100 });
        if !cursor.is_null() {
            query["cursor"] = cursor;
        }
        let page = until(async || {
            let page = ask(fleet, "tasks", query.clone()).await;
            page["items"].is_array().then_some(page)
        })
        .await;
        all.extend(page["items"].as_array().unwrap().clone());
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            return all;
        }
    }
}

/// Gives a stream another bound, as the server lets an administrator do.
async fn bound(fleet: &Fleet, stream: &str, change: impl FnOnce(&mut async_nats::jetstream::stream::Config)) {
    let js = fleet.bus().admin();
    let mut stream = js.get_stream(stream).await.unwrap();
    let mut config = stream.info().await.unwrap().config.clone();
    change(&mut config);
    js.update_stream(config).await.unwrap();
}

/// What a coordinator says of itself.
async fn readyz(fleet: &Fleet, coordinator: usize) -> Value {
    let file = fleet
        .bus()
        .home()
        .join(format!("log/coordinator-{coordinator}.json"));
    let ready: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let address = ready["http"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
        .await
        .unwrap();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer)
        .await
        .unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}
