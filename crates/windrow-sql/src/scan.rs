//! Constructs that the tokens of a SELECT give away. They are named even where the parser would
//! stumble over them, and before it has to try.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::problem::SqlProblem;

/// Functions that are known and not supported: name, reason, rewrite.
const FUNCTIONS: &[(&str, &str, Option<&str>)] = &[
    ("RANDOM_CUT_FOREST", RANDOMISED, None),
    ("RANDOM_CUT_FOREST_WITH_EXPLANATION", RANDOMISED, None),
    ("HOTSPOTS", RANDOMISED, None),
    ("APPROXIMATE_TOP_K", "it is not supported", None),
    ("COUNT_DISTINCT_ITEMS_TUMBLING", "it is approximate", None),
    ("GROUP_RANK", "it ranks rows over many groups", None),
    ("TSDB_SEQUENCE_NUMBER", "it is not supported", None),
    ("W3C_LOG_PARSE", LOG, LOG_REWRITE),
    ("SYS_LOG_PARSE", LOG, LOG_REWRITE),
    ("REGEX_LOG_PARSE", LOG, LOG_REWRITE),
    ("FAST_REGEX_LOG_PARSE", LOG, LOG_REWRITE),
    ("FAST_REGEX_LOG_PARSER", LOG, LOG_REWRITE),
    ("FIXED_COLUMN_LOG_PARSE", LOG, LOG_REWRITE),
    ("VARIABLE_COLUMN_LOG_PARSE", LOG, LOG_REWRITE),
    ("COLUMN_LOG_PARSE", LOG, LOG_REWRITE),
    ("STDDEV", SPREAD, None),
    ("STDDEV_POP", SPREAD, None),
    ("STDDEV_SAMP", SPREAD, None),
    ("VAR_POP", SPREAD, None),
    ("VAR_SAMP", SPREAD, None),
    ("VARIANCE", SPREAD, None),
    ("EXP_AVG", "it depends on all earlier rows", None),
    ("FIRST_VALUE", ORDER, None),
    ("LAST_VALUE", ORDER, None),
    ("NTH_VALUE", ORDER, None),
    ("LAG", ORDER, None),
    ("LEAD", ORDER, None),
    ("RANK", ORDER, None),
    ("ROW_NUMBER", ORDER, None),
    ("CURSOR", "rows cannot be passed to a function", None),
    (
        "MONOTONIC",
        "the order of a stream is not used",
        Some("leave it out"),
    ),
    ("ROLLUP", "one SELECT has one set of groups", Some(ONE_PUMP)),
    ("CUBE", "one SELECT has one set of groups", Some(ONE_PUMP)),
];

const RANDOMISED: &str = "its result is random, so it cannot be computed exactly";
const LOG: &str = "log parsing functions are not supported";
const LOG_REWRITE: Option<&str> = Some("send JSON, and map its fields to columns");
const SPREAD: &str = "only COUNT, SUM, MIN, MAX and AVG are supported";
const ORDER: &str = "it depends on the order of the rows of a window";
const ONE_PUMP: &str = "write one pump per set of groups";

/// Words that start what is not supported: word, construct, reason, rewrite.
const WORDS: &[(&str, &str, &str, Option<&str>)] = &[
    (
        "JOIN",
        "JOIN",
        JOIN,
        Some("join the rows where they are read"),
    ),
    ("OVER", "OVER", SLIDING, Some(TUMBLING)),
    ("WINDOW", "WINDOW", SLIDING, Some(TUMBLING)),
    (
        "UNION",
        "UNION",
        SET,
        Some("write one pump per SELECT, into the same stream"),
    ),
    ("EXCEPT", "EXCEPT", SET, None),
    ("INTERSECT", "INTERSECT", SET, None),
    ("EXISTS", "EXISTS", SUBQUERY, Some(NO_SUBQUERY)),
];

const JOIN: &str = "joins are not supported";
const SLIDING: &str = "sliding windows are not supported";
const TUMBLING: &str = "use a tumbling window: GROUP BY STEP(\"SOURCE_SQL_STREAM_001\".ROWTIME BY INTERVAL '1' MINUTE)";
const SET: &str = "a pump has one SELECT";
const SUBQUERY: &str = "subqueries are not supported";
const NO_SUBQUERY: &str = "write a pump per SELECT, with a stream between them";

/// The form that AWS documents for distinct counts.
const DISTINCT_ROWS: &str = "count the rows of a subquery: SELECT STREAM COUNT(*) FROM (SELECT STREAM DISTINCT \"x\", FLOOR(s.ROWTIME TO MINUTE) AS \"t\" FROM \"SOURCE_SQL_STREAM_001\" AS s) AS d GROUP BY d.\"t\"";

