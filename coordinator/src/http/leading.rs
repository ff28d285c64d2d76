//! What the API does while this coordinator leads: it listens at the known port, and says in `bus.json` where it is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use wagglebus_nats::bus_file;
use wagglebus_nats::private_file::PrivateFileError;
use wagglebus_schemas::places::CoordinatorAddress;

use super::listen::LEADER;
use super::serve::serve;

/// Time between two looks whether `bus.json` still names us: `up` writes it anew when it begins.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where this coordinator can be found.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Where it always listens.
    pub(crate) address: SocketAddr,
    /// Whether it listens at the known port, too.
    pub(crate) leader_port: bool,
    /// The `bus.json` of `up`, and the operator's token that it names.
    pub(crate) announce: Option<(PathBuf, PathBuf)>,
}

/// Follows whether we lead, until `leads` is dropped.
pub(crate) async fn follow(mut leads: watch::Receiver<bool>, place: Place, router: Router) {
    while leads.wait_for(|leads| *leads).await.is_ok() {
        let known = if place.leader_port {
            known_port().await
        } else {
            None
        };
        let address = if known.is_some() { LEADER } else { place.address };
        let serving = async {
            match known {
                Some(listener) => serve(listener, router.clone()).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            () = serving => false,
            () = announce(&place, address) => false,
            over = leads.wait_for(|leads| !*leads) => over.is_err(),
        };
        withdraw(&place, address).await;
        if ended {
            return;
        }
    }
}

async fn known_port() -> Option<TcpListener> {
    let listener = TcpListener::bind(LEADER).await;
    listener
        .inspect_err(|error| {
            tracing::warn!(address = %LEADER, %error, "the leader's port is taken; a free one is used");
        })
        .ok()
}

/// Says where the leader is, again whenever somebody wrote something else.
async fn announce(place: &Place, address: SocketAddr) {
    let Some((bus, token_file)) = place.announce.clone() else {
        return std::future::pending().await;
    };
    let told = told(address, token_file);
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (bus, told) = (bus.clone(), told.clone());
        write(move || bus_file::lead(&bus, &told)).await;
    }
}

async fn withdraw(place: &Place, address: SocketAddr) {
    if let Some((bus, token_file)) = place.announce.clone() {
        let ours = told(address, token_file);
        write(move || bus_file::withdraw(&bus, |told| *told == ours)).await;
    }
}

fn told(address: SocketAddr, token_file: PathBuf) -> CoordinatorAddress {
    CoordinatorAddress {
        http: format!("http://{address}"),
        token_file,
    }
}

/// The disk keeps nobody waiting but us.
async fn write(work: impl FnOnce() -> Result<(), PrivateFileError> + Send + 'static) {
    if let Ok(Err(error)) = tokio::task::spawn_blocking(work).await {
        tracing::warn!(%error, "bus.json does not say where the leader is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_nats::private_file;

    #[tokio::test]
    async fn a_leader_is_named_while_it_leads_and_its_end_ends_us() {
        let dir = tempfile::tempdir().unwrap();
        let bus = dir.path().join("bus.json");
        private_file::replace(&bus, b"{\"url\":\"nats://x\",\"coordinator\":null}").unwrap();
        let place = Place {
            address: "127.0.0.1:9".parse().unwrap(),
            leader_port: false,
            announce: Some((bus.clone(), "/token".into())),
        };
        let (tell, leads) = watch::channel(false);
        let following = tokio::spawn(follow(leads, place, Router::new()));
        let told = async |named: bool| {
            let mut tick = interval(Duration::from_millis(5));
            while private_file::read(&bus).unwrap().unwrap().contains("127.0.0.1:9") != named {
                tick.tick().await;
            }
        };
        let bounded = |waiting| tokio::time::timeout(Duration::from_secs(10), waiting);
        tell.send_replace(true);
        bounded(told(true)).await.unwrap();
        tell.send_replace(false);
        bounded(told(false)).await.unwrap();
        tell.send_replace(true);
        bounded(told(true)).await.unwrap();
        drop(tell);
        tokio::time::timeout(Duration::from_secs(10), following)
            .await
            .unwrap()
            .unwrap();
        assert!(!private_file::read(&bus).unwrap().unwrap().contains("127.0.0.1:9"));
    }
}
