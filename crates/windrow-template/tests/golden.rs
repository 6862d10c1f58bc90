//! The models of whole templates: this project's own, and three in the manner of public ones.
//!
//! `tests/golden/` has what each template resolves to. Of this project's own templates, which are
//! often edited, it has no lines and only the types of what is left out. A test that fails writes what it found beside
//! the expected file, with the ending `.new`: rename it if the change is intended.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use std::path::Path;

use windrow_template::{StackOptions, StackTemplate};

/// Compares the model of a template with the one in the golden file.
fn check(template: &str, golden: &str, parameters: &[(&str, &str)]) {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(crate_folder.join(template)).unwrap();
    let mut options = StackOptions::default();
    for (name, value) in parameters {
        let (name, value) = ((*name).to_owned(), (*value).to_owned());
        options.parameters.insert(name, value);
    }
    let model = StackTemplate::parse(&text).unwrap().resolve(&options);
    let mut model = model.unwrap();
    let left_out = model.left_out_line();
    let is_own = template.starts_with("..");
    if is_own {
        model.left_out.clear();
    }
    let mut found = format!("{model:#?}\n");
    if is_own {
        let lines = found.lines();
        let lines: Vec<&str> = lines
            .filter(|line| !line.trim().starts_with("line: "))
            .collect();
        found = lines.join("\n") + &format!("\nleft out: {}\n", left_out.unwrap_or_default());
    }
    let path = crate_folder.join("tests/golden").join(golden);
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let new = path.with_extension("txt.new");
    if found == expected {
        let _ = std::fs::remove_file(new);
        return;
    }
    std::fs::write(&new, found).unwrap();
    panic!("{} differs from {}", new.display(), path.display());
}

#[test]
fn wild_rydes() {
    check("../../template.yaml", "wild_rydes.txt", &[]);
}

#[test]
fn wild_rydes_with_everything() {
    let parameters = [
        ("StreamName", "fleet"),
        ("StreamMode", "PROVISIONED"),
        ("ShardCount", "4"),
        ("DedicatedReads", "true"),
        ("FinishedRows", "true"),
        ("RowsExpireAfterDays", "7"),
        ("WindowSeconds", "30"),
    ];
    check(
        "../../template.yaml",
        "wild_rydes_with_everything.txt",
        &parameters,
    );
}

#[test]
fn thermometer() {
    check(
        "../../examples/thermometer/template.yaml",
        "thermometer.txt",
        &[],
    );
}

#[test]
fn ticker() {
    check("../../examples/ticker/template.yaml", "ticker.txt", &[]);
}

#[test]
fn a_sam_application_in_python() {
    check("tests/templates/python_sam.yaml", "python_sam.txt", &[]);
}

#[test]
fn a_sam_application_in_production() {
    let parameters = [("Stage", "prod"), ("AlertAddresses", "three@example.com")];
    check(
        "tests/templates/python_sam.yaml",
        "python_sam_prod.txt",
        &parameters,
    );
}

#[test]
fn plain_cloudformation_in_json() {
    check(
        "tests/templates/plain_cloudformation.json",
        "plain_cloudformation.txt",
        &[("Environment", "production")],
    );
}

#[test]
fn much_that_does_not_run() {
    check("tests/templates/much_else.yaml", "much_else.txt", &[]);
}
