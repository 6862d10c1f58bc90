//! Reads and checks a query's text: it must be a single read-only statement. Names get the spelling
//! of the tables.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::diagnostic::Diagnostic;
use crate::tables::QueryTables;

/// The keywords that a statement may start with.
const READ_VERBS: [&str; 8] = [
    "SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN", "SHOW", "DESCRIBE", "DESC",
];

/// The maximum number of tokens in a statement that runs locally. A chain (`a + b + ...`) is nested
/// as deep as it is long, and is copied and dropped recursively. The stack in `main` is large
/// enough for several times this limit.
const LONGEST: usize = 10_000;

/// A single read-only statement.
///
/// Names are case-insensitive, quoted or not, as in Athena. The engine is case-sensitive, so every
/// name is normalized: tables and columns to their declared spelling, other names to their first
/// spelling in the query.
#[derive(Clone, Debug)]
pub struct Sql {
    text: String,
    tokens: Vec<TokenWithSpan>,
    /// The spelling of each name, by its lower case form.
    spellings: BTreeMap<String, String>,
}

impl Sql {
    /// Reads the text of a query of these tables. A semicolon at the end is allowed.
    ///
    /// # Errors
    /// [`Diagnostic`] if the text is not SQL, is empty, has more than one statement, or is not
    /// read-only.
    pub fn read(text: &str, tables: &QueryTables) -> Result<Self, Diagnostic> {
        let mut tokens = Tokenizer::new(&GenericDialect {}, text)
            .tokenize_with_location()
            .map_err(|error| {
                let location = error.location;
                Diagnostic::new(error.message).at(text, location.line, location.column, 1)
            })?;
        let counts = |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
        let mut end = text.len();
        while let Some(last) = tokens.iter().rposition(counts)
            && tokens[last].token == Token::SemiColon
        {
            let start = tokens[last].span.start;
            end = offset(text, start.line, start.column);
            tokens.truncate(last);
        }
        let statement: Vec<_> = tokens.iter().filter(|token| counts(token)).collect();
        if statement.is_empty() {
            let help = format!("for example: SELECT * FROM {}", tables.readings.name);
            return Err(Diagnostic::new("the query is empty").help(help));
        }
        if let Some(token) = statement
            .iter()
            .find(|token| token.token == Token::SemiColon)
        {
            let start = token.span.start;
            let diagnostic = Diagnostic::new("only one statement is allowed; the first ends here");
            return Err(diagnostic.at(text, start.line, start.column, 1));
        }
        only_reads(text, &statement)?;

        let mut spellings = tables.spellings().clone();
        for token in &mut tokens {
            if let Token::Word(word) = &mut token.token {
                let spelling = spellings.entry(word.value.to_lowercase());
                word.value = spelling.or_insert_with(|| word.value.clone()).clone();
            }
        }
        Ok(Self {
            text: text[..end].trim_end().to_owned(),
            tokens,
            spellings,
        })
    }

    /// The original text, without the semicolon at its end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The normalized spelling of a name.
    pub fn spelled<'a>(&'a self, name: &'a str) -> &'a str {
        match self.spellings.get(&name.to_lowercase()) {
            Some(spelling) => spelling,
            None => name,
        }
    }

    /// Parses the statement, with normalized names.
    ///
    /// # Errors
    /// [`Diagnostic`] if it is not a valid statement or has more than 10,000 tokens.
    pub fn parse(&self) -> Result<Statement, Diagnostic> {
        let counts = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
        let count = self.tokens.iter().filter(counts).count();
        if count > LONGEST {
            let message = format!("the query has {count} tokens, more than {LONGEST}");
            return Err(Diagnostic::new(message));
        }
        let mut parser =
            Parser::new(&GenericDialect {}).with_tokens_with_locations(self.tokens.clone());
        let statement = parser
            .parse_statement()
            .map_err(|error| self.parser_diagnostic(error))?;
        let next = parser.peek_token();
        if next.token != Token::EOF {
            return Err(self.at(&next, format!("unexpected {}", next.token)));
        }
        Ok(statement)
    }

