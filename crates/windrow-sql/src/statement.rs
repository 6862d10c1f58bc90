//! The statements of a text: streams and pumps.

use sqlparser::ast::Query;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use crate::dialect::KinesisDialect;
use crate::problem::{Position, SqlProblem};
use crate::scan::{self, is_word};
use crate::types::SqlType;

/// The longest text in bytes. AWS allowed 100 KB.
pub(crate) const LONGEST_TEXT: usize = 256 * 1024;

/// How deep expressions may be nested.
pub(crate) const DEEPEST: usize = 50;

/// `CREATE STREAM`.
#[derive(Debug)]
pub(crate) struct StreamStatement {
    pub(crate) name: String,
    pub(crate) at: Position,
    pub(crate) columns: Vec<(String, SqlType)>,
}

/// `CREATE PUMP`.
#[derive(Debug)]
pub(crate) struct PumpStatement {
    pub(crate) name: String,
    pub(crate) at: Position,
    /// The stream that it inserts into.
    pub(crate) target: Name,
    /// The columns that it inserts into; all of the stream if there is no list.
    pub(crate) columns: Option<Vec<Name>>,
    pub(crate) query: Box<Query>,
}

/// A name and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) at: Position,
}

/// What a text consists of.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    pub(crate) streams: Vec<StreamStatement>,
    pub(crate) pumps: Vec<PumpStatement>,
    pub(crate) problems: Vec<SqlProblem>,
}

/// Parses the statements of a text. Those with problems are left out.
pub(crate) fn parse(text: &str) -> Statements {
    let mut statements = Statements::default();
    let tokens = match tokens(text) {
        Ok(tokens) => tokens,
        Err(problem) => {
            statements.problems.push(problem);
            return statements;
        }
    };
    for statement in tokens.split(|token| token.token == Token::SemiColon) {
        if !statement.is_empty()
            && let Err(problems) = (Cursor { rest: statement }).statement(&mut statements)
        {
            let start = name_position(statement);
            let problems = problems.into_iter().map(|problem| problem.or_at(start));
            statements.problems.extend(problems);
        }
    }
    statements
}

/// The tokens of a text, without spaces and comments.
fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, SqlProblem> {
    let start = Position { line: 1, column: 1 };
    if text.len() > LONGEST_TEXT {
        let reason = format!("it has {} bytes, more than {LONGEST_TEXT}", text.len());
        return Err(SqlProblem::new(start, "the text", reason));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut tokens = Vec::new();
    let read = Tokenizer::new(&KinesisDialect, text).tokenize_with_location_into_buf(&mut tokens);
    if let Err(error) = read {
        let reason = error.message;
        return Err(SqlProblem::new(error.location, "the text", reason));
    }
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    Ok(tokens)
}

/// A name as it is looked up: quoted names as they are, others in upper case.
pub(crate) fn identifier(value: &str, quote: Option<char>) -> String {
    match quote {
        Some(_) => value.to_owned(),
        None => value.to_uppercase(),
    }
}

/// The tokens of a statement that are not yet read.
struct Cursor<'t> {
    rest: &'t [TokenWithSpan],
}

impl<'t> Cursor<'t> {
    fn statement(&mut self, into: &mut Statements) -> Result<(), Vec<SqlProblem>> {
        let all = self.rest;
        if !self.keyword("CREATE") {
            return Err(vec![unsupported_statement(all)]);
        }
        if self.keyword("OR") && !self.keyword("REPLACE") {
            return Err(vec![self.expected("REPLACE")]);
        }
        if self.keyword("STREAM") {
            into.streams.push(self.stream()?);
            return Ok(());
        }
        if self.keyword("PUMP") {
            into.pumps.push(self.pump()?);
            return Ok(());
        }
        Err(vec![unsupported_statement(all)])
    }

    fn position(&self) -> Position {
        let token = self.rest.first();
        token.map_or_else(Position::default, |token| token.span.start.into())
    }

