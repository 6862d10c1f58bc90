//! The build script, with a Node and an npm that are scripts of the test's own.

#[expect(dead_code, reason = "cargo alone runs the whole script")]
#[path = "../../build.rs"]
mod build;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use build::npm::Tools;
use build::{Problem, build, table};
use tempfile::TempDir;

const GOOD_NODE: &str = "echo v20.19.0";
/// Tells of each call, and makes a page of the sources.
const GOOD_NPM: &str = r#"
echo "$@" >> calls
[ "$1" = ci ] && exit
mkdir -p dist/assets && cp index.html dist/ && cp src/main.ts dist/assets/main.js"#;

/// Sources of a page, a place to work in, and programs to find.
struct Builder {
    folder: TempDir,
    path: OsString,
    limit: Duration,
}

impl Builder {
    fn new(programs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, script) in programs {
            let written = folder.path().join(name);
            fs::write(&written, format!("#!/bin/sh\n{script}\n")).unwrap();
            // What this process has had open for writing may, for a moment, not be run: another
            // thread's child may still have it open.
            let copied = Command::new("install")
                .arg(&written)
                .arg(bin.join(name))
                .status();
            assert!(copied.unwrap().success());
        }
        let mut path = bin.into_os_string();
        if !programs.is_empty() {
            path.push(":/usr/bin:/bin");
        }
        let builder = Self {
            folder,
            path,
            limit: Duration::from_secs(60),
        };
        builder.source("package.json", r#"{"engines": {"node": ">=20.19"}}"#);
        builder.source("package-lock.json", "{}");
        builder.source("index.html", "<!doctype html>");
        builder.source("src/main.ts", "fly()");
        builder.source("node_modules/vite/index.js", "not to be copied");
        builder
    }

