//! The tables of `docs/kinesis-sql.md` are those of the crate. `UPDATE_DOCS=1` rewrites them.

#![expect(clippy::unwrap_used, reason = "the helpers here are tests too")]

use std::path::Path;

use windrow_sql::constructs::{ACCEPTED, Construct, REJECTED};

const START: &str = "<!-- constructs: UPDATE_DOCS=1 cargo test -p sql --test docs -->\n";
const END: &str = "<!-- end of constructs -->";

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

fn tables() -> String {
    let mut text = String::from("\n| accepted | example |\n|---|---|\n");
    text.extend(ACCEPTED.iter().map(accepted));
    text.push_str("\n| rejected | why | instead |\n|---|---|---|\n");
    text.extend(REJECTED.iter().map(rejected));
    text.push('\n');
    text
}

#[test]
fn the_tables_are_those_of_the_crate() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kinesis-sql.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(START).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let updated = format!("{before}{START}{}{END}{after}", tables());
        std::fs::write(&path, updated).unwrap();
        return;
    }
    assert_eq!(
        found,
        tables(),
        "run this and commit the result: UPDATE_DOCS=1 cargo test -p sql --test docs"
    );
}