    fn next(&mut self) -> Option<&'t TokenWithSpan> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let is_next = self
            .rest
            .first()
            .is_some_and(|token| is_word(token, keyword));
        if is_next {
            self.next();
        }
        is_next
    }

    fn token(&mut self, token: &Token) -> bool {
        let is_next = self.rest.first().is_some_and(|next| next.token == *token);
        if is_next {
            self.next();
        }
        is_next
    }

    fn expected(&self, what: &str) -> SqlProblem {
        match self.rest.first() {
            Some(token) => {
                let reason = format!("{what} is expected here");
                SqlProblem::new(self.position(), format!("`{}`", token.token), reason)
            }
            None => SqlProblem::new(
                self.position(),
                "the end of a statement",
                format!("{what} is expected before it"),
            ),
        }
    }

    fn name(&mut self) -> Result<Name, SqlProblem> {
        let at = self.position();
        let Some(Token::Word(word)) = self.rest.first().map(|token| &token.token) else {
            return Err(self.expected("a name"));
        };
        self.next();
        let name = identifier(&word.value, word.quote_style);
        // `"schema"."name"`: the name counts.
        if self.token(&Token::Period) {
            return self.name();
        }
        Ok(Name { text: name, at })
    }

    /// `"name" (column type, ...)`.
    fn stream(&mut self) -> Result<StreamStatement, Vec<SqlProblem>> {
        let name = self.name().map_err(at_end(name_position(self.rest)))?;
        let mut columns: Vec<(String, SqlType)> = Vec::new();
        if !self.token(&Token::LParen) {
            return Err(vec![self.expected("(").or_at(name.at)]);
        }
        loop {
            let column = self.name().map_err(at_end(name.at))?;
            let column_type = self.column_type(name.at)?;
            if columns.iter().any(|(name, _)| *name == column.text) {
                let reason = "another column of the stream has this name";
                let construct = format!("column \"{}\"", column.text);
                return Err(vec![SqlProblem::new(column.at, construct, reason)]);
            }
            columns.push((column.text, column_type));
            if self.token(&Token::RParen) {
                break;
            }
            if !self.token(&Token::Comma) {
                return Err(vec![self.expected(", or )").or_at(name.at)]);
            }
        }
        if let Some(problem) = self.stream_options() {
            return Err(vec![problem]);
        }
        Ok(StreamStatement {
            name: name.text,
            at: name.at,
            columns,
        })
    }

    /// What follows the columns: `DESCRIPTION 'text'` says nothing that counts.
    fn stream_options(&mut self) -> Option<SqlProblem> {
        if self.keyword("DESCRIPTION") {
            self.next();
        }
        let problem = self.expected("; or the end");
        (!self.rest.is_empty()).then_some(problem)
    }

    fn column_type(&mut self, stream: Position) -> Result<SqlType, SqlProblem> {
        let at = self.position();
        let mut words = Vec::new();
        let mut sizes = Vec::new();
        while let Some(Token::Word(Word { value, .. })) = self.rest.first().map(|next| &next.token)
        {
            if is_word(&self.rest[0], "NOT") {
                break;
            }
            words.push(value.to_ascii_uppercase());
            self.next();
        }
        if self.token(&Token::LParen) {
            while let Some(Token::Number(number, _)) = self.rest.first().map(|next| &next.token) {
                sizes.push(number.parse().unwrap_or(u32::MAX));
                self.next();
                self.token(&Token::Comma);
            }
            if !self.token(&Token::RParen) {
                return Err(self.expected(")").or_at(stream));
            }
        }
        // It is accepted, and not checked.
        if self.keyword("NOT") && !self.keyword("NULL") {
            return Err(self.expected("NULL").or_at(stream));
        }
        if words.is_empty() {
            return Err(self.expected("a type").or_at(stream));
        }
        let text = match sizes.as_slice() {
            [] => words.join(" "),
            sizes => {
                let sizes: Vec<String> = sizes.iter().map(u32::to_string).collect();
                format!("{}({})", words.join(" "), sizes.join(", "))
            }
        };
        SqlType::from_parts(&words.join(" "), &sizes, &text)
            .map_err(|error| SqlProblem::new(at, format!("type {text}"), error.to_string()))
    }

    /// `"name" AS [STARTED] INSERT INTO "target" [(columns)] SELECT ...`.
    fn pump(&mut self) -> Result<PumpStatement, Vec<SqlProblem>> {
        let name = self.name().map_err(at_end(name_position(self.rest)))?;
        let end = at_end(name.at);
        if self.keyword("STARTED") || self.keyword("STOPPED") {
            // It may stand on either side of AS.
        }
        if !self.keyword("AS") {
            return Err(vec![self.expected("AS").or_at(name.at)]);
        }
        self.keyword("STARTED");
        for keyword in ["INSERT", "INTO"] {
            if !self.keyword(keyword) {
                return Err(vec![self.expected(keyword).or_at(name.at)]);
            }
        }
        let target = self.name().map_err(&end)?;
        let columns = if self.token(&Token::LParen) {
            Some(self.names().map_err(&end)?)
        } else {
            None
        };
        let problems = scan::unsupported(self.rest);
        if !problems.is_empty() {
            return Err(problems);
        }
        let query = query(self.rest).map_err(|problem| problem.or_at(name.at))?;
        Ok(PumpStatement {
            name: name.text,
            at: name.at,
            target,
            columns,
            query,
        })
    }

    fn names(&mut self) -> Result<Vec<Name>, SqlProblem> {
        let mut names = Vec::new();
        loop {
            names.push(self.name()?);
            if self.token(&Token::RParen) {
                return Ok(names);
            }
            if !self.token(&Token::Comma) {
                return Err(self.expected(", or )"));
            }
        }
    }
}

