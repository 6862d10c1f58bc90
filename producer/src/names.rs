//! The unicorns' names.

/// The base names.
const NAMES: [&str; 4] = ["Shadowfax", "Bucephalus", "Rocinante", "Franky"];

/// The `count` distinct names of a fleet: `first`, if given, then Shadowfax, Bucephalus, Rocinante
/// and Franky, then the same names with numbers from 2 on.
pub fn names(first: Option<&str>, count: usize) -> Vec<String> {
    let numbered = (2_u64..).flat_map(|number| NAMES.map(|name| format!("{name}-{number}")));
    let all = NAMES.map(str::to_owned).into_iter().chain(numbered);
    first
        .map(str::to_owned)
        .into_iter()
        .chain(all.filter(|name| Some(name.as_str()) != first))
        .take(count)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn base_names_come_before_numbered_ones() {
        let expected = [
            "Shadowfax",
            "Bucephalus",
            "Rocinante",
            "Franky",
            "Shadowfax-2",
            "Bucephalus-2",
            "Rocinante-2",
            "Franky-2",
            "Shadowfax-3",
        ];
        assert_eq!(names(None, 9), expected);
        assert_eq!(names(None, 1), expected[..1]);
    }

    #[test]
    fn given_name_comes_first() {
        assert_eq!(names(Some("Pegasus"), 1), ["Pegasus"]);
        assert_eq!(names(Some("Pegasus"), 2), ["Pegasus", "Shadowfax"]);
        assert_eq!(
            names(Some("Bucephalus"), 3),
            ["Bucephalus", "Shadowfax", "Rocinante"]
        );
    }

    #[test]
    fn names_are_distinct() {
        for first in [None, Some("Franky"), Some("Shadowfax-3"), Some("Pegasus")] {
            let names = names(first, 1000);
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), 1000);
        }
    }
}
