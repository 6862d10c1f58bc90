//! A query's text, read before anything else is done: one statement, one that only reads, and its
//! names spelled as the tables spell theirs.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::diagnostic::Diagnostic;
use crate::tables::ALL;

/// What a statement may begin with.
const READING: [&str; 8] = [
    "SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN", "SHOW", "DESCRIBE", "DESC",
];

/// The most words and signs of a statement that is run here. What stands in a chain (`a + b + ...`) is
/// nested as deep as the chain is long, and is copied and dropped by recursion; main's stack holds this
/// many several times over.
const LONGEST: usize = 10_000;

/// One statement that only reads.
///
/// Case never matters in a name, quoted or not, as on Athena. To the engine, which does mind, every
/// name is spelled in one way: a table's and a column's as the table has it, any other as it stands
/// first in the query.
#[derive(Clone, Debug)]
pub struct Sql {
    text: String,
    tokens: Vec<TokenWithSpan>,
    /// By the name in lower case.
    spellings: BTreeMap<String, String>,
}

impl Sql {
    /// Reads a query's text; a semicolon at its end does not count.
    ///
    /// # Errors
    /// [`Diagnostic`] where it is no text of SQL, empty, more than one statement, or a statement that
    /// would do anything but read.
    pub fn read(text: &str) -> Result<Self, Diagnostic> {
        let mut tokens = Tokenizer::new(&GenericDialect {}, text)
            .tokenize_with_location()
            .map_err(|error| {
                let place = error.location;
                Diagnostic::new(error.message).at(text, place.line, place.column, 1)
            })?;
        let counts = |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
        let mut end = text.len();
        while let Some(last) = tokens.iter().rposition(counts)
            && tokens[last].token == Token::SemiColon
        {
            let place = tokens[last].span.start;
            end = offset(text, place.line, place.column);
            tokens.truncate(last);
        }
        let statement: Vec<_> = tokens.iter().filter(|token| counts(token)).collect();
        if statement.is_empty() {
            let help = "for example: SELECT * FROM wildrydes";
            return Err(Diagnostic::new("there is no SQL in it").help(help));
        }
        if let Some(token) = statement
            .iter()
            .find(|token| token.token == Token::SemiColon)
        {
            let place = token.span.start;
            let diagnostic =
                Diagnostic::new("one statement is run at a time, and here ends the first");
            return Err(diagnostic.at(text, place.line, place.column, 1));
        }
        only_reads(text, &statement)?;

        let mut spellings: BTreeMap<String, String> = ALL
            .iter()
            .flat_map(|table| {
                let columns = table.columns.iter().map(|column| column.name);
                columns.chain([table.name])
            })
            .map(|name| (name.to_lowercase(), name.to_owned()))
            .collect();
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

    /// The text as it was typed, without the semicolon at its end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name as the tables or the query spell it.
    pub fn spelled<'a>(&'a self, name: &'a str) -> &'a str {
        match self.spellings.get(&name.to_lowercase()) {
            Some(spelling) => spelling,
            None => name,
        }
    }

    /// The statement, with every name in its one spelling.
    ///
    /// # Errors
    /// [`Diagnostic`], with the place, where it is no statement, or one of more than 10,000 words and
    /// signs.
    pub fn parse(&self) -> Result<Statement, Diagnostic> {
        let counts = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
        let count = self.tokens.iter().filter(counts).count();
        if count > LONGEST {
            let message = format!("it has {count} words and signs, more than {LONGEST}");
            return Err(Diagnostic::new(message));
        }
        let mut parser =
            Parser::new(&GenericDialect {}).with_tokens_with_locations(self.tokens.clone());
        let statement = parser
            .parse_statement()
            .map_err(|error| self.complain(error))?;
        let next = parser.peek_token();
        if next.token != Token::EOF {
            return Err(self.at(&next, format!("{} was not expected here", next.token)));
        }
        Ok(statement)
    }

    /// A diagnostic about the first word that is `name`; without a place where there is none.
    pub fn about(&self, name: &str, message: impl Into<String>) -> Diagnostic {
        let is_it = |token: &&TokenWithSpan| match &token.token {
            Token::Word(word) => word.value.eq_ignore_ascii_case(name),
            _ => false,
        };
        match self.tokens.iter().find(is_it) {
            Some(token) => self.at(token, message.into()),
            None => Diagnostic::new(message),
        }
    }

    /// A diagnostic about the place that counts from line 1 and column 1 of the text.
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

    /// The parser tells the place in its message.
    fn complain(&self, error: ParserError) -> Diagnostic {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
        };
        let Some((what, place)) = message.rsplit_once(" at Line: ") else {
            let diagnostic = Diagnostic::new(message);
            // The end has no place of its own.
            return if diagnostic.message().ends_with("found: EOF") {
                diagnostic.at(&self.text, u64::MAX, u64::MAX, 1)
            } else {
                diagnostic
            };
        };
        let numbers = place.split_once(", Column: ");
        match numbers.and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?))) {
            Some((line, column)) => self.about_place(line, column, what),
            None => Diagnostic::new(message),
        }
    }
}

