//! Where our own programs lie.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, bail};

/// Names the folder of our programs; otherwise they are looked for beside the running one.
const FOLDER_VARIABLE: &str = "WAGGLEBUS_BIN_DIR";

/// Finds one of our programs: in `$WAGGLEBUS_BIN_DIR`, else where Cargo put the running one.
///
/// # Errors
/// When it is not there; the text says how to build it.
pub fn find(name: &str) -> Result<PathBuf> {
    let folder = match env::var_os(FOLDER_VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        None => beside_us()?,
    };
    let path = folder.join(name);
    if !path.is_file() {
        bail!(
            "there is no {name} in {}: build it with `cargo build -p {name}`, or name its folder in {FOLDER_VARIABLE}",
            folder.display()
        );
    }
    Ok(path)
}

/// The folder of the running program. Tests lie one deeper, in `deps`.
fn beside_us() -> Result<PathBuf> {
    let mut folder = env::current_exe()?;
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_the_way_to_build_it() {
        let error = find("wagglebus-nothing").unwrap_err().to_string();
        assert!(error.contains("cargo build -p wagglebus-nothing"), "{error}");
    }

    #[test]
    fn programs_lie_where_cargo_puts_them() {
        assert!(!beside_us().unwrap().ends_with("deps"));
    }
}
