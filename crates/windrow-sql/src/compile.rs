//! Turns expressions of the parser into typed ones.

mod call;
mod operator;
mod time;

use sqlparser::ast::{CeilFloorKind, DateTimeField, Expr, Ident, Spanned, Value as Literal};
use sqlparser::tokenizer::Tokenizer;
use windrow_core::decimal::Decimal;
use windrow_core::value::{Finite, Value};

use crate::convert;
use crate::dialect::KinesisDialect;
use crate::exact;
use crate::expression::{Node, NodeKind, Type};
use crate::problem::{Position, SqlProblem};
use crate::scope::{ResolvedName, Scope};
use crate::types::{MOST_CHARACTERS, SqlType};

pub(crate) use call::{AVERAGE_PLACES, AggregateCall, AggregateFunction, aggregate_of};
pub(crate) use time::window_millis;

type Compiled = Result<Node, SqlProblem>;

/// How deep the parser's expressions may be, apart from chains of operators.
const DEEPEST: usize = 100;

/// The most problems of an expression that are noted. Further parts are not compiled.
const MOST_PROBLEMS: usize = 20;

/// What a grouped SELECT makes of an expression before it is compiled as usual.
pub(crate) trait Grouping {
    /// The expression as a column of the group, if it is one.
    ///
    /// # Errors
    ///
    /// [`SqlProblem`] for each part that is not supported.
    fn column(&mut self, expr: &Expr) -> Result<Option<Node>, Vec<SqlProblem>>;

    /// The column of the group that has the value of a column, if one does.
    fn of_term(&self, column: Node) -> Node {
        column
    }
}

/// An expression of a SELECT without groups.
pub(crate) struct Ungrouped;

impl Grouping for Ungrouped {
    fn column(&mut self, _: &Expr) -> Result<Option<Node>, Vec<SqlProblem>> {
        Ok(None)
    }
}

/// Compiles an expression.
///
/// # Errors
///
/// [`SqlProblem`] for each part that is not supported.
pub(crate) fn compile(
    expr: &Expr,
    scope: &Scope,
    grouping: &mut dyn Grouping,
) -> Result<Node, Vec<SqlProblem>> {
    let mut compiler = Compiler {
        scope,
        grouping,
        depth: 0,
        problems: Vec::new(),
    };
    let node = compiler.expression(expr)?;
    if compiler.problems.is_empty() {
        Ok(node)
    } else {
        Err(compiler.problems)
    }
}

/// Compiles a condition.
///
/// # Errors
///
/// [`SqlProblem`] for each part that is not supported, or if it is not a condition.
pub(crate) fn condition(
    expr: &Expr,
    scope: &Scope,
    grouping: &mut dyn Grouping,
) -> Result<Node, Vec<SqlProblem>> {
    let node = compile(expr, scope, grouping)?;
    Ok(boolean(node)?)
}

/// Assigns a value to a column.
///
/// # Errors
///
/// [`SqlProblem`] if it takes CAST.
pub(crate) fn assign(node: Node, column: &str, to: SqlType) -> Compiled {
    if convert::is_same(node.value_type, to) {
        return Ok(node);
    }
    let at = node.at;
    if !convert::can_assign(node.value_type, to) {
        let reason = format!(
            "a value of type {} cannot be assigned to it",
            node.value_type
        );
        let construct = format!("column \"{column}\" of type {to}");
        let problem = SqlProblem::new(at, construct, reason);
        return Err(problem.rewrite(format!("write CAST(... AS {to})")));
    }
    Node::new(NodeKind::Convert(Box::new(node)), Type::Sql(to), at)
}

/// Where an expression is.
pub(crate) fn position(expr: &Expr) -> Position {
    expr.span().start.into()
}

