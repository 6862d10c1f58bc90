//! The finished rows of an application's windows, for the finisher.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambda_runtime::tracing;
use windrow_core::row::MergedRow;
use windrow_core::schema::Schema;
use windrow_lambda::finisher::{FinishedRow, WindowOutputs};
use windrow_sql::application::SqlApplication;

/// The most values of a window that are logged because they could not be computed.
const MOST_LOGGED_PROBLEMS: usize = 10;

/// The output streams of an application that have rows of windows.
#[derive(Clone, Debug)]
pub struct SqlOutputs(Arc<SqlApplication>);

impl SqlOutputs {
    /// The outputs of an application.
    pub fn new(application: Arc<SqlApplication>) -> Self {
        Self(application)
    }
}

impl WindowOutputs for SqlOutputs {
    fn schema(&self) -> &Arc<Schema> {
        self.0.schema()
    }

    fn columns(&self) -> BTreeMap<String, Vec<String>> {
        let outputs = self.0.outputs().map(|stream| {
            let columns = stream.columns.iter().map(|(column, _)| column.clone());
            (stream.name.clone(), columns.collect())
        });
        outputs.collect()
    }

    fn finish(&self, merged: &[MergedRow]) -> Vec<FinishedRow> {
        // Rows of pumps that an earlier text had stay in the stream until they expire.
        let known = merged.iter().filter(|row| self.0.has(row));
        let finished = match self.0.finish(known) {
            Ok(finished) => finished,
            Err(error) => {
                tracing::error!(%error, "could not finish a window");
                return Vec::new();
            }
        };
        for problem in finished.problems.iter().take(MOST_LOGGED_PROBLEMS) {
            tracing::warn!(%problem, "a value could not be computed, and is null");
        }
        let rows = finished.rows.into_iter().map(|row| FinishedRow {
            fields: row.fields(),
            output: row.stream.name.as_str().into(),
            id: format!("{}/{}", row.stream.name, row.id),
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use windrow_lambda::finisher::settings::FinisherSettings;
    use windrow_sql::input::InputSchema;
    use windrow_sql::output::FINISHED_FIELDS;
    use windrow_sql::sensor::SqlSensor;

    use super::*;

    #[test]
    fn fields_of_finished_rows_cannot_be_columns() {
        let checked = |column: &str| {
            let text = format!(
                r#"CREATE STREAM "OUT" ("{column}" BIGINT);
                CREATE PUMP "P" AS INSERT INTO "OUT" SELECT STREAM COUNT(*)
                FROM source_sql_stream_001 GROUP BY FLOOR(ROWTIME TO MINUTE);"#
            );
            let schema = r#"{"RecordColumns":[{"Name":"id","SqlType":"INTEGER"}]}"#;
            let sensor = SqlSensor::new(&text, InputSchema::parse(schema).unwrap()).unwrap();
            let outputs = SqlOutputs::new(Arc::clone(sensor.application()));
            let settings = FinisherSettings::read(|name| {
                let value = if name == "OUTPUT_STREAMS" {
                    r#"{"OUT":"out"}"#
                } else {
                    "name"
                };
                Some(value.to_owned())
            });
            settings.unwrap().check(&outputs).is_ok()
        };
        assert!(checked("n"));
        for field in FINISHED_FIELDS {
            assert!(
                !checked(field) && !checked(&field.to_lowercase()),
                "{field}"
            );
        }
    }
}