    /// A diagnostic located at the first occurrence of `name`, or without a location if there is
    /// none.
    pub fn about(&self, name: &str, message: impl Into<String>) -> Diagnostic {
        let is_name = |token: &&TokenWithSpan| match &token.token {
            Token::Word(word) => word.value.eq_ignore_ascii_case(name),
            _ => false,
        };
        match self.tokens.iter().find(is_name) {
            Some(token) => self.at(token, message.into()),
            None => Diagnostic::new(message),
        }
    }

    /// A diagnostic located at a line and column of the text, both from 1.
    pub fn about_place(&self, line: u64, column: u64, message: impl Into<String>) -> Diagnostic {
        let token = self.tokens.iter().find(|token| {
            let start = token.span.start;
            start.line == line && start.column == column
        });
        match token {
            Some(token) => self.at(token, message.into()),
            None => Diagnostic::new(message).at(&self.text, line, column, 1),
        }
    }

    fn at(&self, token: &TokenWithSpan, message: String) -> Diagnostic {
        mark(Diagnostic::new(message), &self.text, token)
    }

    /// Converts a parser error, whose message contains the location.
    fn parser_diagnostic(&self, error: ParserError) -> Diagnostic {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => "the query is nested too deeply".to_owned(),
        };
        let Some((what, location)) = message.rsplit_once(" at Line: ") else {
            let diagnostic = Diagnostic::new(message);
            // The parser gives no location for the end of the text.
            return if diagnostic.message().ends_with("found: EOF") {
                diagnostic.at(&self.text, u64::MAX, u64::MAX, 1)
            } else {
                diagnostic
            };
        };
        let numbers = location.split_once(", Column: ");
        match numbers.and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?))) {
            Some((line, column)) => self.about_place(line, column, what),
            None => Diagnostic::new(message),
        }
    }
}

/// The texts of a statement's outermost expressions, as headings for unnamed columns.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// `None` for named columns.
    texts: Vec<Option<String>>,
    /// The index in `texts` before which a `*` stands; it covers all remaining columns.
    star: Option<usize>,
}

impl Texts {
    /// The texts of a statement; empty if they are ambiguous, as with two `*`.
    pub fn of(statement: &Statement) -> Self {
        Self::find(statement).unwrap_or_default()
    }

    fn find(statement: &Statement) -> Option<Self> {
        let Statement::Query(query) = statement else {
            return None;
        };
        let mut body = query.body.as_ref();
        let select = loop {
            match body {
                SetExpr::Select(select) => break select,
                SetExpr::Query(query) => body = query.body.as_ref(),
                SetExpr::SetOperation { left, .. } => body = left.as_ref(),
                _ => return None,
            }
        };
        let mut found = Self::default();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_))
                | SelectItem::ExprWithAlias { .. } => found.texts.push(None),
                SelectItem::UnnamedExpr(expression) => {
                    found.texts.push(Some(expression.to_string()));
                }
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
                    if found.star.is_none() =>
                {
                    found.star = Some(found.texts.len());
                }
                _ => return None,
            }
        }
        Some(found)
    }

    /// The text of column `index` of `columns` columns.
    pub fn get(&self, index: usize, columns: usize) -> Option<&str> {
        let width = columns.checked_sub(self.texts.len())?;
        let index = match self.star {
            None if width > 0 => return None,
            Some(star) if index >= star => {
                index.checked_sub(width).filter(|index| *index >= star)?
            }
            _ => index,
        };
        self.texts.get(index)?.as_deref()
    }
}

