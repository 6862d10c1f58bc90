//! Operators, predicates and CASE.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, ValueWithSpan};
use windrow_core::value::Value;

use super::{Compiled, Compiler, boolean, position, unsupported};
use crate::exact;
use crate::expression::{Arithmetic, Call, Comparison, Node, NodeKind, Type};
use crate::pattern::Pattern;
use crate::problem::{Position, SqlProblem};
use crate::types::{MOST_CHARACTERS, MOST_DIGITS, SqlType};

/// The opposite of a condition.
pub(super) fn not(node: Node) -> Compiled {
    let node = boolean(node)?;
    let at = node.at;
    Node::new(NodeKind::Not(Box::new(node)), Type::BOOLEAN, at)
}

impl Compiler<'_> {
    /// A chain such as `a + b - c` is a deep tree in the parser, so it is taken apart in a loop.
    pub(super) fn binary(&mut self, expr: &Expr) -> Compiled {
        let mut first = expr;
        let mut rest = Vec::new();
        // From here on, problems are those of what is combined: others follow from them.
        let mut before = self.problems.len();
        let mut node = None;
        while let Expr::BinaryOp { left, op, right } = first {
            rest.push((op, right));
            first = left;
            node = self.column(first);
            if node.is_some() {
                break;
            }
        }
        let mut node = match node {
            Some(node) => node,
            None => self.expression(first)?,
        };
        for (operator, right) in rest.into_iter().rev() {
            let right = self.expression(right)?;
            // Whatever is wrong with a part of it, a condition is a condition.
            if matches!(operator, BinaryOperator::And | BinaryOperator::Or) {
                before = self.problems.len();
            }
            let at = node.at;
            node = match combine(operator, node, right) {
                Ok(node) => node,
                Err(problem) => self.without(problem, before, at),
            };
        }
        Ok(node)
    }

    pub(super) fn unary(&mut self, operator: UnaryOperator, expr: &Expr, at: Position) -> Compiled {
        let node = self.expression(expr)?;
        match operator {
            UnaryOperator::Not => not(node),
            UnaryOperator::Plus | UnaryOperator::Minus => {
                let value_type = match node.value_type {
                    Type::Sql(sql_type) if sql_type.is_integer() => Type::BIGINT,
                    Type::Interval(unit) => Type::Interval(unit),
                    other if other.is(SqlType::is_number) => other,
                    other => return Err(mismatch(at, &operator.to_string(), &[other])),
                };
                match operator {
                    UnaryOperator::Plus => Ok(node),
                    _ => Node::new(NodeKind::Negate(Box::new(node)), value_type, at),
                }
            }
            other => Err(unsupported(at, format!("operator {other}"))),
        }
    }

    /// `IS [NOT] TRUE`, `FALSE` and `UNKNOWN`.
    pub(super) fn truth(&mut self, expr: &Expr, at: Position) -> Compiled {
        let (inner, expected, is_not) = match expr {
            Expr::IsTrue(inner) => (inner, Some(true), false),
            Expr::IsNotTrue(inner) => (inner, Some(true), true),
            Expr::IsFalse(inner) => (inner, Some(false), false),
            Expr::IsNotFalse(inner) => (inner, Some(false), true),
            Expr::IsUnknown(inner) => (inner, None, false),
            Expr::IsNotUnknown(inner) => (inner, None, true),
            other => return Err(unsupported(at, other.to_string())),
        };
        let condition = Box::new(boolean(self.expression(inner)?)?);
        let kind = match expected {
            Some(expected) => NodeKind::Is(expected, condition),
            None => NodeKind::IsNull(condition),
        };
        let node = Node::new(kind, Type::BOOLEAN, at)?;
        if is_not { not(node) } else { Ok(node) }
    }

    /// `IN`, `BETWEEN`, `LIKE` and `SIMILAR TO`.
    pub(super) fn predicate(&mut self, expr: &Expr, at: Position) -> Compiled {
        let (node, is_not) = match expr {
            Expr::InList {
                expr,
                list,
                negated,
            } => (self.in_list(expr, list, at)?, *negated),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let value = self.expression(expr)?;
                let low = self.expression(low)?;
                let high = self.expression(high)?;
                let parts = vec![
                    compare(Comparison::GreaterOrEqual, value.clone(), low)?,
                    compare(Comparison::LessOrEqual, value, high)?,
                ];
                (
                    Node::new(NodeKind::And(parts), Type::BOOLEAN, at)?,
                    *negated,
                )
            }
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => {
                let node = self.matches(expr, pattern, escape_char.as_ref(), Pattern::like)?;
                (node, *negated)
            }
            Expr::SimilarTo {
                negated,
                expr,
                pattern,
                escape_char,
            } => {
                let node = self.matches(expr, pattern, escape_char.as_ref(), Pattern::similar)?;
                (node, *negated)
            }
            other => return Err(unsupported(at, other.to_string())),
        };
        if is_not { not(node) } else { Ok(node) }
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], at: Position) -> Compiled {
        let value = self.expression(expr)?;
        let mut parts = Vec::with_capacity(list.len());
        for item in list {
            let item = self.expression(item)?;
            parts.push(compare(Comparison::Equal, value.clone(), item)?);
        }
        Node::new(NodeKind::Or(parts), Type::BOOLEAN, at)
    }

    fn matches(
        &mut self,
        expr: &Expr,
        pattern: &Expr,
        escape: Option<&ValueWithSpan>,
        parse: impl Fn(&str, Option<char>) -> Result<Pattern, String>,
    ) -> Compiled {
        let text = self.expression(expr)?;
        let at = position(pattern);
        let pattern = self.expression(pattern)?;
        let NodeKind::Constant(Value::Text(pattern)) = pattern.kind else {
            let reason = "it is not a literal, and only literals are supported";
            return Err(SqlProblem::new(at, "a pattern", reason));
        };
        if !text.value_type.is(SqlType::is_text) {
            return Err(mismatch(text.at, "LIKE", &[text.value_type]));
        }
        let escape = match escape.map(|escape| escape.value.clone().into_string()) {
            None => None,
            Some(escape) => {
                let escape = escape.unwrap_or_default();
                let mut characters = escape.chars();
                let (Some(character), None) = (characters.next(), characters.next()) else {
                    let reason = "it is not exactly one character";
                    return Err(SqlProblem::new(at, "ESCAPE", reason));
                };
                Some(character)
            }
        };
        let compiled = parse(&pattern, escape)
            .map_err(|reason| SqlProblem::new(at, format!("the pattern '{pattern}'"), reason))?;
        let position = text.at;
        Node::new(
            NodeKind::Matches(Box::new([text]), compiled),
            Type::BOOLEAN,
            position,
        )
    }

    pub(super) fn case(&mut self, expr: &Expr, at: Position) -> Compiled {
        let Expr::Case {
            operand,
            conditions,
            else_result,
            ..
        } = expr
        else {
            return Err(unsupported(at, expr.to_string()));
        };
        let operand = match operand {
            Some(operand) => Some(self.expression(operand)?),
            None => None,
        };
        let mut branches = Vec::with_capacity(conditions.len());
        let mut value_type = Type::Null;
        for when in conditions {
            let condition = self.expression(&when.condition)?;
            let condition = match &operand {
                Some(operand) => compare(Comparison::Equal, operand.clone(), condition)?,
                None => boolean(condition)?,
            };
            let result = self.expression(&when.result)?;
            value_type = unify(value_type, &result)?;
            branches.push([condition, result]);
        }
        let otherwise = match else_result {
            Some(otherwise) => self.expression(otherwise)?,
            None => Node::leaf(NodeKind::Constant(Value::Null), Type::Null, at),
        };
        value_type = unify(value_type, &otherwise)?;
        let mut converted = Vec::with_capacity(branches.len());
        for [condition, result] in branches {
            converted.push([condition, coerce(result, value_type)?]);
        }
        let otherwise = Box::new(coerce(otherwise, value_type)?);
        Node::new(NodeKind::Case(converted, otherwise), value_type, at)
    }
}

