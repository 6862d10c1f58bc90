//! Functions, CAST, and which calls are aggregates.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, TrimWhereField,
};
use windrow_core::decimal::Decimal;
use windrow_core::value::Value;

use super::{Compiled, Compiler, operator, position, time, unsupported};
use crate::convert;
use crate::dialect::{DIFFERENCE, STEP};
use crate::exact;
use crate::expression::{Arithmetic, Call, Comparison, Node, NodeKind, Type};
use crate::problem::{Position, SqlProblem};
use crate::types::{MOST_CHARACTERS, SqlType};

/// The digits after the point that quotients and averages of exact numbers have at least.
pub(crate) const AVERAGE_PLACES: u8 = 6;

/// AggregateFunction functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateFunction {
    Count,
    Sum,
    Min,
    Max,
    Average,
}

/// A call of an aggregate function; without an argument, it is `COUNT(*)`.
pub(crate) struct AggregateCall<'e> {
    pub(crate) aggregate: AggregateFunction,
    pub(crate) arg: Option<&'e Expr>,
    pub(crate) at: Position,
}

/// The aggregate that an expression calls, if it calls one.
///
/// # Errors
///
/// [`SqlProblem`] if it has an argument too many, or one of another kind.
pub(crate) fn aggregate_of(expr: &Expr) -> Result<Option<AggregateCall<'_>>, SqlProblem> {
    let Expr::Function(function) = expr else {
        return Ok(None);
    };
    let name = name(function);
    let aggregate = match name.as_str() {
        "COUNT" => AggregateFunction::Count,
        "SUM" => AggregateFunction::Sum,
        "MIN" => AggregateFunction::Min,
        "MAX" => AggregateFunction::Max,
        "AVG" => AggregateFunction::Average,
        _ => return Ok(None),
    };
    let at = position(expr);
    check_clauses(function, at)?;
    let arg = match arguments(function).as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]
            if aggregate == AggregateFunction::Count =>
        {
            None
        }
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))] => Some(arg),
        _ => return Err(SqlProblem::new(at, name, "it takes one argument")),
    };
    Ok(Some(AggregateCall { aggregate, arg, at }))
}

/// `STEP(a BY b)` and `(a - b) SECOND`, which the parser knows as functions.
pub(super) fn spelled(function: &Function) -> Option<String> {
    let name = name(function);
    let args = arguments(function);
    let [first, second] = args.as_slice() else {
        return None;
    };
    if name == STEP {
        return Some(format!("STEP({first} BY {second})"));
    }
    let unit = name.strip_prefix(DIFFERENCE)?;
    Some(format!("({first} - {second}) {unit}"))
}

fn name(function: &Function) -> String {
    match function.name.0.as_slice() {
        [.., ObjectNamePart::Identifier(name)] => {
            crate::statement::identifier(&name.value, name.quote_style)
        }
        _ => function.name.to_string(),
    }
}

fn arguments(function: &Function) -> &Vec<FunctionArg> {
    static NONE: Vec<FunctionArg> = Vec::new();
    match &function.args {
        FunctionArguments::List(list) => &list.args,
        _ => &NONE,
    }
}

/// Rejects what may follow a function's arguments.
fn check_clauses(function: &Function, at: Position) -> Result<(), SqlProblem> {
    let has_clauses = match &function.args {
        FunctionArguments::List(list) => {
            !list.clauses.is_empty()
                || matches!(
                    list.duplicate_treatment,
                    Some(sqlparser::ast::DuplicateTreatment::Distinct)
                )
        }
        _ => false,
    };
    let is_plain = !has_clauses
        && function.filter.is_none()
        && function.over.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty();
    if is_plain {
        return Ok(());
    }
    Err(unsupported(at, format!("a clause of {}", name(function))))
}

