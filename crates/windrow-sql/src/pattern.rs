//! The patterns of LIKE and SIMILAR TO.

use regex_lite::Regex;

/// A compiled pattern. It matches in time linear in the text.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    source: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// The most bytes that a compiled pattern may take.
const LARGEST: usize = 1 << 20;

impl Pattern {
    /// The pattern of LIKE: `%` is any text, `_` any character.
    pub(crate) fn like(pattern: &str, escape: Option<char>) -> Result<Self, String> {
        let mut source = String::from("^(?s:");
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            if Some(character) == escape {
                let escaped = characters.next().ok_or(ESCAPE_AT_END)?;
                push_literal(&mut source, escaped);
                continue;
            }
            match character {
                '%' => source.push_str(".*"),
                '_' => source.push('.'),
                other => push_literal(&mut source, other),
            }
        }
        Self::compile(source)
    }

    /// The pattern of SIMILAR TO, which also has `|`, `*`, `+`, `?`, `{n}`, groups and sets.
    pub(crate) fn similar(pattern: &str, escape: Option<char>) -> Result<Self, String> {
        let mut source = String::from("^(?s:");
        let mut characters = pattern.chars().peekable();
        let mut in_set = false;
        while let Some(character) = characters.next() {
            if Some(character) == escape {
                let escaped = characters.next().ok_or(ESCAPE_AT_END)?;
                push_literal(&mut source, escaped);
                continue;
            }
            match character {
                '[' if in_set && characters.peek() == Some(&':') => {
                    // `[:ALPHA:]` is a class; the standard has them in upper case.
                    source.push('[');
                    for class in characters.by_ref() {
                        source.extend(class.to_lowercase());
                        if class == ']' {
                            break;
                        }
                    }
                }
                '[' if !in_set => {
                    in_set = true;
                    source.push('[');
                }
                ']' if in_set => {
                    in_set = false;
                    source.push(']');
                }
                '^' | '-' if in_set => source.push(character),
                '%' if !in_set => source.push_str(".*"),
                '_' if !in_set => source.push('.'),
                '(' if !in_set => source.push_str("(?:"),
                ')' | '|' | '*' | '+' | '?' | '{' | '}' if !in_set => source.push(character),
                other => push_literal(&mut source, other),
            }
        }
        Self::compile(source)
    }

    fn compile(mut source: String) -> Result<Self, String> {
        source.push_str(")$");
        let mut builder = regex_lite::RegexBuilder::new(&source);
        match builder.size_limit(LARGEST).build() {
            Ok(regex) => Ok(Self { source, regex }),
            Err(_) => Err("the pattern is not valid, or too large".to_owned()),
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

const ESCAPE_AT_END: &str = "the pattern ends with its escape character";

fn push_literal(source: &mut String, character: char) {
    let mut buffer = [0; 4];
    source.push_str(&regex_lite::escape(character.encode_utf8(&mut buffer)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_matches_the_whole_text() {
        for (pattern, text, expected) in [
            ("a%", "abc", true),
            ("a%", "bac", false),
            ("_b_", "abc", true),
            ("_b_", "äbü", true),
            ("100!%", "100%", true),
            ("100!%", "1000", false),
            ("a.c", "abc", false),
            ("a%c", "a\nc", true),
            ("", "", true),
        ] {
            let compiled = Pattern::like(pattern, Some('!')).unwrap();
            assert_eq!(compiled.matches(text), expected, "{pattern} {text}");
        }
        assert!(Pattern::like("a!", Some('!')).is_err());
    }

    #[test]
    fn similar_has_regular_expressions() {
        for (pattern, text, expected) in [
            ("(ab|cd)+", "abcd", true),
            ("(ab|cd)+", "abc", false),
            ("[a-c]{2}%", "abz", true),
            ("[^a-c]", "b", false),
            ("[[:DIGIT:]]+", "123", true),
            ("a.c", "abc", false),
        ] {
            let compiled = Pattern::similar(pattern, None).unwrap();
            assert_eq!(compiled.matches(text), expected, "{pattern} {text}");
        }
        assert!(Pattern::similar("(", None).is_err());
        assert!(Pattern::similar("(((a{1000}){1000}){1000})", None).is_err());
    }
}
