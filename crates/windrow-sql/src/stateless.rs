//! Pumps without windows at run time: from an input row to rows of the output streams.

use std::sync::Arc;

use windrow_core::time::Timestamp;
use windrow_core::value::FieldValue;

use crate::evaluate::EvalRow;
use crate::finish::Stage;
use crate::output::{OutputRow, OutputStream};
use crate::pump::{EvalError, projected};

/// A pump that filters and projects rows, and writes an output stream.
///
/// An output stream is one that no other pump reads. A row may come to it through several chains of
/// pumps, and is written once for each.
#[derive(Clone, Debug)]
pub struct StatelessPump {
    pub(crate) name: String,
    pub(crate) stream: Arc<OutputStream>,
    /// The chains of pumps from the input stream; the last of each is this one.
    pub(crate) chains: Vec<Vec<Stage>>,
}

impl StatelessPump {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stream that it writes.
    pub fn stream(&self) -> &OutputStream {
        &self.stream
    }

    /// The rows that an input row becomes: none if a WHERE leaves it out, and several if there are
    /// several chains of pumps. Instead of a row, there is an [`EvalError`] if an expression has no
    /// value. `row` is as for [`Pump::groups`](crate::pump::Pump::groups).
    pub fn rows<'r>(
        &'r self,
        row: &'r [FieldValue<'r>],
        arrival: Timestamp,
    ) -> impl Iterator<Item = Result<OutputRow, EvalError>> + 'r {
        let row = EvalRow {
            values: row,
            time: arrival,
        };
        let chains = self.chains.iter();
        chains.filter_map(move |chain| self.through(chain, row).transpose())
    }

    fn through(&self, chain: &[Stage], row: EvalRow<'_>) -> Result<Option<OutputRow>, EvalError> {
        let Some((stage, rest)) = chain.split_first() else {
            return Ok(Some(OutputRow {
                stream: Arc::clone(&self.stream),
                pump: self.name.as_str().into(),
                id: String::new(),
                window_start: row.time,
                values: row.values.iter().map(FieldValue::to_value).collect(),
                order: Vec::new(),
            }));
        };
        let Some(values) = projected(&stage.pump, &stage.stateless, row)? else {
            return Ok(None);
        };
        let next = EvalRow {
            values: &values,
            time: row.time,
        };
        self.through(rest, next)
    }
}
