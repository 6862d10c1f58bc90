//! A SQL text, planned.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;
use windrow_core::row::MergedRow;
use windrow_core::schema::Schema;
use windrow_core::value::{FieldValue, Value};

use crate::body::{self, Body, InsertTarget, Stateless, Windowed};
use crate::columns::{Columns, PumpColumns};
use crate::finish::{FinishedRows, Finishing, PumpFinisher, Regrouping, Stage};
use crate::graph::{self, CompiledPump, Routes, StatelessRoute, WindowedRoute};
use crate::output::{OutputStream, ROW_ID};
use crate::problem::{Position, SqlProblem, SqlProblems};
use crate::pump::{KeyInput, KeyPiece, MeasureInput, Path, Pump};
use crate::scope::{self, Scope};
use crate::select;
use crate::stateless::StatelessPump;
use crate::statement::{self, Name, PumpStatement, Statements};
use crate::types::SqlType;

/// The input stream of an application, unless it has another name.
pub const INPUT_STREAM: &str = "SOURCE_SQL_STREAM_001";

/// A column of the input stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputColumn {
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub sql_type: SqlType,
}

/// The input stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputStream {
    /// Its name, mostly [`INPUT_STREAM`].
    pub name: String,
    /// Its columns.
    pub columns: Vec<InputColumn>,
}

/// A SQL text, planned: input rows to groups, and merged rows to finished ones; or, without windows,
/// input rows to rows of the outputs.
#[derive(Clone, Debug)]
pub struct SqlApplication {
    schema: Arc<Schema>,
    pumps: Vec<Pump>,
    outputs: Vec<Arc<OutputStream>>,
    stateless: Vec<StatelessPump>,
    stateless_outputs: Vec<Arc<OutputStream>>,
    finishers: BTreeMap<String, Finishing>,
    /// The pumps before a window or another stateless pump, and the streams that they write.
    feeds: BTreeMap<String, String>,
}

/// A merged row that is not of this application.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the application has no pump {0}")]
pub struct UnknownPump(pub String);

impl SqlApplication {
    /// Plans a text.
    ///
    /// # Errors
    ///
    /// All [`SqlProblems`] that were found. A text with one is not run at all.
    pub fn new(text: &str, input: &InputStream) -> Result<Self, SqlProblems> {
        let Statements {
            streams,
            pumps,
            mut problems,
        } = statement::parse(text);
        // What a statement with a problem would declare is missing for the others.
        let is_complete = problems.is_empty();
        let mut catalog = Catalog::new(input);
        for stream in streams {
            problems.extend(catalog.add(stream.name, stream.at, stream.columns));
        }
        let mut compiled: Vec<CompiledPump> = Vec::new();
        for pump in &pumps {
            if compiled.iter().any(|other| other.name == pump.name) {
                problems.push(twice(pump.at, "pump", &pump.name));
            }
            match catalog.compile(pump) {
                Ok(pump) => compiled.push(pump),
                Err(others) if is_complete => problems.extend(others),
                Err(others) => {
                    let known = others
                        .into_iter()
                        .filter(|problem| !problem.construct.starts_with("stream "));
                    problems.extend(known);
                }
            }
        }
        if problems.is_empty() && compiled.is_empty() {
            let start = Position { line: 1, column: 1 };
            problems.push(SqlProblem::new(start, "the text", "it has no pump"));
        }
        if !problems.is_empty() {
            return Err(SqlProblems::new(problems));
        }
        let routes = graph::routes(&compiled, &input.name).map_err(SqlProblems::new)?;
        Self::of_routes(&routes, &catalog).map_err(SqlProblems::from)
    }

    /// The columns of the rows: pump, the keys of all pumps, and the parts of their aggregates.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The pumps with windows, in the order of the text.
    pub fn pumps(&self) -> &[Pump] {
        &self.pumps
    }

    /// The pumps that write rows of the input to an output without a window, in the order of the
    /// text.
    pub fn stateless(&self) -> &[StatelessPump] {
        &self.stateless
    }

    /// The streams that [stateless pumps](Self::stateless) write. A stream may be one of the
    /// [`outputs`](Self::outputs), too.
    pub fn stateless_outputs(&self) -> impl Iterator<Item = &OutputStream> {
        self.stateless_outputs.iter().map(|stream| &**stream)
    }

    /// The streams that have finished rows of windows.
    pub fn outputs(&self) -> impl Iterator<Item = &OutputStream> {
        self.outputs.iter().map(|stream| &**stream)
    }