/// The expression as text that does not depend on how it is written: names without quotes and
/// streams, keywords in upper case.
pub(crate) fn canonical(expr: &Expr) -> String {
    use sqlparser::tokenizer::Token;

    let text = spelled(expr);
    let Ok(tokens) = Tokenizer::new(&KinesisDialect, &text).tokenize() else {
        return text;
    };
    let mut result = String::with_capacity(text.len());
    let mut tokens = tokens.iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) if tokens.peek() != Some(&&Token::Period) => {
                result.push_str(&crate::statement::identifier(&word.value, word.quote_style));
            }
            Token::Word(_) => {
                tokens.next();
            }
            other => result.push_str(&other.to_string()),
        }
    }
    result
}

/// The expression as it is written, also where only Kinesis has it.
fn spelled(expr: &Expr) -> String {
    match expr {
        Expr::Floor {
            expr,
            field: CeilFloorKind::DateTimeField(field),
        } if *field != DateTimeField::NoDateTime => format!("FLOOR({} TO {field})", spelled(expr)),
        Expr::BinaryOp { left, op, right } if matches!(**left, Expr::Function(_)) => {
            format!("{} {op} {}", spelled(left), spelled(right))
        }
        Expr::Function(function) => call::spelled(function).unwrap_or_else(|| expr.to_string()),
        other => other.to_string(),
    }
}

pub(crate) fn boolean(node: Node) -> Compiled {
    if node.value_type.is(|sql_type| sql_type == SqlType::Boolean) {
        return Ok(node);
    }
    let reason = format!(
        "a condition is expected, not a value of type {}",
        node.value_type
    );
    Err(SqlProblem::new(node.at, "an expression", reason))
}

struct Compiler<'c> {
    scope: &'c Scope,
    grouping: &'c mut dyn Grouping,
    depth: usize,
    /// What is wrong with the parts of the expression that were compiled so far.
    problems: Vec<SqlProblem>,
}

impl Compiler<'_> {
    /// An expression; where there is a problem, it is noted, and NULL goes everywhere in its place, so
    /// that further parts are compiled.
    fn expression(&mut self, expr: &Expr) -> Compiled {
        if self.depth > DEEPEST {
            let reason = format!("it is nested more than {DEEPEST} deep");
            return Err(SqlProblem::new(position(expr), "an expression", reason));
        }
        if self.problems.len() >= MOST_PROBLEMS {
            return Ok(null(position(expr)));
        }
        if let Some(column) = self.column(expr) {
            return Ok(column);
        }
        let before = self.problems.len();
        self.depth += 1;
        let compiled = self.usual(expr);
        self.depth -= 1;
        match compiled {
            Ok(node) => Ok(node),
            Err(problem) => Ok(self.without(problem, before, position(expr))),
        }
    }

    /// The expression as a column of the group, if it is one.
    fn column(&mut self, expr: &Expr) -> Option<Node> {
        self.grouping.column(expr).unwrap_or_else(|problems| {
            self.problems.extend(problems);
            Some(null(position(expr)))
        })
    }

    /// Notes a problem of an expression, unless it may follow from one of its parts: from one that
    /// was noted since there were `before`. Returns what goes in the place of the expression.
    fn without(&mut self, problem: SqlProblem, before: usize, at: Position) -> Node {
        if self.problems.len() == before {
            self.problems.push(problem);
        }
        null(at)
    }

    fn usual(&mut self, expr: &Expr) -> Compiled {
        let at = position(expr);
        match expr {
            Expr::Nested(inner) => self.expression(inner),
            Expr::Identifier(name) => self.name(name),
            Expr::CompoundIdentifier(names) => self.qualified(names, at),
            Expr::Value(value) => literal(&value.value, at),
            Expr::TypedString(typed) => time::typed(typed, at),
            Expr::Interval(interval) => time::interval(interval, at),
            Expr::BinaryOp { .. } => self.binary(expr),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr, at),
            Expr::IsNull(inner) => self.is_null(inner, at),
            Expr::IsNotNull(inner) => {
                let is_null = self.is_null(inner, at)?;
                operator::not(is_null)
            }
            Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_) => self.truth(expr, at),
            Expr::InList { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::SimilarTo { .. } => self.predicate(expr, at),
            Expr::Case { .. } => self.case(expr, at),
            _ => self.call(expr, at),
        }
    }

    fn name(&mut self, name: &Ident) -> Compiled {
        let at = name.span.start.into();
        let text = crate::statement::identifier(&name.value, name.quote_style);
        let resolved = self.scope.resolve(&text, at)?;
        let (kind, value_type) = match resolved {
            ResolvedName::Column(index, sql_type) => (NodeKind::Column(index), Type::Sql(sql_type)),
            ResolvedName::RowTime => (NodeKind::RowTime, Type::TIMESTAMP),
            ResolvedName::ArrivalTime => (NodeKind::ArrivalTime, Type::TIMESTAMP),
            ResolvedName::Distinct(node) => return Ok(node.clone().moved_to(at)),
        };
        Ok(Node::leaf(kind, value_type, at))
    }

    fn qualified(&mut self, names: &[Ident], at: Position) -> Compiled {
        let [.., stream, column] = names else {
            return Err(unsupported(at, "this name"));
        };
        let text = crate::statement::identifier(&stream.value, stream.quote_style);
        self.scope
            .check_qualifier(&text, stream.span.start.into())?;
        self.name(column)
    }

    fn is_null(&mut self, inner: &Expr, at: Position) -> Compiled {
        let node = self.expression(inner)?;
        Node::new(NodeKind::IsNull(Box::new(node)), Type::BOOLEAN, at)
    }
}