/// Values that do not go together.
pub(super) fn mismatch(at: Position, operator: &str, types: &[Type]) -> SqlProblem {
    let types: Vec<String> = types.iter().map(Type::to_string).collect();
    let reason = format!("it does not take {}", types.join(" and "));
    SqlProblem::new(at, format!("operator {operator}"), reason).rewrite("convert with CAST")
}

fn combine(operator: &BinaryOperator, left: Node, right: Node) -> Compiled {
    let comparison = match operator {
        BinaryOperator::And | BinaryOperator::Or => return logical(operator, left, right),
        BinaryOperator::Plus => return arithmetic(Arithmetic::Add, left, right),
        BinaryOperator::Minus => return arithmetic(Arithmetic::Subtract, left, right),
        BinaryOperator::Multiply => return arithmetic(Arithmetic::Multiply, left, right),
        BinaryOperator::Divide => return arithmetic(Arithmetic::Divide, left, right),
        BinaryOperator::Modulo => return arithmetic(Arithmetic::Modulo, left, right),
        BinaryOperator::StringConcat => return concat(left, right),
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        other => return Err(unsupported(left.at, format!("operator {other}"))),
    };
    compare(comparison, left, right)
}

/// `AND` and `OR`. Chains become one list.
fn logical(operator: &BinaryOperator, left: Node, right: Node) -> Compiled {
    let (left, right) = (boolean(left)?, boolean(right)?);
    let at = left.at;
    let is_and = *operator == BinaryOperator::And;
    let mut parts = match left.kind {
        NodeKind::And(parts) if is_and => parts,
        NodeKind::Or(parts) if !is_and => parts,
        _ => vec![left],
    };
    parts.push(right);
    let kind = if is_and {
        NodeKind::And(parts)
    } else {
        NodeKind::Or(parts)
    };
    Node::new(kind, Type::BOOLEAN, at)
}