    /// The pumps that filter before a window or another pump without one, and the streams that they
    /// write. These streams are part of the computation; their rows are written nowhere.
    pub fn feeds(&self) -> impl Iterator<Item = (&str, &str)> {
        let feeds = self.feeds.iter();
        feeds.map(|(pump, stream)| (pump.as_str(), stream.as_str()))
    }

    /// Computes the finished rows of the merged rows of one or more windows.
    ///
    /// Rows of a pump that [is regrouped](Pump::is_regrouped) are finished together: without one of
    /// them, the finished rows of its window would be wrong. Rows of other pumps are finished each by
    /// itself.
    ///
    /// # Errors
    ///
    /// [`UnknownPump`] if a row is not of this application.
    pub fn finish<'m>(
        &self,
        merged: impl IntoIterator<Item = &'m MergedRow>,
    ) -> Result<FinishedRows, UnknownPump> {
        let mut by_pump: BTreeMap<&str, (&Finishing, Vec<&MergedRow>)> = BTreeMap::new();
        for row in merged {
            let pump = pump_of(row);
            let finishing = self.finishers.get(pump);
            let finishing = finishing.ok_or_else(|| UnknownPump(pump.to_owned()))?;
            let (_, rows) = by_pump.entry(pump).or_insert((finishing, Vec::new()));
            rows.push(row);
        }
        let mut finished = FinishedRows::default();
        for (finishing, rows) in by_pump.into_values() {
            let of_rows = finishing.finish(&rows);
            finished.rows.extend(of_rows.rows);
            finished.problems.extend(of_rows.problems);
        }
        Ok(finished)
    }

    /// Whether a merged row is of this application.
    pub fn has(&self, merged: &MergedRow) -> bool {
        self.finishers.contains_key(pump_of(merged))
    }

    fn of_routes(routes: &Routes<'_>, catalog: &Catalog) -> Result<Self, SqlProblem> {
        let mut columns = Columns::new();
        let mut parts: Vec<PumpColumns> = Vec::new();
        for route in &routes.windowed {
            let windowed = route.windowed;
            parts.push(columns.add(&windowed.terms, windowed.window, &windowed.aggregates));
        }
        let start = Position { line: 1, column: 1 };
        let schema = columns
            .schema()
            .map_err(|error| SqlProblem::new(start, "the text", error.to_string()))?;
        let mut application = Self {
            schema: Arc::new(schema),
            pumps: Vec::new(),
            outputs: Vec::new(),
            stateless: Vec::new(),
            stateless_outputs: Vec::new(),
            finishers: BTreeMap::new(),
            feeds: BTreeMap::new(),
        };
        for (route, parts) in routes.windowed.iter().zip(parts) {
            let WindowedRoute { pump, windowed, .. } = route;
            let finishing = application.finishing(route, &parts, catalog)?;
            application.finishers.insert(pump.name.clone(), finishing);
            application.add_feeds(route.before.iter().flatten());
            let before = route.before.iter();
            let paths = before.map(|chain| Path(stages(chain))).collect();
            let grouping = pump_of_window(pump, windowed, paths, parts, &columns)?;
            application.pumps.push(grouping);
        }
        for route in &routes.stateless {
            let pump = application.stateless_pump(route, catalog)?;
            application.stateless.push(pump);
        }
        Ok(application)
    }

    fn add_feeds<'p>(&mut self, pumps: impl Iterator<Item = &'p &'p CompiledPump>) {
        let feeds = pumps.map(|pump| (pump.name.clone(), pump.to.clone()));
        self.feeds.extend(feeds);
    }

    fn stateless_pump(
        &mut self,
        route: &StatelessRoute<'_>,
        catalog: &Catalog,
    ) -> Result<StatelessPump, SqlProblem> {
        let StatelessRoute { pump, chains } = route;
        let stream = output(&mut self.stateless_outputs, &pump.to, catalog);
        let mut columns = stream.columns.iter();
        if let Some((column, _)) = columns.find(|(name, _)| name.eq_ignore_ascii_case(ROW_ID)) {
            let construct = format!("column \"{column}\" of stream \"{}\"", pump.to);
            let reason = format!("{ROW_ID} is the field with the id of each row of this output");
            let problem = SqlProblem::new(pump.at, construct, reason);
            return Err(problem.rewrite("give the column another name"));
        }
        let own = |other: &&&CompiledPump| other.name != pump.name;
        self.add_feeds(chains.iter().flatten().filter(own));
        // The streams in between are no outputs.
        let mut between = Vec::new();
        let chains = chains.iter();
        let chains = chains.map(|chain| chain_stages(chain, &mut between, catalog));
        Ok(StatelessPump {
            name: pump.name.clone(),
            stream,
            chains: chains.collect(),
        })
    }

    fn finishing(
        &mut self,
        route: &WindowedRoute<'_>,
        parts: &PumpColumns,
        catalog: &Catalog,
    ) -> Result<Finishing, SqlProblem> {
        let WindowedRoute { pump, windowed, .. } = route;
        let stream = output(&mut self.outputs, &pump.to, catalog);
        let after = self.after(&route.after, catalog);
        let finisher = |windowed: &Windowed, parts: &PumpColumns| PumpFinisher {
            pump: pump.name.clone(),
            stream,
            terms: parts.terms.clone(),
            aggregates: parts.aggregates.clone(),
            having: windowed.having.clone(),
            outputs: windowed.outputs.clone(),
            order: windowed.order.clone(),
            after,
        };
        let Some(outer) = &windowed.outer else {
            let finisher = finisher(windowed, parts);
            return Ok(match windowed.most {
                Some(most) => Finishing::Most(finisher, most),
                None => Finishing::Single(finisher),
            });
        };
        // The distinct rows are an input of their own.
        let mut columns = Columns::new();
        let outer_parts = columns.add(&outer.terms, outer.window, &outer.aggregates);
        let schema = columns
            .schema()
            .map_err(|error| SqlProblem::new(pump.at, "GROUP BY", error.to_string()))?;
        let finisher = finisher(outer, &outer_parts);
        let grouping = pump_of_window(pump, outer, Vec::new(), outer_parts, &columns)?;
        Ok(Finishing::Regrouped(Box::new(Regrouping {
            terms: parts.terms.clone(),
            pump: grouping,
            schema: Arc::new(schema),
            finisher,
        })))
    }

    fn after(&mut self, chains: &[Vec<&CompiledPump>], catalog: &Catalog) -> Vec<Vec<Stage>> {
        let chains = chains.iter();
        let stages = chains.map(|chain| chain_stages(chain, &mut self.outputs, catalog));
        stages.collect()
    }
}