impl Compiler<'_> {
    /// Calls, also those with a syntax of their own.
    pub(super) fn call(&mut self, expr: &Expr, at: Position) -> Compiled {
        match expr {
            Expr::Function(function) => self.function(function, at),
            Expr::Cast {
                kind: sqlparser::ast::CastKind::Cast,
                expr,
                data_type,
                format: None,
                ..
            } => self.cast(expr, &data_type.to_string(), at),
            Expr::Floor { expr, field } => {
                let node = self.expression(expr)?;
                time::rounded(node, field, false, at)
            }
            Expr::Ceil { expr, field } => {
                let node = self.expression(expr)?;
                time::rounded(node, field, true, at)
            }
            Expr::Extract { field, expr, .. } => {
                let node = self.expression(expr)?;
                time::extract(node, field, at)
            }
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                let Some(from) = substring_from else {
                    return Err(SqlProblem::new(at, "SUBSTRING", "it takes a start"));
                };
                let mut args = vec![&**expr, &**from];
                args.extend(substring_for.as_deref());
                self.text_call(Call::Substring, "SUBSTRING", &args, at)
            }
            Expr::Trim { .. } => self.trim(expr, at),
            Expr::Position { expr, r#in } => {
                self.text_call(Call::Position, "POSITION", &[&**expr, &**r#in], at)
            }
            Expr::Overlay {
                expr,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                let mut args = vec![&**expr, &**overlay_what, &**overlay_from];
                args.extend(overlay_for.as_deref());
                self.text_call(Call::Overlay, "OVERLAY", &args, at)
            }
            other => {
                let text: String = other.to_string().chars().take(60).collect();
                Err(unsupported(at, format!("`{text}`")))
            }
        }
    }

    fn trim(&mut self, expr: &Expr, at: Position) -> Compiled {
        let Expr::Trim {
            expr,
            trim_where,
            trim_what,
            trim_characters: None,
        } = expr
        else {
            return Err(unsupported(at, "this form of TRIM"));
        };
        let text = self.expression(expr)?;
        let what = match trim_what {
            Some(what) => self.expression(what)?,
            None => {
                let blank = NodeKind::Constant(Value::Text(" ".to_owned()));
                Node::leaf(blank, Type::Sql(SqlType::Varchar(1)), at)
            }
        };
        let call = Call::Trim {
            leading: !matches!(trim_where, Some(TrimWhereField::Trailing)),
            trailing: !matches!(trim_where, Some(TrimWhereField::Leading)),
        };
        texts("TRIM", call, vec![text, what], at)
    }

    fn text_call(&mut self, call: Call, name: &str, args: &[&Expr], at: Position) -> Compiled {
        let mut nodes = Vec::with_capacity(args.len());
        for arg in args {
            nodes.push(self.expression(arg)?);
        }
        texts(name, call, nodes, at)
    }

    fn cast(&mut self, expr: &Expr, to: &str, at: Position) -> Compiled {
        let mut node = self.expression(expr)?;
        let to: SqlType = to
            .parse()
            .map_err(|error| SqlProblem::new(at, "CAST", format!("{error}")))?;
        if let Type::Interval(unit) = node.value_type {
            node = units(node, unit)?;
        }
        if !convert::can_cast(node.value_type, to) {
            let reason = format!("a value of type {} cannot become {to}", node.value_type);
            return Err(SqlProblem::new(at, "CAST", reason));
        }
        if node.value_type == Type::Sql(to) {
            return Ok(node);
        }
        Node::new(NodeKind::Convert(Box::new(node)), Type::Sql(to), at)
    }

    fn function(&mut self, function: &Function, at: Position) -> Compiled {
        let name = name(function);
        check_clauses(function, at)?;
        if let Ok(Some(_)) = aggregate_of(&Expr::Function(function.clone())) {
            let reason = "an aggregate cannot stand here: only in the SELECT list, HAVING and ORDER BY of a SELECT with GROUP BY, and not in another aggregate";
            return Err(SqlProblem::new(at, name, reason));
        }
        check_name(&name, at)?;
        let mut args = Vec::new();
        for arg in arguments(function) {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => {
                    args.push(self.expression(arg)?);
                }
                _ => return Err(unsupported(at, format!("this argument of {name}"))),
            }
        }
        if let Some(unit) = name.strip_prefix(DIFFERENCE) {
            return time::difference(args, unit, at);
        }
        if name == STEP {
            return time::step(args, at);
        }
        function_of(&name, args, at)
    }
}

