//! No text makes the library panic, overflow its stack, or take long.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use windrow_template::{StackOptions, StackTemplate};

const TEMPLATES: [&str; 4] = [
    include_str!("templates/python_sam.yaml"),
    include_str!("templates/plain_cloudformation.json"),
    include_str!("templates/much_else.yaml"),
    "Resources: {}\n",
];

/// Pieces of templates, which are put where they do not belong.
const PIECES: [&str; 31] = [
    "!Ref ",
    "!Sub ",
    "!GetAtt ",
    "!If [",
    "!Not [",
    "Fn::If: ",
    "Ref: ",
    "Fn::GetAtt: [",
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "'",
    "\"",
    "${",
    "}",
    "&a ",
    "*a",
    "<<: ",
    "|\n",
    "? ",
    "#",
    "\t",
    "\0",
    "AWS::NoValue",
    "-1",
    "OrderStream",
];

/// Whatever comes of it is fine, as long as something does.
fn read(text: &str) {
    let Ok(template) = StackTemplate::parse(text) else {
        return;
    };
    for stage in ["dev", "prod"] {
        let stage = BTreeMap::from([("Stage".to_owned(), stage.to_owned())]);
        for parameters in [BTreeMap::new(), stage] {
            let options = StackOptions {
                parameters,
                ..StackOptions::default()
            };
            match template.resolve(&options) {
                Ok(model) => assert!(model.left_out_line().is_none_or(|line| !line.is_empty())),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}

/// A change at one place of a text.
#[derive(Clone, Debug)]
enum Edit {
    Insert(&'static str),
    Delete(usize),
    /// Copies some characters from elsewhere.
    Copy(Index, usize),
    Replace(char),
}

fn edits() -> impl Strategy<Value = Vec<(Index, Edit)>> {
    let edit = prop_oneof![
        select(PIECES.as_slice()).prop_map(Edit::Insert),
        (1..40usize).prop_map(Edit::Delete),
        (any::<Index>(), 1..200usize).prop_map(|(from, length)| Edit::Copy(from, length)),
        any::<char>().prop_map(Edit::Replace),
    ];
    vec((any::<Index>(), edit), 1..8)
}

fn edited(text: &str, edits: Vec<(Index, Edit)>) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (at, edit) in edits {
        let at = at.index(text.len().max(1));
        match edit {
            Edit::Insert(piece) => {
                text.splice(at..at, piece.chars());
            }
            Edit::Delete(length) => {
                let end = (at + length).min(text.len());
                text.drain(at.min(end)..end);
            }
            Edit::Copy(from, length) => {
                let from = from.index(text.len().max(1));
                let end = (from + length).min(text.len());
                let piece = text[from.min(end)..end].to_vec();
                text.splice(at..at, piece);
            }
            Edit::Replace(character) => {
                if let Some(replaced) = text.get_mut(at) {
                    *replaced = character;
                }
            }
        }
    }
    text.into_iter().collect()
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..400)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn pieces_in_any_order(pieces in vec(select(PIECES.as_slice()), 0..60)) {
        read(&pieces.concat());
        read(&format!("Resources:\n  A: {}", pieces.concat()));
    }

    #[test]
    fn edited_templates(template in select(TEMPLATES.as_slice()), edits in edits()) {
        read(&edited(template, edits));
    }
}

/// The error of a template.
fn error(text: &str) -> String {
    let template = StackTemplate::parse(text);
    match template.and_then(|template| template.resolve(&StackOptions::default())) {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn circles_are_errors() {
    let text = "
Resources:
  A: {Type: AWS::Kinesis::Stream, Properties: {Name: !Sub 'x-${B}'}}
  B: {Type: AWS::Kinesis::Stream, Properties: {Name: !Ref A}}
";
    assert_eq!(
        error(text),
        "line 4: a value depends on itself: A -> B -> A"
    );
    let text = "
Conditions:
  One: !Not [!Condition Two]
  Two: !And [!Condition One, !Equals [a, a]]
Resources:
  A: {Type: AWS::Kinesis::Stream, Condition: One}
";
    assert!(error(text).contains("condition One -> condition Two -> condition One"));
    let text = "
Resources:
  A: {Type: AWS::Kinesis::StreamConsumer, Properties: {StreamARN: !Ref A}}
  B: {Type: AWS::Kinesis::Stream, Properties: {Name: !Ref A}}
";
    assert!(error(text).contains("A -> A"));
}

#[test]
fn long_chains_and_long_texts_are_errors() {
    let mut chain = "Resources:\n  S0: {Type: AWS::Kinesis::Stream}\n".to_owned();
    for index in (1..2000).rev() {
        let name = format!("{{Name: !Ref S{}}}", index - 1);
        chain += &format!("  S{index}: {{Type: AWS::Kinesis::Stream, Properties: {name}}}\n");
    }
    assert!(error(&chain).contains("levels deep"));
    let mut doubled = "Resources:\n  S0: {Type: AWS::Kinesis::Stream}\n".to_owned();
    for index in 1..60 {
        let name = format!("{{Name: !Sub '${{S{0}}}${{S{0}}}'}}", index - 1);
        doubled += &format!("  S{index}: {{Type: AWS::Kinesis::Stream, Properties: {name}}}\n");
    }
    assert!(error(&doubled).contains("too long"));
}