/// The most operators of an expression. The parser makes a chain of them as deep a tree.
pub(crate) const MOST_OPERATORS: usize = 128;

/// Words that are operators.
const OPERATORS: &[&str] = &[
    "AND", "OR", "NOT", "IS", "IN", "LIKE", "BETWEEN", "SIMILAR", "COLLATE", "AT", "ESCAPE",
    "SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "YEAR", "XOR", "ILIKE", "RLIKE", "REGEXP", "DIV",
    "OVERLAPS",
];

/// Whether a token may be one of a chain of operators.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            let upper = word.value.to_ascii_uppercase();
            word.quote_style.is_none() && OPERATORS.contains(&upper.as_str())
        }
        Token::Number(..) | Token::SingleQuotedString(_) | Token::Comma => false,
        Token::LParen | Token::RParen | Token::Period => false,
        _ => true,
    }
}

/// Words before and after which expressions are apart.
const SEPARATORS: &[&str] = &[
    "SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "CASE", "WHEN", "THEN", "ELSE",
];

/// How many operators an expression has: those of the one that is read, and the most of those
/// before it in the same parentheses.
#[derive(Clone, Copy, Default)]
struct Operators {
    current: usize,
    most: usize,
}

impl Operators {
    fn most(self) -> usize {
        self.most.max(self.current)
    }
}

/// The place where an expression has too many operators.
fn operators(tokens: &[TokenWithSpan]) -> Option<SqlProblem> {
    let mut outer: Vec<Operators> = Vec::new();
    let mut inner = Operators::default();
    for token in tokens {
        match &token.token {
            Token::LParen => outer.push(std::mem::take(&mut inner)),
            Token::RParen => {
                let most = inner.most();
                inner = outer.pop().unwrap_or_default();
                inner.current += most;
            }
            Token::Comma => {
                inner = Operators {
                    current: 0,
                    most: inner.most(),
                }
            }
            Token::Word(word) if word.quote_style.is_none() => {
                let upper = word.value.to_ascii_uppercase();
                if SEPARATORS.contains(&upper.as_str()) {
                    let most = inner.most();
                    inner = Operators { current: 0, most };
                } else if upper == "END" {
                    inner.current = inner.most();
                }
            }
            _ => {}
        }
        inner.current += usize::from(is_operator(&token.token));
        if inner.current > MOST_OPERATORS {
            let reason = format!("it has more than {MOST_OPERATORS} operators");
            let problem = SqlProblem::new(token.span.start, "an expression", reason);
            return Some(problem.rewrite("write x IN (...) for x = ... OR x = ..."));
        }
    }
    None
}

/// The unsupported constructs among the tokens of a pump's SELECT.
pub(crate) fn unsupported(tokens: &[TokenWithSpan]) -> Vec<SqlProblem> {
    let mut scan = Scan::default();
    scan.problems.extend(operators(tokens));
    for index in 0..tokens.len() {
        scan.token(tokens, index);
    }
    scan.problems
}

/// Whether a token is this word, unquoted.
pub(crate) fn is_word(token: &TokenWithSpan, expected: &str) -> bool {
    match &token.token {
        Token::Word(word) => {
            word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected)
        }
        _ => false,
    }
}

/// Whether a word is the CURSOR of `TOP_K_ITEMS_TUMBLING(CURSOR(SELECT ...), ...)`.
fn is_cursor(tokens: &[TokenWithSpan], index: usize) -> bool {
    let before = |back: usize| index.checked_sub(back).and_then(|index| tokens.get(index));
    is_word(&tokens[index], "CURSOR")
        && before(1).is_some_and(|token| token.token == Token::LParen)
        && before(2).is_some_and(|token| is_word(token, "TOP_K_ITEMS_TUMBLING"))
}

#[derive(Default)]
struct Scan {
    problems: Vec<SqlProblem>,
    depth: usize,
    /// Whether the tokens are those between FROM and the next clause.
    in_from: bool,
    /// The depth of a call that is rejected, while its arguments are read. They go with it.
    rejected_call: Option<usize>,
}

impl Scan {
    fn token(&mut self, tokens: &[TokenWithSpan], index: usize) {
        let at = tokens[index].span.start;
        match &tokens[index].token {
            Token::LParen => self.depth += 1,
            Token::RParen => {
                self.depth = self.depth.saturating_sub(1);
                if self.rejected_call == Some(self.depth) {
                    self.rejected_call = None;
                }
            }
            Token::Comma if self.in_from && self.depth == 0 => {
                let rewrite = "join the rows where they are read";
                let problem = SqlProblem::new(at, "a comma in FROM", JOIN).rewrite(rewrite);
                self.problems.push(problem);
            }
            Token::Word(word) if word.quote_style.is_none() && self.rejected_call.is_none() => {
                self.word(tokens, index, &word.value.to_ascii_uppercase());
            }
            _ => {}
        }
    }

