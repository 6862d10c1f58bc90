//! Typed expressions. Names are resolved to columns of a row.

use windrow_core::value::Value;

use crate::pattern::Pattern;
use crate::problem::{Position, SqlProblem};
use crate::time_pattern::TimePattern;
use crate::types::SqlType;

/// How deep a typed expression may be, so that evaluating and dropping it needs little stack.
const DEEPEST: u16 = 200;

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// That of `NULL`, which is of every type.
    Null,
    /// That of a column.
    Sql(SqlType),
    /// A span of time in a unit of so many milliseconds. Its values are milliseconds.
    Interval(i64),
}

impl Type {
    pub(crate) const BOOLEAN: Self = Self::Sql(SqlType::Boolean);
    pub(crate) const BIGINT: Self = Self::Sql(SqlType::BigInt);
    pub(crate) const DOUBLE: Self = Self::Sql(SqlType::Double);
    pub(crate) const TIMESTAMP: Self = Self::Sql(SqlType::Timestamp);

    pub(crate) fn sql(self) -> Option<SqlType> {
        match self {
            Self::Sql(sql_type) => Some(sql_type),
            _ => None,
        }
    }

    /// Whether values are of this kind, or there are none.
    pub(crate) fn is(self, kind: impl Fn(SqlType) -> bool) -> bool {
        match self {
            Self::Null => true,
            Self::Sql(sql_type) => kind(sql_type),
            Self::Interval(_) => false,
        }
    }

    pub(crate) fn is_float(self) -> bool {
        self.sql().is_some_and(SqlType::is_float)
    }

    pub(crate) fn is_moment(self) -> bool {
        self.is(|sql_type| matches!(sql_type, SqlType::Date | SqlType::Time | SqlType::Timestamp))
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => formatter.write_str("NULL"),
            Self::Sql(sql_type) => sql_type.fmt(formatter),
            Self::Interval(_) => formatter.write_str("INTERVAL"),
        }
    }
}

/// An expression. Two are equal if they compute the same in the same way, wherever they are.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) value_type: Type,
    pub(crate) at: Position,
    depth: u16,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value_type == other.value_type && self.kind == other.kind
    }
}

/// What an expression computes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeKind {
    /// A literal.
    Constant(Value),
    /// A column of the row, by index.
    Column(usize),
    /// The time of the row.
    RowTime,
    /// The time at which the record arrived. It is that of the row as well, but defines no window.
    ArrivalTime,
    /// Minus a number or an interval.
    Negate(Box<Node>),
    /// Numbers in, a number of the node's type out.
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    /// A time plus so many times an interval.
    Shift(i8, Box<[Node; 2]>),
    /// The milliseconds from the second time to the first.
    Difference(Box<[Node; 2]>),
    /// Compares two values. With true, without blanks at their ends.
    Compare(Comparison, bool, Box<[Node; 2]>),
    /// True if all are.
    And(Vec<Node>),
    /// True if any is.
    Or(Vec<Node>),
    /// The opposite.
    Not(Box<Node>),
    /// Whether there is no value.
    IsNull(Box<Node>),
    /// Whether it is true, or false; never unknown.
    Is(bool, Box<Node>),
    /// Whether a text has a form.
    Matches(Box<[Node; 1]>, Pattern),
    /// A time as text of a pattern, and the text of NULL.
    Format(Box<[Node; 1]>, TimePattern, Option<&'static str>),
    /// Branches of condition and result, then the result if none is true.
    Case(Vec<[Node; 2]>, Box<Node>),
    /// A value as one of the node's type.
    Convert(Box<Node>),
    /// A call.
    Call(Call, Vec<Node>),
}

/// Arithmetic operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Upper,
    Lower,
    InitCap,
    CharLength,
    /// Leading and trailing characters: which of them, of which kind.
    Trim {
        leading: bool,
        trailing: bool,
    },
    Substring,
    Position,
    Overlay,
    Concat,
    Coalesce,
    NullIf,
    Absolute,
    Ceiling,
    Floor,
    Power,
    SquareRoot,
    Exponential,
    Logarithm,
    Logarithm10,
    Sign,
    /// The largest multiple of a number that is not above the first.
    Step,
    /// The start of a unit of time, in milliseconds, counted from the epoch.
    FloorTime(i64),
    /// The end of a unit of time; the time itself if it is one.
    CeilTime(i64),
    /// The start of a month, or of a year.
    FloorCalendar(TimeField),
    Extract(TimeField),
    UnixTimestamp,
    ToTimestamp,
}

/// Parts of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeField {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Millisecond,
    Epoch,
}

impl NodeKind {
    fn children(&self) -> Vec<&Node> {
        match self {
            Self::Constant(_) | Self::Column(_) | Self::RowTime | Self::ArrivalTime => Vec::new(),
            Self::Negate(node) | Self::Not(node) | Self::IsNull(node) | Self::Is(_, node) => {
                vec![node]
            }
            Self::Convert(node) => vec![node],
            Self::Arithmetic(_, pair)
            | Self::Shift(_, pair)
            | Self::Difference(pair)
            | Self::Compare(_, _, pair) => pair.iter().collect(),
            Self::Matches(inner, _) | Self::Format(inner, ..) => inner.iter().collect(),
            Self::And(nodes) | Self::Or(nodes) | Self::Call(_, nodes) => nodes.iter().collect(),
            Self::Case(branches, otherwise) => {
                let branches = branches.iter().flatten();
                branches.chain([&**otherwise]).collect()
            }
        }
    }
}

impl Node {
    /// An expression of these parts.
    ///
    /// # Errors
    ///
    /// [`SqlProblem`] if it is too deep.
    pub(crate) fn new(kind: NodeKind, value_type: Type, at: Position) -> Result<Self, SqlProblem> {
        let deepest = kind.children().iter().map(|child| child.depth).max();
        let depth = deepest.map_or(0, |depth| depth + 1);
        if depth > DEEPEST {
            let reason = format!("it is nested more than {DEEPEST} deep");
            return Err(SqlProblem::new(at, "an expression", reason));
        }
        Ok(Self {
            kind,
            value_type,
            at,
            depth,
        })
    }

    /// An expression without parts.
    pub(crate) fn leaf(kind: NodeKind, value_type: Type, at: Position) -> Self {
        Self {
            kind,
            value_type,
            at,
            depth: 0,
        }
    }

    /// The same expression at another place of the text.
    pub(crate) fn moved_to(self, at: Position) -> Self {
        Self { at, ..self }
    }

    /// Whether the expression depends on a column or on the time of the row.
    pub(crate) fn is_constant(&self) -> bool {
        match self.kind {
            NodeKind::Column(_) | NodeKind::RowTime | NodeKind::ArrivalTime => false,
            _ => self.kind.children().into_iter().all(Self::is_constant),
        }
    }

    /// Whether the expression depends on the time of the row, and on nothing else.
    pub(crate) fn is_of_row_time(&self) -> bool {
        !self.is_constant() && self.has_no_column()
    }

    /// Whether a time of the row is only used where `is_known` holds for what is computed of it.
    pub(crate) fn uses_time_only_where(&self, is_known: &impl Fn(&Self) -> bool) -> bool {
        if is_known(self) {
            return true;
        }
        let children = || self.kind.children().into_iter();
        !matches!(self.kind, NodeKind::RowTime)
            && children().all(|child| child.uses_time_only_where(is_known))
    }

    fn has_no_column(&self) -> bool {
        !matches!(self.kind, NodeKind::Column(_) | NodeKind::ArrivalTime)
            && self.kind.children().into_iter().all(Self::has_no_column)
    }
}