/// The texts of a statement's outermost expressions, to head columns with that have no name.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// None for what has a name of its own.
    texts: Vec<Option<String>>,
    /// Before which of them a `*` stands, as wide as what the others leave.
    star: Option<usize>,
}

impl Texts {
    /// The texts of a statement; empty where they are ambiguous, as with two `*`.
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

    /// The text of the column with this index, of `columns` in all.
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

/// Nothing but reading is let through: by the statement's first word, so that this holds for SQL that
/// only Athena understands, too. `EXPLAIN ANALYZE` runs what it explains, so that word counts as well.
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
        let has_options =
            is(index, Token::LParen) && !is(index + 1, Token::LParen) && !verb(index + 1, &READING);
        if has_options {
            let rest = &statement[index..];
            let end = rest.iter().position(|at| at.token == Token::RParen);
            index += end.map_or(rest.len(), |end| end + 1);
        }
        while is(index, Token::LParen) {
            index += 1;
        }
    }
    if verb(index, &READING) {
        return Ok(());
    }
    let Some(token) = statement.get(index) else {
        // There is nothing to run; the parser says what is missing.
        return Ok(());
    };
    let diagnostic = Diagnostic::new(format!("{} is not run here", token.token));
    let help = "queries only read: SELECT, WITH, EXPLAIN, SHOW TABLES, DESCRIBE";
    Err(mark(diagnostic, text, token).help(help))
}

/// Where a token stands.
fn mark(diagnostic: Diagnostic, text: &str, token: &TokenWithSpan) -> Diagnostic {
    let (start, end) = (token.span.start, token.span.end);
    let length = if start.line == end.line {
        usize::try_from(end.column.saturating_sub(start.column)).unwrap_or(1)
    } else {
        1
    };
    diagnostic.at(text, start.line, start.column, length)
}

/// The byte at a line and a column, both from 1; the text's end where there is none.
fn offset(text: &str, line: u64, column: u64) -> usize {
    let lines = text.split_inclusive('\n');
    let before = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let start: usize = lines.clone().take(before).map(str::len).sum();
    let characters = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let rest = text.get(start..).unwrap_or("");
    let place = rest.char_indices().nth(characters);
    place.map_or(text.len(), |(index, _)| start + index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(text: &str) -> String {
        let read = Sql::read(text).and_then(|sql| sql.parse());
        read.unwrap_err().to_string()
    }

    fn parsed(text: &str) -> String {
        Sql::read(text).unwrap().parse().unwrap().to_string()
    }

    #[test]
    fn a_name_has_one_spelling_whatever_its_case_and_quotes() {
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
        let sql = Sql::read("SELECT 1 AS HowMany").unwrap();
        assert_eq!(sql.spelled("howmany"), "HowMany");
        assert_eq!(sql.spelled("healthpoints"), "HealthPoints");
        assert_eq!(sql.spelled("_col1"), "_col1");
    }

    #[test]
    fn what_has_no_name_is_headed_by_its_text() {
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
        Sql::read(text).unwrap().parse().unwrap()
    }

    #[test]
    fn a_semicolon_ends_the_statement_and_what_comes_after_is_no_second_one() {
        let text = |text: &str| Sql::read(text).unwrap().text().to_owned();
        assert_eq!(text("SELECT 1"), "SELECT 1");
        assert_eq!(text("SELECT 'é;' ;\n ; -- done"), "SELECT 'é;'");
        assert_eq!(
            diagnostic("SELECT 1; SELECT 2"),
            "one statement is run at a time, and here ends the first (line 1, column 9)\n  \
             SELECT 1; SELECT 2\n          ^"
        );
    }

    #[test]
    fn what_does_not_read_is_rejected_by_name() {
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
            let told = diagnostic(text);
            assert!(
                told.starts_with(&format!("{verb} is not run here (line 1, ")),
                "{told}"
            );
            assert!(
                told.ends_with("queries only read: SELECT, WITH, EXPLAIN, SHOW TABLES, DESCRIBE")
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
            Sql::read(text).unwrap();
        }
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        assert_eq!(
            diagnostic("SELECT Name\nFORM wildrydes"),
            "wildrydes was not expected here (line 2, column 6)\n  FORM wildrydes\n       ^^^^^^^^^"
        );
        assert!(
            diagnostic("SELECT 'Shadowfax")
                .contains("(line 1, column 8)\n  SELECT 'Shadowfax\n         ^")
        );
        assert!(
            diagnostic("SELECT Name FROM")
                .ends_with("(line 1, column 17)\n  SELECT Name FROM\n                  ^")
        );
        assert!(diagnostic(" -- nothing\n").starts_with("there is no SQL in it"));
        let deep = format!("SELECT {}1{}", "(".repeat(3000), ")".repeat(3000));
        assert!(diagnostic(&deep).contains("nested too deeply"));
    }
}