fn null(at: Position) -> Node {
    Node::leaf(NodeKind::Constant(Value::Null), Type::Null, at)
}

fn unsupported(at: Position, construct: impl Into<String>) -> SqlProblem {
    SqlProblem::new(at, construct, "it is not supported")
}

/// A literal. Integers are as large as they need to be, and texts of their own length.
fn literal(literal: &Literal, at: Position) -> Compiled {
    let (value, value_type) = match literal {
        Literal::Null => (Value::Null, Type::Null),
        Literal::Boolean(boolean) => (Value::Boolean(*boolean), Type::BOOLEAN),
        Literal::SingleQuotedString(text)
        | Literal::UnicodeStringLiteral(text)
        | Literal::NationalStringLiteral(text) => {
            let length = u32::try_from(text.chars().count()).unwrap_or(MOST_CHARACTERS);
            let length = length.clamp(1, MOST_CHARACTERS);
            (
                Value::Text(text.clone()),
                Type::Sql(SqlType::Varchar(length)),
            )
        }
        Literal::Number(text, _) => return number(text, at),
        other => return Err(unsupported(at, format!("the literal {other}"))),
    };
    Ok(Node::leaf(NodeKind::Constant(value), value_type, at))
}

/// `7` is an integer, `7.5` a decimal, `7e5` a float.
fn number(text: &str, at: Position) -> Compiled {
    let too_large = || SqlProblem::new(at, format!("the number {text}"), "it is out of range");
    let constant = |value, sql_type| {
        Ok(Node::leaf(
            NodeKind::Constant(value),
            Type::Sql(sql_type),
            at,
        ))
    };
    if text.contains(['e', 'E']) {
        let float = text
            .parse()
            .ok()
            .and_then(Finite::new)
            .ok_or_else(too_large)?;
        return constant(Value::Float(float), SqlType::Double);
    }
    let scale = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    if scale > usize::from(crate::types::MOST_DIGITS) {
        return Err(too_large());
    }
    let number: Decimal = exact::parse(text, scale as u8).ok_or_else(too_large)?;
    let unscaled = number.unscaled;
    let sql_type = match unscaled {
        _ if scale > 0 => SqlType::Decimal {
            precision: exact::MOST_DIGITS,
            scale: scale as u8,
        },
        whole if i32::try_from(whole).is_ok() => SqlType::Integer,
        whole if i64::try_from(whole).is_ok() => SqlType::BigInt,
        _ => return Err(too_large()),
    };
    constant(Value::Number(number), sql_type)
}