/// The stream of this name among those that are known, to which it is added if it is new.
fn output(known: &mut Vec<Arc<OutputStream>>, name: &str, catalog: &Catalog) -> Arc<OutputStream> {
    if let Some(known) = known.iter().find(|stream| stream.name == name) {
        return Arc::clone(known);
    }
    let stream = Arc::new(OutputStream {
        name: name.to_owned(),
        columns: catalog.columns(name).unwrap_or_default().to_vec(),
    });
    known.push(Arc::clone(&stream));
    stream
}

/// The stages of a chain of stateless pumps.
fn chain_stages(
    chain: &[&CompiledPump],
    known: &mut Vec<Arc<OutputStream>>,
    catalog: &Catalog,
) -> Vec<Stage> {
    let stages = chain.iter().filter_map(|pump| match &pump.body {
        Body::Stateless(stateless) => Some(Stage {
            pump: pump.name.clone(),
            stream: output(known, &pump.to, catalog),
            stateless: stateless.clone(),
        }),
        Body::Windowed(_) => None,
    });
    stages.collect()
}

/// The name of the pump of a row.
fn pump_of(merged: &MergedRow) -> &str {
    match merged.key.first() {
        Some(Value::Text(pump)) => pump,
        _ => "",
    }
}

fn pump_of_window(
    pump: &CompiledPump,
    windowed: &Windowed,
    paths: Vec<Path>,
    parts: PumpColumns,
    columns: &Columns,
) -> Result<Pump, SqlProblem> {
    let window = Pump::tumbling(windowed.window_millis)
        .map_err(|error| SqlProblem::new(pump.at, "GROUP BY", error.to_string()))?;
    Ok(Pump {
        name: pump.name.clone(),
        stream: pump.to.clone(),
        window,
        // At most a day.
        window_seconds: (windowed.window_millis / 1000) as u32,
        key_text: key_text(&pump.name, columns.key_len(), &parts.keys),
        paths,
        is_regrouped: windowed.outer.is_some() || windowed.most.is_some(),
        filter: windowed.filter.clone(),
        keys: parts.keys,
        inputs: by_measure(parts.inputs, columns.measures_len()),
    })
}

fn by_measure(parts: Vec<(usize, MeasureInput)>, measures: usize) -> Vec<Option<MeasureInput>> {
    let mut inputs = vec![None; measures];
    for (measure, input) in parts {
        inputs[measure] = Some(input);
    }
    inputs
}

