//! The columns of the one schema that all pumps of an application share.

use windrow_core::schema::{EXPIRES_AT, KeyColumn, MeasureColumn, SOURCE, Schema, SchemaError};
use windrow_core::value::{ColumnType, NumberType};

use crate::body::Program;
use crate::compile::AggregateFunction;
use crate::expression::Type;
use crate::finish::{AggregateSource, TermSource};
use crate::group::{ComputedAggregate, Term};
use crate::pump::{InputForm, KeyInput, MeasureInput};
use crate::types::{FLOAT_SUM_PLACES, SqlType};

/// The key column with the pump's name.
pub const PUMP: &str = "Pump";

/// The column with the window's start.
pub const WINDOW_START: &str = "WindowStart";

/// Collects the columns.
#[derive(Debug)]
pub(crate) struct Columns {
    key: Vec<KeyColumn>,
    /// The text of the terms and aggregates that the columns were made for.
    key_texts: Vec<String>,
    measures: Vec<MeasureColumn>,
    measure_texts: Vec<String>,
}

/// What a pump needs to fill and to read the columns.
pub(crate) struct PumpColumns {
    pub(crate) keys: Vec<KeyInput>,
    pub(crate) inputs: Vec<(usize, MeasureInput)>,
    pub(crate) terms: Vec<TermSource>,
    pub(crate) aggregates: Vec<AggregateSource>,
}

impl Columns {
    pub(crate) fn new() -> Self {
        Self {
            key: vec![KeyColumn::new(PUMP, ColumnType::Text)],
            key_texts: vec![String::new()],
            measures: Vec::new(),
            measure_texts: Vec::new(),
        }
    }

    /// Adds what a pump needs. Columns with the same text and type are shared by pumps.
    pub(crate) fn add(
        &mut self,
        terms: &[Term],
        window: usize,
        aggregates: &[ComputedAggregate],
    ) -> PumpColumns {
        let mut columns = PumpColumns {
            keys: Vec::new(),
            inputs: Vec::new(),
            terms: Vec::new(),
            aggregates: Vec::new(),
        };
        for (index, term) in terms.iter().enumerate() {
            let program = Program {
                node: term.node.clone(),
                text: term.name.clone(),
            };
            if index == window {
                columns.terms.push(TermSource::Window(program));
                continue;
            }
            let column_type = column_type(term.node.value_type);
            let used: Vec<usize> = columns.keys.iter().map(|key| key.column).collect();
            let column = self.key_column(&term.name, column_type, &used);
            columns.terms.push(TermSource::Key(column));
            columns.keys.push(KeyInput {
                program,
                column,
                scale: scale(term.node.value_type),
            });
        }
        for aggregate in aggregates {
            let source = self.aggregate(aggregate, &mut columns.inputs);
            columns.aggregates.push(source);
        }
        columns
    }

    /// The schema.
    pub(crate) fn schema(&self) -> Result<Schema, SchemaError> {
        Schema::new(self.key.clone(), WINDOW_START, self.measures.clone())
    }

    pub(crate) fn key_len(&self) -> usize {
        self.key.len()
    }

    pub(crate) fn measures_len(&self) -> usize {
        self.measures.len()
    }

    fn key_column(&mut self, text: &str, column_type: ColumnType, used: &[usize]) -> usize {
        let columns = self.key.iter().zip(&self.key_texts).enumerate();
        let shared = columns.skip(1).find(|(index, (column, known))| {
            *known == text && column.column_type == column_type && !used.contains(index)
        });
        if let Some((index, _)) = shared {
            return index;
        }
        let name = self.unique(text);
        self.key.push(KeyColumn::new(name, column_type).nullable());
        self.key_texts.push(text.to_owned());
        self.key.len() - 1
    }

