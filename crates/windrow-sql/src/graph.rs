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

/// What rows of the input go through.
#[derive(Debug)]
pub(crate) struct Routes<'p> {
    pub(crate) windowed: Vec<WindowedRoute<'p>>,
    pub(crate) stateless: Vec<StatelessRoute<'p>>,
}

/// A stateless pump whose rows are an output.
#[derive(Debug)]
pub(crate) struct StatelessRoute<'p> {
    pub(crate) pump: &'p CompiledPump,
    /// The chains of stateless pumps from the input stream. The last of each is the pump itself.
    pub(crate) chains: Vec<Vec<&'p CompiledPump>>,
}

/// The windows of an application, and the outputs that no window is before. An output of stateless
/// pumps is a stream that no other pump reads.
///
/// # Errors
///
/// [`SqlProblem`] for each pump that is not reached, or reads what it cannot.
pub(crate) fn routes<'p>(
    pumps: &'p [CompiledPump],
    input: &str,
) -> Result<Routes<'p>, Vec<SqlProblem>> {
    let graph = Graph { pumps, input };
    let mut problems = graph.cycles();
    problems.extend(graph.unwritten());
    if !problems.is_empty() {
        return Err(problems);
    }
    let reached = graph.streams_of_input();
    let mut routes = Routes {
        windowed: Vec::new(),
        stateless: Vec::new(),
    };
    for pump in pumps {
        let windowed = match &pump.body {
            Body::Windowed(windowed) => windowed,
            Body::Stateless(_) if graph.is_read(&pump.to) => continue,
            Body::Stateless(_) => {
                let mut chains = Vec::new();
                match graph.sources(&reached, pump, vec![pump], &mut chains) {
                    Err(problem) => problems.push(problem),
                    // Only finished rows of windows reach it.
                    Ok(()) if chains.is_empty() => {}
                    Ok(()) => routes.stateless.push(StatelessRoute { pump, chains }),
                }
                continue;
            }
        };
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let walked = graph
            .upstream(pump, &pump.from.text, Vec::new(), &mut before)
            .and_then(|()| graph.downstream(pump, &pump.to, Vec::new(), &mut after));
        match walked {
            Err(problem) => problems.push(problem),
            Ok(()) => routes.windowed.push(WindowedRoute {
                pump,
                windowed,
                before,
                after,
            }),
        }
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

    /// Pumps that read a stream without rows. Where there are none, and no cycles, rows of the input
    /// reach every pump.
    fn unwritten(&self) -> Vec<SqlProblem> {
        let is_written =
            |stream: &str| stream == self.input || self.pumps.iter().any(|pump| pump.to == stream);
        let pumps = self.pumps.iter();
        let unwritten = pumps.filter(|pump| !is_written(&pump.from.text));
        unwritten.map(unwritten_stream).collect()
    }

    fn is_read(&self, stream: &str) -> bool {
        self.pumps.iter().any(|pump| pump.from.text == stream)
    }

    /// The streams that have rows of the input, without a window in between.
    fn streams_of_input(&self) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next = vec![self.input];
        while let Some(stream) = next.pop() {
            if reached.insert(stream) {
                let is_next = |pump: &&CompiledPump| {
                    pump.from.text == stream && matches!(pump.body, Body::Stateless(_))
                };
                let readers = self.pumps.iter().filter(is_next);
                next.extend(readers.map(|pump| pump.to.as_str()));
            }
        }
        reached
    }

    /// The chains of stateless pumps from the input stream to the first pump of `chain`, each
    /// followed by `chain`. `reached` are the streams that have rows of the input, so that no step
    /// is in vain.
    fn sources(
        &self,
        reached: &BTreeSet<&str>,
        output: &CompiledPump,
        chain: Vec<&'p CompiledPump>,
        chains: &mut Vec<Vec<&'p CompiledPump>>,
    ) -> Result<(), SqlProblem> {
        let Some(first) = chain.first().copied() else {
            return Ok(());
        };
        check_length(output, chains.len().max(chain.len()))?;
        let is_before = |pump: &&CompiledPump| {
            let is_reached = reached.contains(pump.from.text.as_str());
            pump.to == first.from.text && matches!(pump.body, Body::Stateless(_)) && is_reached
        };
        for pump in self.pumps.iter().filter(is_before) {
            let longer = std::iter::once(pump).chain(chain.iter().copied());
            self.sources(reached, output, longer.collect(), chains)?;
        }
        if first.from.text == self.input {
            chains.push(chain);
        }
        Ok(())
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

fn unwritten_stream(pump: &CompiledPump) -> SqlProblem {
    let construct = format!("stream \"{}\"", pump.from.text);
    SqlProblem::new(
        pump.from.at,
        construct,
        "no pump writes it, so it has no rows",
    )
}
