//! `provision --export`: files for an administrator.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde_json::json;
use wagglebus_nats::connect::JETSTREAM_API;
use wagglebus_nats::export::{ADMIN, Export, ExportFile, INSPECTOR, SYSTEM};
use wagglebus_schemas::AgentId;

use super::Args;
use super::agent::Identity;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

pub(super) fn run(folder: &Path, args: &Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    // Looked at before any key is made.
    check(folder, args.force)?;
    let sizing = args.sizing()?;
    let api_prefix = prefix(args.bus.api_prefix().unwrap_or(JETSTREAM_API))?;
    let mut identities = Vec::new();
    for agent in &args.agents {
        agent.applicant()?;
        identities.push(Identity::of(agent, places)?);
    }
    let coordinator = Identity::new(AgentId::coordinator().as_str(), args.coordinator.as_ref(), places)?;
    let inspector = Identity::new(INSPECTOR, args.inspector.as_ref(), places)?;
    let [admin, system] = [ADMIN, SYSTEM].map(|name| Identity::new(name, None, places));
    let (admin, system) = (admin?, system?);
    let agents = args.agents.iter().map(|agent| agent.agent.clone());
    let keys = identities.iter().map(|identity| identity.public.clone());
    let export = Export {
        hive: places.hive().clone(),
        sizing,
        api_prefix,
        agents: agents.zip(keys).collect(),
        coordinator: coordinator.public.clone(),
        inspector: inspector.public.clone(),
        admin: admin.public.clone(),
        system: system.public.clone(),
    };
    let files = export.files();
    for file in &files {
        write(folder, file)?;
    }
    identities.extend([coordinator, inspector, admin, system]);
    if output.json() {
        let users: Vec<_> = identities.iter().map(Identity::record).collect();
        let files: Vec<_> = files.iter().map(|file| &file.path).collect();
        output.record(&json!({ "folder": folder, "files": files, "users": users }))?;
        return Ok(());
    }
    output.line(format!("wrote   {} files to {}", files.len(), folder.display()))?;
    for identity in &identities {
        output.line(format!("user    {identity}"))?;
    }
    output.note(format!(
        "next: give the folder to the administrator; it begins with {}",
        folder.join("README.md").display()
    ))?;
    output.note("the keys named above stay here; each sidecar needs its own: --server URL --nkey FILE")?;
    Ok(())
}

fn check(folder: &Path, force: bool) -> Result<(), Failure> {
    let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !force {
        let what = format!("{} is not empty", folder.display());
        return Err(Failure::invalid(what).fix("name another folder, or write over it with --force"));
    }
    Ok(())
}

/// It stands between quotes in a configuration and in a program.
fn prefix(text: &str) -> Result<String, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '.' | '_' | '-');
    let tokens = text.split('.').all(|token| !token.is_empty());
    if tokens && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(
        Failure::invalid(format!("{text:?} is no beginning of a JetStream API"))
            .fix("such as $JS.API or $JS.hub.API"),
    )
}

fn write(folder: &Path, file: &ExportFile) -> Result<(), Failure> {
    let path = folder.join(&file.path);
    let mode = if file.executable { 0o755 } else { 0o644 };
    let written = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut out = fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path)?;
        out.write_all(file.text.as_bytes())?;
        // One that was there keeps its mode, and may have been no program.
        out.set_permissions(fs::Permissions::from_mode(mode))
    };
    written().map_err(|error: std::io::Error| {
        Failure::failed(format!("{} cannot be written", path.display())).why(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_cannot_end_its_quotes() {
        for good in ["$JS.API", "$JS.hub.API", "wb.js"] {
            assert_eq!(prefix(good).unwrap(), good);
        }
        for bad in ["", ".", "a..b", "a.", "a b", "'", "\"", "$(x)", "a>"] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path(), false).is_ok() && check(&folder.path().join("new"), false).is_ok());
        fs::write(folder.path().join("theirs"), "").unwrap();
        assert!(check(folder.path(), false).is_err() && check(folder.path(), true).is_ok());
    }
}