    fn source(&self, name: &str, text: &str) {
        let path = self.sources().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn sources(&self) -> PathBuf {
        self.folder.path().join("dashboard")
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("out").join("dashboard")
    }

    fn build(&self) -> Result<PathBuf, Problem> {
        let mut tools = Tools {
            path: self.path.clone(),
            left: self.limit,
        };
        build(&self.sources(), &self.work(), &mut tools)
    }

    /// How npm was called so far.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.work().join("calls")).unwrap();
        calls.lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_page_is_built_beside_its_sources_and_installed_once() {
    let builder = Builder::new(&[("node", GOOD_NODE), ("npm", GOOD_NPM)]);
    let page = builder.build().unwrap();
    assert_eq!(page, builder.work().join("dist"));
    let table = table(&page).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[1].trim().starts_with(r#"("assets/main.js", "#),
        "{table}"
    );
    assert!(lines[2].trim().starts_with(r#"("index.html", "#), "{table}");
    assert_eq!(lines.len(), 4, "{table}");
    assert!(!builder.work().join("node_modules").exists());
    assert!(!builder.sources().join("dist").exists());
    assert!(builder.calls()[0].starts_with("ci "));
    assert_eq!(builder.calls()[1..], ["run build"]);

    // Other sources, the same packages.
    builder.source("index.html", "<!doctype html><p>");
    fs::remove_file(builder.sources().join("src/main.ts")).unwrap();
    builder.source("src/other.ts", "");
    let problem = builder.build().unwrap_err();
    assert!(problem.reason.starts_with("`npm run build` failed"));
    assert_eq!(builder.calls()[2..], ["run build"], "what is gone is gone");
    builder.source("src/main.ts", "land()");
    let page = builder.build().unwrap();
    let built = fs::read_to_string(page.join("assets/main.js"));
    assert_eq!(built.unwrap(), "land()");
    assert_eq!(builder.calls()[3..], ["run build"]);

    builder.source("package-lock.json", r#"{"packages": {}}"#);
    builder.build().unwrap();
    assert!(builder.calls()[4].starts_with("ci "));
}

#[test]
fn packages_that_were_not_installed_are_installed_the_next_time() {
    let fails_if_told =
        format!("[ \"$1\" = ci ] && grep -q broken package-lock.json && exit 1\n{GOOD_NPM}");
    let builder = Builder::new(&[("node", GOOD_NODE), ("npm", &fails_if_told)]);
    builder.build().unwrap();
    builder.source("package-lock.json", r#"{"broken": true}"#);
    for _ in 0..2 {
        let problem = builder.build().unwrap_err();
        assert!(problem.reason.starts_with("`npm ci "), "{problem:?}");
    }
    // As it was at first; what was installed then is gone.
    builder.source("package-lock.json", "{}");
    builder.build().unwrap();
    let calls = builder.calls();
    assert!(calls[2].starts_with("ci "), "{calls:?}");
}

#[test]
fn what_is_missing_is_told() {
    let told = |builder: &Builder, reason: &str, remedy: &str| {
        let problem = builder.build().unwrap_err();
        let page = problem.page();
        assert!(problem.reason.contains(reason), "{problem:?}");
        assert!(problem.remedy.contains(remedy), "{problem:?}");
        assert!(page.contains(reason) && page.contains(remedy), "{page}");
    };
    let remedy = "Install Node.js 20.19 or newer";
    let none = Builder::new(&[]);
    told(&none, "`node --version` could not be started", remedy);
    for version in ["v18.20.8", "v20.18.3"] {
        let old = Builder::new(&[("node", &format!("echo {version}")), ("npm", GOOD_NPM)]);
        told(
            &old,
            &format!("Node.js here is {version}, which is too old"),
            remedy,
        );
    }
    let sources = Builder::new(&[("node", GOOD_NODE), ("npm", GOOD_NPM)]);
    fs::remove_dir_all(sources.sources()).unwrap();
    told(&sources, "are not there", "a copy of the whole project");
    let no_page = Builder::new(&[("node", GOOD_NODE), ("npm", "exit 0")]);
    told(&no_page, "made no page", "as soon as its sources change");
}

#[test]
fn the_last_lines_of_npms_are_text_in_the_page() {
    let npm = r#"
for line in $(seq 100); do echo "line $line"; done
printf '\033[31m<script>alert("&")</script>\n' >&2; exit 3"#;
    let builder = Builder::new(&[("node", GOOD_NODE), ("npm", npm)]);
    let problem = builder.build().unwrap_err();
    assert!(problem.reason.contains('3'), "{problem:?}");
    let page = problem.page();
    assert!(
        page.contains("line 100\n") && page.contains("line 80\n"),
        "{page}"
    );
    assert!(!page.contains("line 1\n"), "{page}");
    let escaped = "[31m&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;";
    assert!(page.contains(escaped), "{page}");
    assert!(!page.contains("<script") && !page.contains('\u{1b}'));
}

#[test]
fn npm_is_ended_with_its_children_when_it_takes_too_long() {
    let npm = r#"sh -c 'sleep 600 & echo $! > child; wait' & wait"#;
    let mut builder = Builder::new(&[("node", GOOD_NODE), ("npm", npm)]);
    builder.limit = Duration::from_secs(2);
    let problem = builder.build().unwrap_err();
    assert!(problem.reason.contains("took too long"), "{problem:?}");
    let child = fs::read_to_string(builder.work().join("child")).unwrap();
    let asked = Command::new("ps")
        .args(["-o", "stat=", "-p", child.trim()])
        .output();
    let state = String::from_utf8(asked.unwrap().stdout).unwrap();
    // What has ended and was not yet fetched by the system's first process has the state Z.
    assert!(state.is_empty() || state.starts_with('Z'), "{state}");
}

#[test]
fn the_environment_makes_no_other_page() {
    // A test may not change its own environment, so it runs again in another.
    if std::env::var_os("NODE_ENV").is_none() {
        let again = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "page::the_environment_makes_no_other_page"])
            .envs([("NODE_ENV", "development"), ("DEBUG", "true")])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&again.stdout);
        assert!(told.contains("1 passed"), "{told}");
        return;
    }
    let npm = r#"[ "$1" = ci ] && exit
mkdir dist && echo "$NODE_ENV $DEBUG" > dist/index.html"#;
    let builder = Builder::new(&[("node", GOOD_NODE), ("npm", npm)]);
    let page = builder.build().unwrap();
    let built = fs::read_to_string(page.join("index.html"));
    assert_eq!(built.unwrap(), " \n");
}