/// An interval as the number of its whole units.
fn units(node: Node, unit: i64) -> Compiled {
    let at = node.at;
    let unit = Value::Number(Decimal {
        unscaled: unit.into(),
        scale: 0,
    });
    let unit = Node::leaf(NodeKind::Constant(unit), Type::BIGINT, at);
    let pair = Box::new([node, unit]);
    Node::new(
        NodeKind::Arithmetic(Arithmetic::Divide, pair),
        Type::BIGINT,
        at,
    )
}

/// Rejects functions by their name, before their arguments are looked at.
fn check_name(name: &str, at: Position) -> Result<(), SqlProblem> {
    const KNOWN: [&str; 22] = [
        "ABS",
        "CHARACTER_LENGTH",
        "CHAR_LENGTH",
        "COALESCE",
        "DATE_TO_CHAR",
        "EXP",
        "INITCAP",
        "LN",
        "LOG10",
        "LOWER",
        "MOD",
        "NULLIF",
        "POWER",
        "SIGN",
        "SQRT",
        STEP,
        "TIMESTAMP_TO_CHAR",
        "TIME_TO_CHAR",
        "TO_TIMESTAMP",
        "TSDIFF",
        "UNIX_TIMESTAMP",
        "UPPER",
    ];
    const CLOCKS: [&str; 7] = [
        "CURRENT_DATE",
        "CURRENT_ROW_TIMESTAMP",
        "CURRENT_TIME",
        "CURRENT_TIMESTAMP",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "NOW",
    ];
    if KNOWN.contains(&name) || name.starts_with(DIFFERENCE) {
        return Ok(());
    }
    if CLOCKS.contains(&name) {
        let reason = "it reads a clock, so a row could not be computed again";
        return Err(SqlProblem::new(at, name, reason).rewrite("use ROWTIME"));
    }
    Err(unsupported(at, format!("function {name}")))
}

fn function_of(name: &str, args: Vec<Node>, at: Position) -> Compiled {
    let (call, count) = match name {
        "UPPER" => (Call::Upper, 1),
        "LOWER" => (Call::Lower, 1),
        "INITCAP" => (Call::InitCap, 1),
        "CHAR_LENGTH" | "CHARACTER_LENGTH" => (Call::CharLength, 1),
        "ABS" => (Call::Absolute, 1),
        "SIGN" => (Call::Sign, 1),
        "POWER" => (Call::Power, 2),
        "SQRT" => (Call::SquareRoot, 1),
        "EXP" => (Call::Exponential, 1),
        "LN" => (Call::Logarithm, 1),
        "LOG10" => (Call::Logarithm10, 1),
        "MOD" => {
            return two(name, args, at, |left, right| {
                operator::arithmetic(Arithmetic::Modulo, left, right)
            });
        }
        "NULLIF" => return two(name, args, at, null_if),
        "TSDIFF" => {
            return two(name, args, at, |start, end| {
                time::millis_between(end, start)
            });
        }
        "DATE_TO_CHAR" | "TIMESTAMP_TO_CHAR" | "TIME_TO_CHAR" => {
            return two(name, args, at, |pattern, time| {
                time::to_char(name, &pattern, time, at)
            });
        }
        "COALESCE" => return coalesce(args, at),
        "UNIX_TIMESTAMP" => (Call::UnixTimestamp, 1),
        "TO_TIMESTAMP" => (Call::ToTimestamp, 1),
        _ => return Err(unsupported(at, format!("function {name}"))),
    };
    if args.len() != count {
        let plural = if count == 1 { "argument" } else { "arguments" };
        let reason = format!("it takes {count} {plural}");
        return Err(SqlProblem::new(at, name, reason));
    }
    match call {
        Call::Upper | Call::Lower | Call::InitCap | Call::CharLength => texts(name, call, args, at),
        Call::UnixTimestamp => {
            check(name, &args[0], Type::is_moment)?;
            Node::new(NodeKind::Call(call, args), Type::BIGINT, at)
        }
        Call::ToTimestamp => {
            check(name, &args[0], |arg| arg.is(SqlType::is_integer))?;
            Node::new(NodeKind::Call(call, args), Type::TIMESTAMP, at)
        }
        _ => numbers(name, call, args, at),
    }
}

