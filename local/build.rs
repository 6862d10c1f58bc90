//! Makes the dashboard's page a part of this crate.
//!
//! `cargo run` shows the map without anybody having run npm before, so this does it: it copies the page's
//! sources from `../dashboard` to OUT_DIR, installs there what `package-lock.json` names, builds, and
//! writes a table of the built files that `src/dashboard.rs` includes. Nothing is written into the source
//! tree, whose `node_modules` may be another platform's or in use. npm is asked to install only when the
//! lock file is another one than at the last time.
//!
//! The map is not worth a failed build. Where it cannot be built, a plain page says why and what to do, and
//! so does a warning. `WILDRYDES_DASHBOARD=off` builds without it, for those in a hurry.

#[path = "build/npm.rs"]
pub(crate) mod npm;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use npm::{NPM, Tools};

/// What the page is made of: everything in the folder that changes it.
const SOURCES: [&str; 8] = [
    "index.html",
    "package.json",
    "package-lock.json",
    ".npmrc",
    "tsconfig.json",
    "vite.config.ts",
    "src",
    "public",
];

/// `off` in this variable builds no page.
const SWITCH: &str = "WILDRYDES_DASHBOARD";

/// How long Node and npm may take, all runs of them together.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// What else there is to do where cargo does not notice that something was done.
const AGAIN: &str =
    "Then run `cargo clean -p local` (with `--release` for a release build), and build again.";

fn main() -> io::Result<()> {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let sources = package.join("..").join("dashboard");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-env-changed={SWITCH}");
    // One that is not there would count as changed every time.
    let there = SOURCES.iter().map(|name| sources.join(name));
    for source in there.filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", source.display());
    }

    let built = match env::var_os(SWITCH) {
        Some(value) if value == "off" => {
            let reason = format!("This program was built with {SWITCH}=off.");
            Err(Problem::new(
                reason,
                &format!("Build it again without {SWITCH}."),
            ))
        }
        _ => build(&sources, &out.join("dashboard"), &mut Tools::new(LIMIT)).inspect_err(told),
    };
    let page = match built {
        Ok(page) => page,
        Err(problem) => {
            let plain = out.join("plain");
            fs::create_dir_all(&plain)?;
            fs::write(plain.join("index.html"), problem.page())?;
            plain
        }
    };
    fs::write(out.join("files.rs"), table(&page)?)
}

/// Why there is no page, and what to do about it, in sentences.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) reason: String,
    pub(crate) remedy: String,
    /// The last lines of what npm wrote.
    output: String,
}

impl Problem {
    fn new(reason: impl Into<String>, remedy: &str) -> Self {
        Self {
            reason: reason.into(),
            remedy: remedy.to_owned(),
            output: String::new(),
        }
    }

    /// The page that is served instead.
    pub(crate) fn page(&self) -> String {
        let escape = |text: &str| {
            let text: String = text
                .chars()
                .filter(|letter| *letter == '\n' || !letter.is_control())
                .collect();
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            text.replace('>', "&gt;").replace('"', "&quot;")
        };
        include_str!("build/plain.html")
            .replace("{reason}", &escape(&self.reason))
            .replace("{remedy}", &escape(&self.remedy))
            .replace("{output}", &escape(&self.output))
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::new(format!("A file could not be had: {error}."), AGAIN)
    }
}

/// Warns whoever builds.
fn told(problem: &Problem) {
    let Problem { reason, remedy, .. } = problem;
    println!("cargo::warning=the dashboard is not built. {reason} {remedy}");
    // A Node in another place is another chance; where the page was built, that is no reason to do it again.
    println!("cargo::rerun-if-env-changed=PATH");
}

/// Builds the page of `sources` in the folder `work`, and returns the folder of what came out.
pub(crate) fn build(sources: &Path, work: &Path, tools: &mut Tools) -> Result<PathBuf, Problem> {
    if !sources.join("package.json").is_file() {
        let reason = "Its sources, the project's folder `dashboard`, are not there.";
        return Err(Problem::new(
            reason,
            "Build in a copy of the whole project.",
        ));
    }
    fs::create_dir_all(work)?;
    for name in SOURCES {
        replace(&sources.join(name), &work.join(name))?;
    }
    tools.check_node(work)?;

    let lock = fs::read(work.join("package-lock.json"))?;
    let installed = work.join("installed.json");
    if fs::read(&installed).ok().as_ref() != Some(&lock) {
        // One that is broken off leaves nothing to build on.
        remove(&installed)?;
        // Vite is wanted even where the environment says `production`. No package may run a program of
        // its own.
        let ci = [
            "ci",
            "--include=dev",
            "--ignore-scripts",
            "--prefer-offline",
        ];
        let remedy =
            format!("npm needs the network here, or what it has kept from before. {AGAIN}");
        tools.run(NPM, &ci, work, &remedy)?;
        fs::write(&installed, lock)?;
    }
    let page = work.join("dist");
    remove(&page)?;
    let remedy = "It is built again as soon as its sources change.";
    tools.run(NPM, &["run", "build"], work, remedy)?;
    match page.join("index.html").is_file() {
        true => Ok(page),
        false => Err(Problem::new("`npm run build` made no page.", remedy)),
    }
}

/// Makes `to` the same as `from`: a file, a folder with all that is in it, or nothing.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    remove(to)?;
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            replace(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if from.is_file() {
        fs::copy(from, to)?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match path.is_dir() {
        true => fs::remove_dir_all(path),
        false if path.exists() => fs::remove_file(path),
        false => Ok(()),
    }
}

/// A Rust expression: the path of every file in a folder and what is in it, in the order of paths.
pub(crate) fn table(folder: &Path) -> io::Result<String> {
    let mut files = BTreeMap::new();
    list(folder, "", &mut files)?;
    let mut table = "&[\n".to_owned();
    for (name, path) in files {
        // What tells a string in a log is a literal of Rust.
        let path = path.display().to_string();
        let _ = writeln!(table, "    ({name:?}, include_bytes!({path:?})),");
    }
    table.push_str("]\n");
    Ok(table)
}

fn list(folder: &Path, prefix: &str, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true => list(&entry.path(), &format!("{name}/"), files)?,
            false => {
                files.insert(name, entry.path());
            }
        }
    }
    Ok(())
}
