//! The tables in `docs/` are those that the programs print.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use bench::workload::Workload;
use bench::{costs, scale};

/// The tables of a page: the text between its two markers.
fn tables(page: &str, program: &str) -> String {
    let path = format!("{}/../docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("<!-- {program} -->\n\n")).unwrap();
    let (tables, _) = rest
        .split_once(&format!("\n<!-- end of {program} -->\n"))
        .unwrap();
    tables.to_owned()
}

fn assert_same(page: &str, program: &str, printed: &str) {
    assert!(
        tables(page, program) == printed,
        "docs/{page} differs from the program's output: run `cargo run -p bench --bin {program}` and \
         put its tables between the page's markers"
    );
}

#[test]
fn costs_page_is_current() {
    assert_same(
        "costs.md",
        "costs",
        &costs::page(&costs::FLEETS.map(Workload::of)),
    );
}

#[test]
fn scale_page_is_current() {
    assert_same(
        "scale.md",
        "scale",
        &scale::page(&Workload::of(1), &scale::FLEETS),
    );
}