fn concat(left: Node, right: Node) -> Compiled {
    let length = |value_type: Type| match value_type {
        Type::Sql(SqlType::Varchar(length) | SqlType::Char(length)) => Some(length),
        Type::Null => Some(0),
        _ => None,
    };
    let at = left.at;
    let types = [left.value_type, right.value_type];
    let [Some(first), Some(second)] = types.map(length) else {
        return Err(mismatch(at, "||", &types));
    };
    let length = first.saturating_add(second).clamp(1, MOST_CHARACTERS);
    let value_type = Type::Sql(SqlType::Varchar(length));
    Node::new(
        NodeKind::Call(Call::Concat, vec![left, right]),
        value_type,
        at,
    )
}

/// A comparison of values that can be compared.
pub(super) fn compare(comparison: Comparison, left: Node, right: Node) -> Compiled {
    let is = |kind: fn(SqlType) -> bool| left.value_type.is(kind) && right.value_type.is(kind);
    let both_intervals = matches!(
        (left.value_type, right.value_type),
        (Type::Interval(_), Type::Interval(_))
    );
    let are_days = is(|sql_type| matches!(sql_type, SqlType::Date | SqlType::Timestamp));
    let can_be = is(SqlType::is_number)
        || is(SqlType::is_text)
        || are_days
        || is(|sql_type| sql_type == SqlType::Time)
        || is(|sql_type| sql_type == SqlType::Boolean)
        || both_intervals;
    let at = left.at;
    if !can_be {
        let symbol = match comparison {
            Comparison::Equal => "=",
            Comparison::NotEqual => "<>",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        };
        return Err(mismatch(at, symbol, &[left.value_type, right.value_type]));
    }
    let is_char = |node: &Node| matches!(node.value_type, Type::Sql(SqlType::Char(_)));
    let is_padded = is_char(&left) || is_char(&right);
    let kind = NodeKind::Compare(comparison, is_padded, Box::new([left, right]));
    Node::new(kind, Type::BOOLEAN, at)
}

