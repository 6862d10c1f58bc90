//! The tables in `docs/` are those that the programs print. `UPDATE_DOCS=1` rewrites them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Mutex;

use bench::costs::kinesis_sql;
use bench::workload::Workload;
use bench::{costs, scale};

/// The pages, whose tables are rewritten one after the other.
static PAGES: Mutex<()> = Mutex::new(());

/// Compares the text between two markers of a page with what a program prints.
fn assert_same(page: &str, marker: &str, printed: &str) {
    let _lock = PAGES.lock();
    let path = format!("{}/../docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let start = format!("<!-- {marker} -->\n\n");
    let end = format!("\n<!-- end of {marker} -->\n");
    let (before, rest) = text.split_once(&start).unwrap();
    let (tables, after) = rest.split_once(&end).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{start}{printed}{end}{after}")).unwrap();
        return;
    }
    assert!(
        tables == printed,
        "docs/{page} differs from what the program prints: run this and commit the result: \
         UPDATE_DOCS=1 cargo test -p bench --test docs"
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
fn costs_of_kinesis_sql_are_current() {
    let printed = kinesis_sql::page(&kinesis_sql::fleets());
    assert_same("costs.md", "costs of Kinesis SQL", &printed);
}

#[test]
fn scale_page_is_current() {
    assert_same(
        "scale.md",
        "scale",
        &scale::page(&Workload::of(1), &scale::FLEETS),
    );
}
