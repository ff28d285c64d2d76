//! Who speaks: decides through which sidecar a verb goes.

use std::ffi::OsStr;

use wagglebus_schemas::AgentId;

use crate::failure::Failure;

/// Names the sender for programs that an agent starts; sidecars give it to their children.
pub(crate) const VARIABLE: &str = "WAGGLEBUS_AGENT";

/// `--as`, else the variable, else whose pane this is, else `operator` (DESIGN 6). An empty variable counts as unset.
pub(crate) fn resolve(
    flag: Option<&AgentId>,
    variable: Option<&OsStr>,
    owner_of_pane: impl FnOnce() -> Option<AgentId>,
) -> Result<AgentId, Failure> {
    if let Some(agent) = flag {
        return Ok(agent.clone());
    }
    match variable.filter(|value| !value.is_empty()) {
        Some(value) => value.to_string_lossy().parse().map_err(|error| {
            Failure::invalid(format!("{VARIABLE}: {error}")).fix("unset it, or say --as AGENT")
        }),
        None => Ok(owner_of_pane().unwrap_or_else(AgentId::operator)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_then_the_variable_then_the_pane_and_the_operator_comes_last() {
        let alice: AgentId = "alice".parse().unwrap();
        let carol: AgentId = "carol".parse().unwrap();
        let resolve = |flag, variable: Option<&str>, pane: Option<&AgentId>| {
            resolve(flag, variable.map(OsStr::new), || pane.cloned())
        };
        let pane = Some(&carol);
        assert_eq!(
            resolve(Some(&alice), Some("bob"), pane).unwrap().as_str(),
            "alice"
        );
        assert_eq!(resolve(None, Some("bob"), pane).unwrap().as_str(), "bob");
        assert_eq!(resolve(None, Some(""), pane).unwrap().as_str(), "carol");
        assert_eq!(resolve(None, None, None).unwrap().as_str(), "operator");
        assert_eq!(resolve(None, Some("a.b"), pane).unwrap_err().exit_code(), 6);
    }
}