/// Checks that a statement is read-only. It looks only at the first keyword, so that it also covers
/// SQL that only Athena understands. `EXPLAIN ANALYZE` runs its statement, so that statement's
/// first keyword is checked too.
fn only_reads(text: &str, statement: &[&TokenWithSpan]) -> Result<(), Diagnostic> {
    let is = |index: usize, token: Token| statement.get(index).is_some_and(|at| at.token == token);
    let verb = |index: usize, verbs: &[&str]| match statement.get(index).map(|at| &at.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => verbs
            .iter()
            .any(|verb| word.value.eq_ignore_ascii_case(verb)),
        _ => false,
    };

    let mut index = 0;
    while is(index, Token::LParen) {
        index += 1;
    }
    if verb(index, &["EXPLAIN"]) {
        index += 1;
        while verb(index, &["ANALYZE", "VERBOSE"]) {
            index += 1;
        }
        let has_options = is(index, Token::LParen)
            && !is(index + 1, Token::LParen)
            && !verb(index + 1, &READ_VERBS);
        if has_options {
            let rest = &statement[index..];
            let end = rest.iter().position(|at| at.token == Token::RParen);
            index += end.map_or(rest.len(), |end| end + 1);
        }
        while is(index, Token::LParen) {
            index += 1;
        }
    }
    if verb(index, &READ_VERBS) {
        return Ok(());
    }
    let Some(token) = statement.get(index) else {
        // There is nothing to run; the parser reports what is missing.
        return Ok(());
    };
    let diagnostic = Diagnostic::new(format!("{} is not allowed", token.token));
    let help = "queries are read-only: SELECT, WITH, EXPLAIN, SHOW TABLES, DESCRIBE";
    Err(mark(diagnostic, text, token).help(help))
}

/// Sets a diagnostic's location to a token.
fn mark(diagnostic: Diagnostic, text: &str, token: &TokenWithSpan) -> Diagnostic {
    let (start, end) = (token.span.start, token.span.end);
    let length = if start.line == end.line {
        usize::try_from(end.column.saturating_sub(start.column)).unwrap_or(1)
    } else {
        1
    };
    diagnostic.at(text, start.line, start.column, length)
}

