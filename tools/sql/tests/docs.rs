//! The tables of `docs/kinesis-sql.md` are those of the crate. `UPDATE_DOCS=1` rewrites them.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use std::path::Path;

use windrow_sql::constructs::{ACCEPTED, Construct, REJECTED};
use windrow_sql::limits::{Rejected, limits};

const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p sql --test docs";

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

fn accepted(construct: &Construct) -> String {
    format!("| {} | {} |\n", construct.name, code(construct.example))
}

fn rejected(construct: &Construct) -> String {
    let because = construct.rejected.unwrap();
    let rewrite = because.rewrite.unwrap_or_default();
    // A name is what the message names: SQL, or a description.
    let is_sql = construct.name.chars().all(|letter| !letter.is_lowercase());
    let name = match construct.name {
        name if is_sql => code(name),
        name => cell(name),
    };
    format!(
        "| {name} | {} | {} |\n",
        cell(because.reason),
        cell(rewrite)
    )
}

fn constructs() -> String {
    let mut text = String::from("\n| accepted | example |\n|---|---|\n");
    text.extend(ACCEPTED.iter().map(accepted));
    text.push_str("\n| rejected | why | instead |\n|---|---|---|\n");
    text.extend(REJECTED.iter().map(rejected));
    text.push('\n');
    text
}

fn limit_table() -> String {
    let mut text = String::from("\n| what | at most | beyond it |\n|---|---|---|\n");
    for limit in limits() {
        let rejected = match limit.rejected {
            Rejected::Text => "the text is rejected",
            Rejected::Reading => "the reading is rejected",
        };
        text.push_str(&format!("| {} | {} | {rejected} |\n", limit.of, limit.most));
    }
    text.push('\n');
    text
}

#[test]
fn the_tables_are_those_of_the_crate() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kinesis-sql.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (name, table) in [("constructs", constructs()), ("limits", limit_table())] {
        let start = format!("<!-- {name}: {UPDATE} -->\n");
        let end = format!("<!-- end of {name} -->");
        let (before, rest) = text.split_once(&start).unwrap();
        let (found, after) = rest.split_once(&end).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            text = format!("{before}{start}{table}{end}{after}");
            std::fs::write(&path, &text).unwrap();
            continue;
        }
        let hint = format!("run this and commit the result: {UPDATE}");
        assert_eq!(found, table, "{hint}");
    }
}
