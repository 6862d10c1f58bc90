//! A template's text as a tree in which every value has its line.

/// A value and the line where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TemplateNode {
    pub(crate) line: usize,
    pub(crate) value: NodeValue,
}

/// CloudFormation treats every scalar as text until a property needs another type, and so does this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeValue {
    /// `null`, or `AWS::NoValue`.
    Absent,
    Text(String),
    List(Vec<TemplateNode>),
    Map(Vec<NodeEntry>),
}

/// A key of a map with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeEntry {
    pub(crate) key: String,
    /// The line of the key.
    pub(crate) line: usize,
    pub(crate) value: TemplateNode,
}

impl TemplateNode {
    pub(crate) fn new(line: usize, value: NodeValue) -> Self {
        Self { line, value }
    }

    pub(crate) fn absent(line: usize) -> Self {
        Self::new(line, NodeValue::Absent)
    }

    pub(crate) fn text(line: usize, text: impl Into<String>) -> Self {
        Self::new(line, NodeValue::Text(text.into()))
    }

    /// A map with one entry.
    pub(crate) fn single(key: String, value: Self) -> Self {
        let line = value.line;
        Self::new(line, NodeValue::Map(vec![NodeEntry { key, line, value }]))
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.value == NodeValue::Absent
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match &self.value {
            NodeValue::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&[NodeEntry]> {
        match &self.value {
            NodeValue::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a map's key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let entries = self.as_map()?.iter();
        let mut found = entries.filter(|entry| entry.key == key);
        found.next().map(|entry| &entry.value)
    }

    /// The name and the argument of an intrinsic function, if this is one.
    pub(crate) fn function(&self) -> Option<(&str, &Self)> {
        match self.as_map()? {
            [entry] if entry.key == "Ref" || entry.key.starts_with("Fn::") => {
                Some((&entry.key, &entry.value))
            }
            _ => None,
        }
    }

    /// What this is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            NodeValue::Absent => "nothing",
            NodeValue::Text(_) => "text",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a map",
        }
    }

    /// How many levels of values there are, and how many values.
    pub(crate) fn extent(&self) -> (usize, usize) {
        let inner: Box<dyn Iterator<Item = &Self>> = match &self.value {
            NodeValue::Absent | NodeValue::Text(_) => Box::new(std::iter::empty()),
            NodeValue::List(items) => Box::new(items.iter()),
            NodeValue::Map(entries) => Box::new(entries.iter().map(|entry| &entry.value)),
        };
        let (depth, count) = inner
            .map(Self::extent)
            .fold((0, 0), |all, one| (usize::max(all.0, one.0), all.1 + one.1));
        (depth + 1, count + 1)
    }
}