/// Arithmetic of numbers, intervals and times.
///
/// Integers give BIGINT, and their division is cut. Decimals keep the digits that they need, up to
/// 18 after the point; quotients have at least 6. With a float, the result is one.
pub(super) fn arithmetic(operator: Arithmetic, left: Node, right: Node) -> Compiled {
    let at = left.at;
    let types = [left.value_type, right.value_type];
    let is_additive = matches!(operator, Arithmetic::Add | Arithmetic::Subtract);
    let pair = |left, right| Box::new([left, right]);
    let value_type = match types {
        [Type::Interval(unit), Type::Interval(_)] if is_additive => Type::Interval(unit),
        [Type::Interval(unit), other]
            if other.is(SqlType::is_number)
                && matches!(operator, Arithmetic::Multiply | Arithmetic::Divide) =>
        {
            Type::Interval(unit)
        }
        [other, Type::Interval(unit)]
            if other.is(SqlType::is_number) && operator == Arithmetic::Multiply =>
        {
            Type::Interval(unit)
        }
        [time, Type::Interval(_)] if is_additive && time.is_moment() => {
            let sign = if operator == Arithmetic::Add { 1 } else { -1 };
            let value_type = if time == Type::Null {
                Type::TIMESTAMP
            } else {
                time
            };
            return Node::new(NodeKind::Shift(sign, pair(left, right)), value_type, at);
        }
        [Type::Interval(_), time] if operator == Arithmetic::Add && time.is_moment() => {
            return Node::new(NodeKind::Shift(1, pair(right, left)), time, at);
        }
        [first, second] if first.is(SqlType::is_number) && second.is(SqlType::is_number) => {
            Type::Sql(number_type(operator, first, second))
        }
        [first, second] if first.is_moment() && second.is_moment() => {
            let reason = "the unit of the difference is missing";
            let problem = SqlProblem::new(at, "operator -", reason);
            return Err(problem.rewrite("write (a - b) SECOND"));
        }
        _ => return Err(mismatch(at, symbol(operator), &types)),
    };
    Node::new(
        NodeKind::Arithmetic(operator, pair(left, right)),
        value_type,
        at,
    )
}

fn symbol(operator: Arithmetic) -> &'static str {
    match operator {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
        Arithmetic::Modulo => "MOD",
    }
}

fn number_type(operator: Arithmetic, left: Type, right: Type) -> SqlType {
    if left.is_float() || right.is_float() {
        return SqlType::Double;
    }
    let is_decimal = |value_type: Type| matches!(value_type, Type::Sql(SqlType::Decimal { .. }));
    if !is_decimal(left) && !is_decimal(right) {
        return SqlType::BigInt;
    }
    let scale = |value_type: Type| value_type.sql().map_or(0, SqlType::scale);
    let (left, right) = (scale(left), scale(right));
    let scale = match operator {
        Arithmetic::Multiply => left.saturating_add(right),
        Arithmetic::Divide => left.max(right).max(super::call::AVERAGE_PLACES),
        _ => left.max(right),
    };
    SqlType::Decimal {
        precision: exact::MOST_DIGITS,
        scale: scale.min(MOST_DIGITS),
    }
}

/// The type that has the values of both.
pub(super) fn unify(first: Type, node: &Node) -> Result<Type, SqlProblem> {
    let second = node.value_type;
    let both = |kind: fn(SqlType) -> bool| first.is(kind) && second.is(kind);
    Ok(match (first, second) {
        (Type::Null, other) | (other, Type::Null) => other,
        (Type::Interval(unit), Type::Interval(_)) => Type::Interval(unit),
        (Type::Sql(left), Type::Sql(right)) if left == right => first,
        (
            Type::Sql(SqlType::Varchar(left) | SqlType::Char(left)),
            Type::Sql(SqlType::Varchar(right) | SqlType::Char(right)),
        ) => Type::Sql(SqlType::Varchar(left.max(right))),
        _ if both(SqlType::is_integer) => Type::BIGINT,
        _ if both(SqlType::is_number) => Type::Sql(number_type(Arithmetic::Add, first, second)),
        _ if both(|sql_type| matches!(sql_type, SqlType::Date | SqlType::Timestamp)) => {
            Type::TIMESTAMP
        }
        _ => {
            let reason = format!("its results are of type {first} and {second}");
            let problem = SqlProblem::new(node.at, "CASE", reason);
            return Err(problem.rewrite("convert with CAST"));
        }
    })
}

/// A value as one of the type that it is unified to.
pub(super) fn coerce(node: Node, value_type: Type) -> Compiled {
    let is_text = |value_type: Type| value_type.sql().is_some_and(SqlType::is_text);
    if node.value_type == value_type
        || node.value_type == Type::Null
        || value_type.sql().is_none()
        || is_text(value_type)
    {
        return Ok(node);
    }
    let at = node.at;
    Node::new(NodeKind::Convert(Box::new(node)), value_type, at)
}