fn two(
    name: &str,
    args: Vec<Node>,
    at: Position,
    build: impl FnOnce(Node, Node) -> Compiled,
) -> Compiled {
    let Ok([first, second]) = <[Node; 2]>::try_from(args) else {
        return Err(SqlProblem::new(at, name, "it takes 2 arguments"));
    };
    build(first, second)
}

/// Checks an argument's type.
pub(super) fn check(
    name: &str,
    arg: &Node,
    is_valid: impl Fn(Type) -> bool,
) -> Result<(), SqlProblem> {
    if is_valid(arg.value_type) {
        return Ok(());
    }
    let reason = format!("it does not take a value of type {}", arg.value_type);
    Err(SqlProblem::new(arg.at, name, reason).rewrite("convert with CAST"))
}

fn null_if(left: Node, right: Node) -> Compiled {
    // The check is that of a comparison.
    operator::compare(Comparison::Equal, left.clone(), right.clone())?;
    let (value_type, at) = (left.value_type, left.at);
    Node::new(
        NodeKind::Call(Call::NullIf, vec![left, right]),
        value_type,
        at,
    )
}

fn coalesce(args: Vec<Node>, at: Position) -> Compiled {
    let mut value_type = Type::Null;
    for arg in &args {
        value_type = operator::unify(value_type, arg)?;
    }
    let args: Result<Vec<Node>, SqlProblem> = args
        .into_iter()
        .map(|arg| operator::coerce(arg, value_type))
        .collect();
    Node::new(NodeKind::Call(Call::Coalesce, args?), value_type, at)
}

/// A function of texts. The start and length of a part of a text are numbers.
fn texts(name: &str, call: Call, args: Vec<Node>, at: Position) -> Compiled {
    let texts = match call {
        Call::Substring => 1,
        _ => args.len().min(2),
    };
    for (index, arg) in args.iter().enumerate() {
        let is_text = index < texts;
        check(name, arg, |arg| {
            arg.is(if is_text {
                SqlType::is_text
            } else {
                SqlType::is_exact
            })
        })?;
    }
    let length = |node: &Node| match node.value_type {
        Type::Sql(SqlType::Varchar(length) | SqlType::Char(length)) => length,
        _ => 1,
    };
    let sql_type = match call {
        Call::CharLength | Call::Position => SqlType::Integer,
        Call::Overlay => SqlType::Varchar(
            length(&args[0])
                .saturating_add(length(&args[1]))
                .min(MOST_CHARACTERS),
        ),
        // A letter may have an upper case of three.
        Call::Upper | Call::Lower | Call::InitCap => {
            SqlType::Varchar(length(&args[0]).saturating_mul(3).min(MOST_CHARACTERS))
        }
        _ => SqlType::Varchar(length(&args[0])),
    };
    Node::new(NodeKind::Call(call, args), Type::Sql(sql_type), at)
}

/// A function of numbers.
pub(super) fn numbers(name: &str, call: Call, args: Vec<Node>, at: Position) -> Compiled {
    for arg in &args {
        check(name, arg, |arg| arg.is(SqlType::is_number))?;
    }
    let arg = args.first().map_or(Type::Null, |arg| arg.value_type);
    let value_type = match (call, arg) {
        (Call::Absolute, Type::Sql(sql_type)) if sql_type.is_integer() => Type::BIGINT,
        (Call::Absolute, _) => arg,
        (Call::Ceiling | Call::Floor | Call::Sign, Type::Sql(sql_type)) if sql_type.is_exact() => {
            if sql_type.is_integer() {
                arg
            } else {
                Type::Sql(SqlType::Decimal {
                    precision: exact::MOST_DIGITS,
                    scale: 0,
                })
            }
        }
        (Call::Ceiling | Call::Floor | Call::Sign, _) => arg,
        _ => Type::DOUBLE,
    };
    Node::new(NodeKind::Call(call, args), value_type, at)
}