/// Gives a problem at the end of a statement the position of the statement's name.
fn at_end(at: Position) -> impl Fn(SqlProblem) -> SqlProblem {
    move |problem| problem.or_at(at)
}

fn name_position(rest: &[TokenWithSpan]) -> Position {
    rest.first()
        .map_or(Position { line: 1, column: 1 }, |token| {
            token.span.start.into()
        })
}

impl From<SqlProblem> for Vec<SqlProblem> {
    fn from(problem: SqlProblem) -> Self {
        vec![problem]
    }
}

fn unsupported_statement(tokens: &[TokenWithSpan]) -> SqlProblem {
    let words = tokens.iter().map_while(|token| match &token.token {
        Token::Word(word) if word.quote_style.is_none() && word.keyword != Keyword::NoKeyword => {
            Some(word.value.to_ascii_uppercase())
        }
        _ => None,
    });
    let words: Vec<String> = words.take(4).filter(|word| word != "AS").collect();
    let at = name_position(tokens);
    let construct = match words.as_slice() {
        [] => format!("`{}`", tokens[0].token),
        words => words.join(" "),
    };
    let reason = "only CREATE STREAM and CREATE PUMP are supported";
    SqlProblem::new(at, construct, reason)
}

/// Parses the SELECT of a pump.
fn query(tokens: &[TokenWithSpan]) -> Result<Box<Query>, SqlProblem> {
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let after_select = kept.last().is_some_and(|last| is_word(last, "SELECT"));
        if !(after_select && is_word(token, "STREAM")) {
            kept.push(token.clone());
        }
    }
    let Some(first) = kept.first() else {
        let reason = "SELECT is expected before it";
        return Err(SqlProblem::new(
            Position::default(),
            "the end of a statement",
            reason,
        ));
    };
    if !is_word(first, "SELECT") {
        let construct = format!("`{}`", first.token);
        let reason = "SELECT is expected here";
        return Err(SqlProblem::new(first.span.start, construct, reason));
    }
    let start = first.span.start.into();
    let mut parser = Parser::new(&KinesisDialect)
        .with_recursion_limit(DEEPEST)
        .with_tokens_with_locations(kept);
    let query = parser.parse_query().map_err(|error| {
        let at = parser.peek_token_ref().span.start.into();
        syntax(error, at).or_at(start)
    })?;
    let next = parser.peek_token_ref();
    if next.token != Token::EOF {
        let construct = format!("`{}`", next.token);
        let reason = "it is not expected here";
        return Err(SqlProblem::new(next.span.start, construct, reason));
    }
    Ok(query)
}

/// A problem of the parser, which names the position in its message.
fn syntax(error: ParserError, at: Position) -> SqlProblem {
    match error {
        ParserError::RecursionLimitExceeded => {
            let reason = format!("expressions are nested more than {DEEPEST} deep");
            SqlProblem::new(at, "the SELECT", reason)
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            let (reason, at) = match message.split_once(" at Line: ") {
                Some((reason, place)) => (reason.to_owned(), location(place).unwrap_or(at)),
                None => (message, at),
            };
            SqlProblem::new(at, "the SELECT", format!("it cannot be parsed: {reason}"))
        }
    }
}

/// `3, Column: 14`.
fn location(text: &str) -> Option<Position> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(Position {
        line: line.parse().ok()?,
        column: column.parse().ok()?,
    })
}
