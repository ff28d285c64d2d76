//! What must be right on this machine before anything runs.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use wagglebus_client::{discovery, uid};
use wagglebus_nats::server::{PINNED, ResolveError, Search};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::Places;

use super::Finding;
use crate::programs::{self, COORDINATOR, SIDECAR};

/// Free space below which the spools of a busy machine may not fit, in bytes.
const FREE_BYTES_LOW: u64 = 512 << 20;

/// Every check of this kind.
pub(super) async fn look(places: &Places) -> Vec<Finding> {
    let mut findings = vec![server().await];
    findings.extend([SIDECAR, COORDINATOR].map(program));
    findings.extend(
        [
            ("run folder", places.run_dir()),
            ("state folder", places.state_dir()),
        ]
        .map(|(check, path)| private(check, path)),
    );
    findings.push(space(places.state_dir()));
    findings.extend(left_over_files(places));
    findings
}

async fn server() -> Finding {
    let check = "nats-server";
    match Search::of_this_process(None).resolve().await {
        Ok(found) => Finding::ok(
            check,
            format!("{} at {}", found.found.version, found.found.path.display()),
        ),
        Err(ResolveError::Nowhere(_)) => Finding::fail(
            check,
            format!("no nats-server {PINNED} or newer was found"),
            "wagglebus server install",
        ),
        Err(error @ ResolveError::Explicit { .. }) => Finding::fail(
            check,
            error.to_string(),
            "unset WAGGLEBUS_NATS_SERVER, or let it name a newer one",
        ),
    }
}

fn program(name: &'static str) -> Finding {
    match programs::beside(name) {
        Ok(path) => Finding::ok("program", path.display().to_string()),
        Err(failure) => Finding::fail("program", failure.what(), "./run install"),
    }
}

fn private(check: &'static str, path: &Path) -> Finding {
    let Ok(meta) = std::fs::metadata(path) else {
        return Finding::ok(check, format!("{} will be made when needed", path.display()));
    };
    match fault(&meta) {
        None => Finding::ok(check, path.display().to_string()),
        Some(fault) => {
            let fix = format!("chmod 700 {0}; if it is not yours: rename it", path.display());
            Finding::fail(check, format!("{} {fault}", path.display()), fix)
        }
    }
}

fn fault(meta: &Metadata) -> Option<String> {
    let mode = meta.permissions().mode() & 0o777;
    if meta.uid() != uid() {
        return Some(format!("belongs to user {}", meta.uid()));
    }
    (mode & 0o077 != 0).then(|| format!("can be entered by others (mode {mode:03o})"))
}

fn space(state: &Path) -> Finding {
    let check = "disk";
    let existing = state.ancestors().find(|path| path.exists()).unwrap_or(state);
    match rustix::fs::statvfs(existing) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let detail = format!("{} MiB free at {}", free >> 20, existing.display());
            if free < FREE_BYTES_LOW {
                Finding::warn(
                    check,
                    detail,
                    format!(
                        "du -sh {}; free some space: a full disk stops sending (spool_full)",
                        state.display()
                    ),
                )
            } else {
                Finding::ok(check, detail)
            }
        }
        Err(error) => Finding::warn(
            check,
            format!("{}: {error}", existing.display()),
            format!("df -h {}", existing.display()),
        ),
    }
}

/// Files of sidecars that ended without removing them.
fn left_over_files(places: &Places) -> Vec<Finding> {
    let Ok(entries) = std::fs::read_dir(places.run_dir()) else {
        return Vec::new();
    };
    let stale = |name: &str| -> Option<Finding> {
        let agent: AgentId = name
            .strip_suffix(".json")
            .filter(|name| *name != "bus")?
            .parse()
            .ok()?;
        let error = discovery::sidecar(places, &agent).err()?;
        let path = places.agent_file(&agent);
        Some(Finding::warn(
            "agent file",
            error.to_string(),
            format!("start that sidecar again, or: rm {}", path.display()),
        ))
    };
    let mut findings: Vec<Finding> = entries
        .filter_map(|entry| stale(entry.ok()?.file_name().to_str()?))
        .collect();
    findings.sort_by(|a, b| a.detail.cmp(&b.detail));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verb::doctor::State;

    #[test]
    fn a_folder_that_others_may_enter_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, state) in [(0o700, State::Ok), (0o750, State::Fail), (0o701, State::Fail)] {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(private("x", folder.path()).state, state, "{mode:o}");
        }
        assert_eq!(private("x", &folder.path().join("none")).state, State::Ok);
    }
}
