//! The workspace's own programs, as they were built.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Where a program of the workspace lies.
///
/// Cargo builds a package's programs for that package's own tests only, so the first call here
/// builds what the tests need; where it is built already, that takes a moment.
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--offline"]);
        for package in ["aggregator", "processor", "local", "producer", "consumer"] {
            build.args(["-p", package]);
        }
        assert!(
            build.status().unwrap().success(),
            "the programs do not build"
        );
        // This test lies in target/PROFILE/deps.
        let test = std::env::current_exe().unwrap();
        test.parent().unwrap().parent().unwrap().to_owned()
    });
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