    fn word(&mut self, tokens: &[TokenWithSpan], index: usize, word: &str) {
        let next = tokens.get(index + 1).map(|token| &token.token);
        let is_call = next == Some(&Token::LParen);
        // `s.over` is a column.
        let is_column = index > 0 && tokens[index - 1].token == Token::Period;
        if is_column {
            return;
        }
        self.clause(word, is_call, index, tokens);
        let call = FUNCTIONS.iter().find(|(name, ..)| is_call && *name == word);
        let call = call.filter(|_| !is_cursor(tokens, index));
        if let Some((name, reason, rewrite)) = call {
            self.push(tokens, index, name, reason, *rewrite);
            self.rejected_call = Some(self.depth);
        }
        let listed = WORDS.iter().find(|(listed, ..)| *listed == word);
        if let Some((_, construct, reason, rewrite)) = listed {
            self.push(tokens, index, construct, reason, *rewrite);
        }
    }

    fn clause(&mut self, word: &str, is_call: bool, index: usize, tokens: &[TokenWithSpan]) {
        let at_top = self.depth == 0;
        match word {
            "FROM" if at_top => {
                self.in_from = true;
                let next = tokens.get(index + 2).map(|token| &token.token);
                let is_subquery = matches!(next, Some(Token::Word(word)) if word.value.eq_ignore_ascii_case("SELECT"));
                if is_call && !is_subquery {
                    let reason = "only a stream can be read";
                    self.push(tokens, index, "FROM (", reason, None);
                }
            }
            "SELECT" | "UNION" | "EXCEPT" | "INTERSECT" if at_top => self.in_from = false,
            "WHERE" | "GROUP" | "HAVING" | "ORDER" | "WINDOW" | "WINDOWED" if at_top => {
                self.in_from = false;
                if word == "WINDOWED" {
                    self.push(
                        tokens,
                        index,
                        "WINDOWED BY STAGGER",
                        "stagger windows are not supported",
                        Some("group by STEP on the same column, beside STEP(ROWTIME BY INTERVAL ...)"),
                    );
                }
            }
            "SELECT" if self.is_subquery(tokens, index) => {
                let reason = "only SELECT DISTINCT can be one, after FROM";
                self.push(tokens, index, "a subquery", reason, Some(NO_SUBQUERY));
            }
            "DISTINCT" => self.distinct(tokens, index),
            _ => {}
        }
    }

    /// Whether a SELECT is a subquery, apart from `FROM (SELECT STREAM DISTINCT ...)`.
    fn is_subquery(&self, tokens: &[TokenWithSpan], index: usize) -> bool {
        if index == 0 || tokens[index - 1].token != Token::LParen {
            return false;
        }
        let is = |index: Option<usize>, word| {
            let token = index.and_then(|index| tokens.get(index));
            token.is_some_and(|token| is_word(token, word))
        };
        let is_read = self.depth == 1 && is(index.checked_sub(2), "FROM");
        let is_distinct = is(Some(index + 1), "DISTINCT")
            || is(Some(index + 1), "STREAM") && is(Some(index + 2), "DISTINCT");
        let is_of_cursor = index
            .checked_sub(2)
            .is_some_and(|index| is_cursor(tokens, index));
        !(is_read && is_distinct || is_of_cursor)
    }

    fn distinct(&mut self, tokens: &[TokenWithSpan], index: usize) {
        let before = |back: usize| {
            let token = index.checked_sub(back).and_then(|index| tokens.get(index));
            token.map(|token| token.token.to_string().to_ascii_uppercase())
        };
        let word = before(1).unwrap_or_default();
        if word == "(" {
            let name = before(2).unwrap_or_default();
            let construct = format!("{name}(DISTINCT)");
            let reason = "aggregates take all values, and AWS rejected it as well";
            self.push(tokens, index, &construct, reason, Some(DISTINCT_ROWS));
        }
    }

    fn push(
        &mut self,
        tokens: &[TokenWithSpan],
        index: usize,
        construct: &str,
        reason: &str,
        rewrite: Option<&str>,
    ) {
        self.problems.push(SqlProblem {
            at: tokens[index].span.start.into(),
            construct: construct.to_owned(),
            reason: reason.to_owned(),
            rewrite: rewrite.map(str::to_owned),
        });
    }
}
