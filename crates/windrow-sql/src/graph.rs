//! Which rows reach which pump: chains of filters and projections are followed to the windows that
//! they feed, and from the windows on.

use std::collections::{BTreeMap, BTreeSet};

use crate::body::{Body, Windowed};
use crate::problem::{Position, SqlProblem};
use crate::statement::Name;

/// A pump whose SELECT is compiled.
#[derive(Debug)]
pub(crate) struct CompiledPump {
    pub(crate) name: String,
    pub(crate) at: Position,
    /// The stream that it reads.
    pub(crate) from: Name,
    /// The stream that it writes.
    pub(crate) to: String,
    pub(crate) body: Body,
}

/// A window, and what is before and after it.
#[derive(Debug)]
pub(crate) struct WindowedRoute<'p> {
    pub(crate) pump: &'p CompiledPump,
    pub(crate) windowed: &'p Windowed,
    /// The chains of stateless pumps from the input stream, in order; a row goes through each.
    pub(crate) before: Vec<Vec<&'p CompiledPump>>,
    /// The chains of stateless pumps that read the finished rows.
    pub(crate) after: Vec<Vec<&'p CompiledPump>>,
}

/// The most chains before or after a window.
pub(crate) const MOST_CHAINS: usize = 64;

/// The windows of an application.
///
/// # Errors
///
/// [`SqlProblem`] for each pump that is not reached, is not used, or reads what it cannot.
pub(crate) fn routes<'p>(
    pumps: &'p [CompiledPump],
    input: &str,
) -> Result<Vec<WindowedRoute<'p>>, Vec<SqlProblem>> {
    let graph = Graph { pumps, input };
    let mut problems = graph.cycles();
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut routes = Vec::new();
    let mut used = BTreeSet::new();
    for pump in pumps {
        let Body::Windowed(windowed) = &pump.body else {
            continue;
        };
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let walked = graph
            .upstream(pump, &pump.from.text, Vec::new(), &mut before)
            .and_then(|()| graph.downstream(pump, &pump.to, Vec::new(), &mut after));
        match walked {
            Err(problem) => problems.push(problem),
            Ok(()) if before.is_empty() => problems.push(unwritten(pump)),
            Ok(()) => {
                let chains = before.iter().chain(&after);
                used.extend(chains.flatten().map(|pump| pump.name.as_str()));
                routes.push(WindowedRoute {
                    pump,
                    windowed,
                    before,
                    after,
                });
            }
        }
    }
    // Which of the others are not used is only known once all windows are.
    if problems.is_empty() {
        problems.extend(pumps.iter().filter_map(|pump| {
            let is_stateless = matches!(pump.body, Body::Stateless(_));
            (is_stateless && !used.contains(pump.name.as_str())).then(|| unused(pump))
        }));
    }
    if problems.is_empty() {
        Ok(routes)
    } else {
        Err(problems)
    }
}

struct Graph<'p, 'i> {
    pumps: &'p [CompiledPump],
    input: &'i str,
}

impl<'p> Graph<'p, '_> {
    /// A pump is part of a cycle if its own rows reach it.
    fn cycles(&self) -> Vec<SqlProblem> {
        let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for pump in self.pumps {
            let of_stream = targets.entry(pump.from.text.as_str()).or_default();
            of_stream.push(pump.to.as_str());
        }
        let is_cyclic = |pump: &&CompiledPump| {
            let mut reached = BTreeSet::new();
            let mut next = vec![pump.to.as_str()];
            while let Some(stream) = next.pop() {
                if stream == pump.from.text {
                    return true;
                }
                if reached.insert(stream) {
                    next.extend(targets.get(stream).into_iter().flatten());
                }
            }
            false
        };
        let problem = |pump: &CompiledPump| {
            let construct = format!("pump \"{}\"", pump.name);
            SqlProblem::new(
                pump.at,
                construct,
                "it reads rows that were made of its own",
            )
        };
        self.pumps.iter().filter(is_cyclic).map(problem).collect()
    }

    fn upstream(
        &self,
        window: &CompiledPump,
        stream: &str,
        chain: Vec<&'p CompiledPump>,
        chains: &mut Vec<Vec<&'p CompiledPump>>,
    ) -> Result<(), SqlProblem> {
        if stream == self.input {
            chains.push(chain.iter().rev().copied().collect());
        }
        for pump in self.pumps.iter().filter(|pump| pump.to == stream) {
            if matches!(pump.body, Body::Windowed(_)) {
                return Err(window_over_window(window, &pump.name));
            }
            let mut chain = chain.clone();
            chain.push(pump);
            check_length(window, chains.len().max(chain.len()))?;
            self.upstream(window, &pump.from.text, chain, chains)?;
        }
        Ok(())
    }

    fn downstream(
        &self,
        window: &CompiledPump,
        stream: &str,
        chain: Vec<&'p CompiledPump>,
        chains: &mut Vec<Vec<&'p CompiledPump>>,
    ) -> Result<(), SqlProblem> {
        for pump in self.pumps.iter().filter(|pump| pump.from.text == stream) {
            if matches!(pump.body, Body::Windowed(_)) {
                return Err(window_over_window(pump, &window.name));
            }
            let mut chain = chain.clone();
            chain.push(pump);
            check_length(window, chains.len().max(chain.len()))?;
            chains.push(chain.clone());
            self.downstream(window, &pump.to, chain, chains)?;
        }
        Ok(())
    }
}

fn check_length(window: &CompiledPump, length: usize) -> Result<(), SqlProblem> {
    if length < MOST_CHAINS {
        return Ok(());
    }
    let reason = format!("rows reach or leave it by more than {MOST_CHAINS} chains of pumps");
    Err(SqlProblem::new(
        window.at,
        format!("pump \"{}\"", window.name),
        reason,
    ))
}

fn window_over_window(reader: &CompiledPump, written_by: &str) -> SqlProblem {
    let construct = "a window over a window";
    let reason = format!(
        "stream \"{}\" has the rows of the windows of pump \"{written_by}\"",
        reader.from.text
    );
    let problem = SqlProblem::new(reader.from.at, construct, reason);
    problem.rewrite("aggregate the input stream")
}

fn unwritten(pump: &CompiledPump) -> SqlProblem {
    let construct = format!("stream \"{}\"", pump.from.text);
    SqlProblem::new(
        pump.from.at,
        construct,
        "no pump writes it, so it has no rows",
    )
}

fn unused(pump: &CompiledPump) -> SqlProblem {
    let construct = format!("pump \"{}\"", pump.name);
    let reason = "filters that end in an output stream are not supported yet";
    SqlProblem::new(pump.at, construct, reason)
}
