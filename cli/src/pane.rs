//! Whose pane this is: in a pane that is attached, its agent speaks.

use std::path::Path;

use wagglebus_client::discovery;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::Places;

use crate::attachment::{self, Pane};

/// The pane that this process runs in, as tmux tells its children: `TMUX` is `socket,pid of the server,session`, and
/// `TMUX_PANE` the pane. Numbers of panes repeat from server to server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Here {
    socket: String,
    server_pid: u32,
    pane: String,
}

impl Here {
    /// The pane of this process.
    pub(crate) fn of_process() -> Option<Self> {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::parse(&text("TMUX")?, text("TMUX_PANE")?)
    }

    fn parse(tmux: &str, pane: String) -> Option<Self> {
        // A socket's path may have commas.
        let mut parts = tmux.rsplitn(3, ',');
        let (_session, pid, socket) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            socket: socket.to_owned(),
            server_pid: pid.parse().ok()?,
            pane,
        })
    }

    fn is(&self, pane: &Pane) -> bool {
        pane.pane == self.pane && pane.server.pid == self.server_pid && pane.socket == Path::new(&self.socket)
    }

    /// The agent whose sidecar writes into it.
    pub(crate) fn owner(&self, places: &Places) -> Option<AgentId> {
        let sidecars = discovery::sidecars(places).ok()?;
        let mut agents = sidecars.into_iter().map(|file| file.agent);
        agents.find(|agent| attachment::pane(places, agent).is_some_and(|pane| self.is(&pane)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attachment::TmuxServer;

    #[test]
    fn a_pane_is_known_by_its_server_too() {
        let here = Here::parse("/tmp/a,b/default,42,0", "%3".to_owned()).unwrap();
        let pane = |socket: &str, pid, pane: &str| Pane {
            socket: socket.into(),
            server: TmuxServer { pid },
            pane: pane.to_owned(),
            profile: "plain".to_owned(),
        };
        assert!(here.is(&pane("/tmp/a,b/default", 42, "%3")));
        for other in [
            pane("/tmp/other", 42, "%3"),
            pane("/tmp/a,b/default", 43, "%3"),
            pane("/tmp/a,b/default", 42, "%4"),
        ] {
            assert!(!here.is(&other), "{other:?}");
        }
        for odd in ["", "x", "/s,notanumber,0"] {
            assert_eq!(Here::parse(odd, "%3".to_owned()), None);
        }
    }
}
