//! Which applications are of the usual form.

use super::{
    MOST_NUMBERS, MOST_TEXTS, PlainForm, PlainInput, PlainKeyPiece, PlainMeasure, PlainPlan,
    PlainPump, PlainStep,
};
use crate::application::SqlApplication;
use crate::body::Program;
use crate::expression::NodeKind;
use crate::input::RecordColumn;
use crate::pump::{InputForm, KeyInput, KeyPiece, MeasureInput, Pump};
use crate::types::SqlType;

impl PlainPlan {
    /// The plan for an application whose input has these columns, and whose arrival times may be in
    /// one of them. `None` if it is not of the usual form.
    pub(crate) fn new(
        application: &SqlApplication,
        columns: &[RecordColumn],
        rowtime: Option<usize>,
    ) -> Option<Self> {
        if !application.stateless().is_empty() {
            return None;
        }
        let mut planner = PlainPlanner {
            columns,
            steps: Vec::new(),
        };
        if let Some(column) = rowtime {
            planner.steps.push(PlainStep {
                column,
                form: PlainForm::RowTime,
                slot: 0,
            });
        }
        let pumps = application.pumps().iter();
        let pumps: Vec<PlainPump> = pumps
            .map(|pump| planner.pump(pump))
            .collect::<Option<_>>()?;
        // The index of a pump has 16 bits.
        u16::try_from(pumps.len()).ok()?;
        planner.check_others();
        let (steps, further_steps) = planner.by_column();
        Some(Self {
            steps,
            further_steps,
            has_rowtime: rowtime.is_some(),
            pumps,
        })
    }
}

struct PlainPlanner<'c> {
    columns: &'c [RecordColumn],
    steps: Vec<PlainStep>,
}

impl PlainPlanner<'_> {
    fn pump(&mut self, pump: &Pump) -> Option<PlainPump> {
        let [path] = pump.paths.as_slice() else {
            return None;
        };
        if pump.filter.is_some() || !path.0.is_empty() {
            return None;
        }
        let mut key = Vec::new();
        for piece in &pump.key_text {
            key.push(match piece {
                KeyPiece::Text(text) => {
                    PlainKeyPiece::Always(String::from_utf8(text.clone()).ok()?)
                }
                KeyPiece::Term(index) => self.term(pump.keys.get(*index)?)?,
            });
        }
        let mut measures = Vec::new();
        for (measure, input) in pump.inputs.iter().enumerate() {
            if let Some(input) = input {
                measures.push(self.measure(measure, input)?);
            }
        }
        Some(PlainPump { key, measures })
    }

    fn term(&mut self, term: &KeyInput) -> Option<PlainKeyPiece> {
        let column = column_of(&term.program)?;
        match self.columns.get(column)?.sql_type {
            SqlType::Varchar(length) => {
                let length = length as usize;
                let slot = self.slot(column, PlainForm::Text { length })?;
                Some(PlainKeyPiece::Text(slot))
            }
            sql_type if sql_type.is_exact() && sql_type.scale() == term.scale => {
                let slot = self.slot(column, exact(sql_type)?)?;
                Some(PlainKeyPiece::Number(slot, term.scale))
            }
            _ => None,
        }
    }

    fn measure(&mut self, measure: usize, input: &MeasureInput) -> Option<PlainMeasure> {
        let column = column_of(&input.program)?;
        let sql_type = self.columns.get(column)?.sql_type;
        let (form, kept) = match (input.form, sql_type) {
            (InputForm::Float { is_real: false }, SqlType::Double) => {
                (PlainForm::Digits, PlainInput::Digits)
            }
            (InputForm::Value(_), SqlType::Double) => (PlainForm::Bits, PlainInput::Bits),
            (InputForm::Value(_), SqlType::Timestamp) => (PlainForm::Millis, PlainInput::Millis),
            (InputForm::Value(scale) | InputForm::Sum(scale), _)
                if sql_type.is_exact() && sql_type.scale() == scale =>
            {
                (exact(sql_type)?, PlainInput::Exact(scale))
            }
            // Of a column that is summed as well, the number is shared.
            (InputForm::One, SqlType::Double) => (PlainForm::Digits, PlainInput::One),
            (InputForm::One, SqlType::Timestamp) => (PlainForm::Millis, PlainInput::One),
            (InputForm::One, _) if sql_type.is_exact() => (exact(sql_type)?, PlainInput::One),
            _ => return None,
        };
        Some(PlainMeasure {
            measure,
            slot: self.slot(column, form)?,
            input: kept,
        })
    }

    /// The slot for a column in this form; `None` if there is none left.
    fn slot(&mut self, column: usize, form: PlainForm) -> Option<usize> {
        let known = self
            .steps
            .iter()
            .find(|step| step.column == column && step.form == form);
        if let Some(known) = known {
            return Some(known.slot);
        }
        let is_text = |form| matches!(form, PlainForm::Text { .. });
        let has_slot = |step: &&PlainStep| {
            step.form != PlainForm::RowTime && is_text(step.form) == is_text(form)
        };
        let slot = self.steps.iter().filter(has_slot).count();
        let most = if is_text(form) {
            MOST_TEXTS
        } else {
            MOST_NUMBERS
        };
        if slot == most {
            return None;
        }
        self.steps.push(PlainStep { column, form, slot });
        Some(slot)
    }

    /// The first step of each column, and all others.
    fn by_column(mut self) -> (Vec<PlainStep>, Vec<PlainStep>) {
        self.steps.sort_by_key(|step| step.column);
        let (mut first, mut others) = (Vec::new(), Vec::new());
        for step in self.steps {
            if step.column == first.len() {
                first.push(step);
            } else {
                others.push(step);
            }
        }
        (first, others)
    }

    /// Checks the columns of which nothing is kept.
    fn check_others(&mut self) {
        for column in 0..self.columns.len() {
            if self.steps.iter().all(|step| step.column != column) {
                self.steps.push(PlainStep {
                    column,
                    form: PlainForm::Checked,
                    slot: 0,
                });
            }
        }
    }
}

/// The column that an expression is, if it is nothing else.
fn column_of(program: &Program) -> Option<usize> {
    match program.node.kind {
        NodeKind::Column(column) => Some(column),
        _ => None,
    }
}

fn exact(sql_type: SqlType) -> Option<PlainForm> {
    let (lowest, highest) = sql_type.bounds()?;
    let clamp = |bound: i128| bound.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    Some(PlainForm::Exact {
        scale: sql_type.scale(),
        lowest: clamp(lowest),
        highest: clamp(highest),
    })
}