/// The text of a pump's keys: its name alone if the key has no other column.
fn key_text(pump: &str, columns: usize, terms: &[KeyInput]) -> Vec<KeyPiece> {
    if columns == 1 {
        return vec![KeyPiece::Text(pump.as_bytes().to_vec())];
    }
    let mut text = b"[".to_vec();
    FieldValue::Text(pump.into()).write_json(&mut text);
    let mut pieces = Vec::new();
    for column in 1..columns {
        text.push(b',');
        match terms.iter().position(|term| term.column == column) {
            None => text.extend(b"null"),
            Some(term) => {
                pieces.push(KeyPiece::Text(std::mem::take(&mut text)));
                pieces.push(KeyPiece::Term(term));
            }
        }
    }
    text.push(b']');
    pieces.push(KeyPiece::Text(text));
    pieces
}

fn stages(chain: &[&CompiledPump]) -> Vec<Stateless> {
    let stages = chain.iter().filter_map(|pump| match &pump.body {
        Body::Stateless(stateless) => Some(stateless.clone()),
        Body::Windowed(_) => None,
    });
    stages.collect()
}

fn twice(at: Position, what: &str, name: &str) -> SqlProblem {
    SqlProblem::new(at, format!("{what} \"{name}\""), "it is created twice")
}

/// The streams of a text.
struct Catalog<'i> {
    input: &'i InputStream,
    streams: BTreeMap<String, Vec<(String, SqlType)>>,
}

impl<'i> Catalog<'i> {
    fn new(input: &'i InputStream) -> Self {
        let columns = input.columns.iter();
        let columns = columns.map(|column| (column.name.clone(), column.sql_type));
        Self {
            input,
            streams: BTreeMap::from([(input.name.clone(), columns.collect())]),
        }
    }

    fn add(
        &mut self,
        name: String,
        at: Position,
        columns: Vec<(String, SqlType)>,
    ) -> Option<SqlProblem> {
        if self.streams.contains_key(&name) {
            return Some(twice(at, "stream", &name));
        }
        self.streams.insert(name, columns);
        None
    }

    fn columns(&self, name: &str) -> Option<&[(String, SqlType)]> {
        self.streams.get(name).map(Vec::as_slice)
    }

    fn stream(&self, name: &Name) -> Result<&[(String, SqlType)], SqlProblem> {
        if let Some(columns) = self.columns(&name.text) {
            return Ok(columns);
        }
        let construct = format!("stream \"{}\"", name.text);
        let problem = SqlProblem::new(name.at, construct, "no statement creates it");
        let names = self.streams.keys().map(String::as_str);
        Err(match scope::similar(&name.text, names) {
            Some(similar) => problem.rewrite(scope::did_you_mean(similar)),
            None => problem,
        })
    }

    fn compile(&self, pump: &PumpStatement) -> Result<CompiledPump, Vec<SqlProblem>> {
        let name = Name {
            text: pump.name.clone(),
            at: pump.at,
        };
        let (parts, leftovers) = select::parts(&pump.query, &name)?;
        let columns = self.stream(&parts.from).map_err(|problem| {
            let input = format!("the input stream is \"{}\"", self.input.name);
            match problem.rewrite {
                None => problem.rewrite(input),
                Some(_) => problem,
            }
        });
        let target_columns = self.stream(&pump.target);
        let (columns, target_columns) = match (columns, target_columns) {
            (Ok(columns), Ok(target_columns)) => (columns, target_columns),
            (columns, target) => {
                let streams = [columns.err(), target.err()].into_iter().flatten();
                return Err(leftovers.into_iter().chain(streams).collect());
            }
        };
        // A subquery is what reads the stream, if there is one.
        let reader = parts.subquery.as_deref().unwrap_or(&parts);
        let scope = Scope {
            names: [Some(reader.from.text.clone()), reader.alias.clone()]
                .into_iter()
                .flatten()
                .collect(),
            columns: columns.to_vec(),
            is_input: parts.from.text == self.input.name,
            distinct: None,
        };
        if pump.target.text == self.input.name {
            let construct = format!("stream \"{}\"", pump.target.text);
            let reason = "it is the input stream, which pumps cannot write";
            return Err(vec![SqlProblem::new(pump.target.at, construct, reason)]);
        }
        let target = InsertTarget {
            stream: &pump.target.text,
            columns: target_columns,
            listed: pump.columns.as_deref(),
        };
        let at = pump.at;
        let body = match body::body(&parts, &scope, &target) {
            Ok(body) if leftovers.is_empty() => body,
            body => {
                let problems = body.err().into_iter().flatten().chain(leftovers);
                return Err(problems.map(|problem| problem.or_at(at)).collect());
            }
        };
        Ok(CompiledPump {
            name: pump.name.clone(),
            at: pump.at,
            from: parts.from,
            to: pump.target.text.clone(),
            body,
        })
    }
}