/// The byte offset of a line and column, both from 1; the end of the text if there is no such
/// location.
fn offset(text: &str, line: u64, column: u64) -> usize {
    let lines = text.split_inclusive('\n');
    let before = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let start: usize = lines.clone().take(before).map(str::len).sum();
    let characters = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let rest = text.get(start..).unwrap_or("");
    let found = rest.char_indices().nth(characters);
    found.map_or(text.len(), |(index, _)| start + index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wild_rydes;

    fn read(text: &str) -> Result<Sql, Diagnostic> {
        Sql::read(text, &wild_rydes::program().tables().unwrap())
    }

    fn diagnostic(text: &str) -> String {
        let read = read(text).and_then(|sql| sql.parse());
        read.unwrap_err().to_string()
    }

    fn parsed(text: &str) -> String {
        read(text).unwrap().parse().unwrap().to_string()
    }

    #[test]
    fn names_are_normalized() {
        assert_eq!(
            parsed("select NAME, \"name\", w.\"statustime\" from WildRydes W"),
            "SELECT Name, \"Name\", w.\"StatusTime\" FROM wildrydes w"
        );
        assert_eq!(
            parsed(
                "WITH Far AS (SELECT sum(DISTANCE) AS Total FROM wildrydes) SELECT total FROM FAR"
            ),
            "WITH Far AS (SELECT sum(Distance) AS Total FROM wildrydes) SELECT Total FROM Far"
        );
        assert_eq!(parsed("SELECT 'NAME' AS b, B"), "SELECT 'NAME' AS b, b");
        let sql = read("SELECT 1 AS HowMany").unwrap();
        assert_eq!(sql.spelled("howmany"), "HowMany");
        assert_eq!(sql.spelled("healthpoints"), "HealthPoints");
        assert_eq!(sql.spelled("_col1"), "_col1");
    }

    #[test]
    fn unnamed_columns_are_headed_by_their_text() {
        let heads = |text: &str, columns: usize| {
            let texts = Texts::of(&parse(text));
            let head = |index| texts.get(index, columns).unwrap_or("-").to_owned();
            (0..columns).map(head).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            heads("SELECT Name, sum(distance), 1 AS n FROM x", 3),
            "- sum(Distance) -"
        );
        assert_eq!(heads("SELECT 1, *, 2, 3 FROM x", 5), "1 - - 2 3");
        assert_eq!(heads("SELECT x.* FROM x", 2), "- -");
        assert_eq!(heads("(SELECT 1, 2) UNION SELECT 3, 4", 2), "1 2");
        assert_eq!(heads("SELECT *, 1, * FROM x", 5), "- - - - -");
        assert_eq!(heads("SELECT 1, 2", 3), "- - -");
        assert_eq!(heads("SELECT 1, 2, *", 1), "-");
        assert_eq!(heads("VALUES (1)", 1), "-");
    }

    fn parse(text: &str) -> Statement {
        read(text).unwrap().parse().unwrap()
    }

    #[test]
    fn only_one_statement_is_allowed() {
        let text = |text: &str| read(text).unwrap().text().to_owned();
        assert_eq!(text("SELECT 1"), "SELECT 1");
        assert_eq!(text("SELECT 'é;' ;\n ; -- done"), "SELECT 'é;'");
        assert_eq!(
            diagnostic("SELECT 1; SELECT 2"),
            "only one statement is allowed; the first ends here (line 1, column 9)\n  \
             SELECT 1; SELECT 2\n          ^"
        );
    }

    #[test]
    fn writing_statements_are_rejected() {
        for (text, verb) in [
            ("INSERT INTO wildrydes SELECT * FROM wildrydes", "INSERT"),
            ("(DROP TABLE wildrydes)", "DROP"),
            ("create table x as select 1", "create"),
            ("COPY wildrydes TO 'x.csv'", "COPY"),
            ("EXPLAIN ANALYZE DELETE FROM wildrydes", "DELETE"),
            ("EXPLAIN (FORMAT JSON) UPDATE wildrydes SET x = 1", "UPDATE"),
            ("UNLOAD (SELECT 1) TO 's3://bucket/'", "UNLOAD"),
            ("SET x = 1", "SET"),
            ("7", "7"),
        ] {
            let message = diagnostic(text);
            assert!(
                message.starts_with(&format!("{verb} is not allowed (line 1, ")),
                "{message}"
            );
            assert!(
                message.ends_with(
                    "queries are read-only: SELECT, WITH, EXPLAIN, SHOW TABLES, DESCRIBE"
                )
            );
        }
        for text in [
            "SELECT 1",
            "((select 1))",
            "with a as (select 1) select * from a",
            "VALUES (1)",
            "EXPLAIN SELECT 1",
            "explain analyze verbose select 1",
            "EXPLAIN (TYPE IO) (SELECT 1)",
            "SHOW TABLES",
            "DESCRIBE wildrydes",
            "/* first */ SELECT 1 -- last",
        ] {
            read(text).unwrap();
        }
    }

    #[test]
    fn errors_have_a_location() {
        assert_eq!(
            diagnostic("SELECT Name\nFORM wildrydes"),
            "unexpected wildrydes (line 2, column 6)\n  FORM wildrydes\n       ^^^^^^^^^"
        );
        assert!(
            diagnostic("SELECT 'Shadowfax")
                .contains("(line 1, column 8)\n  SELECT 'Shadowfax\n         ^")
        );
        assert!(
            diagnostic("SELECT Name FROM")
                .ends_with("(line 1, column 17)\n  SELECT Name FROM\n                  ^")
        );
        assert!(diagnostic(" -- nothing\n").starts_with("the query is empty"));
        let deep = format!("SELECT {}1{}", "(".repeat(3000), ")".repeat(3000));
        assert!(diagnostic(&deep).contains("nested too deeply"));
    }
}
