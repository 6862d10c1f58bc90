//! The expressions of Kinesis SQL that other dialects do not have.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName,
};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

/// `STEP(x BY y)`, as the parser passes it on.
pub(crate) const STEP: &str = "STEP";

/// What precedes the unit in the name of the function that `(a - b) SECOND` becomes.
pub(crate) const DIFFERENCE: &str = "INTERVAL IN ";

/// Quoted identifiers are in double quotes; the rest is standard SQL.
#[derive(Debug)]
pub(crate) struct KinesisDialect;

/// Units of time that may follow a difference of two times.
const UNITS: [Keyword; 6] = [
    Keyword::SECOND,
    Keyword::MINUTE,
    Keyword::HOUR,
    Keyword::DAY,
    Keyword::MONTH,
    Keyword::YEAR,
];

impl Dialect for KinesisDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    /// `CURSOR(SELECT ...)`.
    fn supports_subquery_as_function_arg(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    /// The parser does not try these as names once they fail as what they are. Trying both takes
    /// exponential time in nested calls.
    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        const RESERVED: [Keyword; 18] = [
            Keyword::CASE,
            Keyword::CAST,
            Keyword::CEIL,
            Keyword::CONVERT,
            Keyword::EXISTS,
            Keyword::EXTRACT,
            Keyword::FLOOR,
            Keyword::INTERVAL,
            Keyword::NOT,
            Keyword::OVERLAY,
            Keyword::POSITION,
            Keyword::SAFE_CAST,
            Keyword::STRUCT,
            Keyword::SUBSTR,
            Keyword::SUBSTRING,
            Keyword::TRIM,
            Keyword::TRY_CAST,
            Keyword::ARRAY,
        ];
        RESERVED.contains(&keyword)
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let Token::Word(word) = &parser.peek_token_ref().token else {
            return None;
        };
        if word.quote_style.is_some() {
            return None;
        }
        let next = &parser.peek_nth_token_ref(1).token;
        if word.keyword == Keyword::INTERVAL {
            let is_literal = matches!(next, Token::SingleQuotedString(_) | Token::Number(..));
            return Some(interval(parser, is_literal));
        }
        if *next != Token::LParen {
            return None;
        }
        match word.value.to_ascii_uppercase().as_str() {
            "STEP" => Some(step(parser)),
            "POSITION" => Some(position(self, parser)),
            // The standard's other name for `CEIL`.
            "CEILING" => {
                parser.next_token();
                Some(parser.parse_ceil_floor_expr(true))
            }
            _ => None,
        }
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        if parser.get_current_token().token != Token::RParen {
            return None;
        }
        let Token::Word(word) = &parser.peek_token_ref().token else {
            return None;
        };
        let is_unit = word.quote_style.is_none() && UNITS.contains(&word.keyword);
        (is_unit && !ends_call(parser)).then(|| Ok(self.prec_value(Precedence::DoubleColon)))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        let Token::Word(word) = &parser.peek_token_ref().token else {
            return None;
        };
        if word.quote_style.is_some() || !UNITS.contains(&word.keyword) {
            return None;
        }
        let token = parser.next_token();
        // `DAY TO SECOND` and the precision of `SECOND(3)` do not change the difference.
        let precision = parser.parse_optional_precision();
        let name = format!("{DIFFERENCE}{}", token.token.to_string().to_uppercase());
        let call = call(&name, token.span, sides(expr));
        Some(precision.map(|_| call))
    }
}

/// The two sides of a difference in parentheses, or the expression if it is another one.
fn sides(mut expr: &Expr) -> Vec<Expr> {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    match expr {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Minus,
            right,
        } => vec![(**left).clone(), (**right).clone()],
        other => vec![other.clone()],
    }
}

/// Whether the closing parenthesis that was read last ends a call, after which a unit is an alias.
fn ends_call(parser: &Parser<'_>) -> bool {
    const BEFORE: [Keyword; 15] = [
        Keyword::SELECT,
        Keyword::WHERE,
        Keyword::HAVING,
        Keyword::BY,
        Keyword::AND,
        Keyword::OR,
        Keyword::NOT,
        Keyword::CASE,
        Keyword::WHEN,
        Keyword::THEN,
        Keyword::ELSE,
        Keyword::BETWEEN,
        Keyword::LIKE,
        Keyword::TO,
        Keyword::FROM,
    ];
    let mut depth = 0_usize;
    for index in (0..=parser.get_current_index()).rev() {
        match &parser.token_at(index).token {
            Token::RParen => depth += 1,
            Token::LParen if depth > 1 => depth -= 1,
            Token::LParen => {
                let before = index.checked_sub(1).map(|index| parser.token_at(index));
                return match before.map(|before| &before.token) {
                    Some(Token::Word(word)) => !BEFORE.contains(&word.keyword),
                    _ => false,
                };
            }
            _ => {}
        }
    }
    false
}

/// `STEP(x BY y)`.
fn step(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let name = parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let value = parser.parse_expr()?;
    parser.expect_keyword(Keyword::BY)?;
    let by = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(call(STEP, name.span, vec![value, by]))
}

/// `INTERVAL '10' SECOND`. Only literals: the parser would try other expressions twice, and the
/// intervals in them twice again.
fn interval(parser: &mut Parser<'_>, is_literal: bool) -> Result<Expr, ParserError> {
    parser.next_token();
    if !is_literal {
        return parser.expected_ref("a text after INTERVAL", parser.peek_token_ref());
    }
    parser.parse_interval()
}

/// `POSITION(a IN b)`.
fn position(dialect: &KinesisDialect, parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let expr = parser.parse_subexpr(dialect.prec_value(Precedence::Between))?;
    parser.expect_keyword(Keyword::IN)?;
    let text = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Position {
        expr: Box::new(expr),
        r#in: Box::new(text),
    })
}

fn call(name: &str, span: Span, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(FunctionArgExpr::Expr);
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::with_span(span, name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.map(FunctionArg::Unnamed).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