    fn aggregate(
        &mut self,
        aggregate: &ComputedAggregate,
        inputs: &mut Vec<(usize, MeasureInput)>,
    ) -> AggregateSource {
        let mut part = |kind, form| {
            aggregate
                .arg
                .as_ref()
                .map(|_| self.measure(aggregate, kind, form, inputs))
        };
        let arg_type = aggregate
            .arg
            .as_ref()
            .map_or(Type::Null, |arg| arg.value_type);
        let summed = match arg_type {
            Type::Sql(sql_type) if sql_type.is_float() => InputForm::Float {
                is_real: sql_type == SqlType::Real,
            },
            other => InputForm::Sum(scale(other)),
        };
        let (value, count) = match aggregate.aggregate {
            AggregateFunction::Count => (None, part(AggregateFunction::Count, InputForm::One)),
            AggregateFunction::Sum => (part(AggregateFunction::Sum, summed), None),
            AggregateFunction::Average => (
                part(AggregateFunction::Sum, summed),
                part(AggregateFunction::Count, InputForm::One),
            ),
            kind => (part(kind, InputForm::Value(scale(arg_type))), None),
        };
        AggregateSource {
            aggregate: aggregate.aggregate,
            value_type: aggregate.value_type,
            value,
            count,
        }
    }

    /// The measure of a part of an aggregate: that of another part of the pump with the same input,
    /// or a column of its own, which other pumps may have as well.
    fn measure(
        &mut self,
        aggregate: &ComputedAggregate,
        kind: AggregateFunction,
        form: InputForm,
        inputs: &mut Vec<(usize, MeasureInput)>,
    ) -> usize {
        let name = match kind {
            AggregateFunction::Count => "COUNT",
            AggregateFunction::Min => "MIN",
            AggregateFunction::Max => "MAX",
            _ => "SUM",
        };
        let text = format!("{name}({})", aggregate.arg_name);
        let Some(arg) = &aggregate.arg else {
            return 0;
        };
        let same = inputs.iter().find(|(measure, input)| {
            input.program.node == *arg
                && input.form == form
                && self.measure_texts[*measure].starts_with(name)
        });
        if let Some((measure, _)) = same {
            return *measure;
        }
        let column = measure_column(kind, form, arg.value_type);
        let known = self
            .measures
            .iter()
            .zip(&self.measure_texts)
            .position(|(measure, known)| {
                *known == text && measure.measure_type == column.measure_type
            });
        let shared = known.filter(|index| inputs.iter().all(|(measure, _)| measure != index));
        let measure = shared.unwrap_or(self.measures.len());
        if shared.is_none() {
            let name = self.unique(&text);
            self.measures.push(MeasureColumn { name, ..column });
            self.measure_texts.push(text.clone());
        }
        let program = Program {
            node: arg.clone(),
            text,
        };
        inputs.push((measure, MeasureInput { program, form }));
        measure
    }

    /// A name that no other column has, whatever its case, since tables may ignore it.
    fn unique(&self, text: &str) -> String {
        let reserved = [WINDOW_START, SOURCE, "Key", EXPIRES_AT];
        let key = self.key.iter().map(|column| column.name.as_str());
        let measures = self.measures.iter().map(|column| column.name.as_str());
        let taken: Vec<String> = key
            .chain(measures)
            .chain(reserved)
            .map(str::to_lowercase)
            .collect();
        let mut name = text.to_owned();
        let mut number = 2_u32;
        while taken.contains(&name.to_lowercase()) || name.is_empty() {
            name = format!("{text}_{number}");
            number += 1;
        }
        name
    }
}

fn measure_column(kind: AggregateFunction, form: InputForm, arg: Type) -> MeasureColumn {
    let column = match (kind, form) {
        (AggregateFunction::Min, _) => MeasureColumn::min("", column_type(arg)),
        (AggregateFunction::Max, _) => MeasureColumn::max("", column_type(arg)),
        (AggregateFunction::Count, _) => MeasureColumn::sum("", NumberType::any(0)),
        (_, InputForm::Float { .. }) => MeasureColumn::sum("", NumberType::any(FLOAT_SUM_PLACES)),
        _ => MeasureColumn::sum("", NumberType::any(scale(arg))),
    };
    column.nullable()
}

fn column_type(value_type: Type) -> ColumnType {
    match value_type {
        Type::Sql(sql_type) => sql_type.column_type(),
        Type::Interval(_) => ColumnType::Number(NumberType::I64),
        Type::Null => ColumnType::Text,
    }
}

fn scale(value_type: Type) -> u8 {
    value_type.sql().map_or(0, SqlType::scale)
}
