//! Athena: SQL over the archive in the bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_athena::config::retry::RetryConfig;
use aws_sdk_athena::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_athena::types::{
    ColumnInfo, QueryExecution, QueryExecutionContext, QueryExecutionState, Row, StatementType,
};
use aws_sdk_athena::{Client, config};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use windrow_connect::cloud::Cloud;

use crate::diagnostic::chain;
use crate::output::{Cell, CellKind, Heading, shorten};
use crate::sql::Sql;

/// How long a query may take. Athena's own limit is 30 minutes. Source: Athena User Guide, "Service
/// Quotas", DML query timeout.
const TIME_LIMIT: Duration = Duration::from_secs(35 * 60);

/// The first pause between two looks at a query, and the longest; each is half as long again as the
/// one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// How long stopping a query may take, since somebody wants to be gone.
const STOPPING: Duration = Duration::from_secs(2);

/// The most rows that Athena hands out at once. Source: Athena API, GetQueryResults.
const PAGE: i32 = 1_000;

/// Why Athena has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AthenaError {
    /// It does not take the query, or says that it failed.
    #[error("Athena: {0}")]
    Rejected(String),
    /// A call did not come through.
    #[error("Athena gives no answer: {0}")]
    NoAnswer(String),
    /// The query took too long, and was stopped.
    #[error("Athena was not done after {} minutes; the query was stopped", TIME_LIMIT.as_secs() / 60)]
    TooSlow,
    /// The query was stopped by the caller.
    #[error("the query was stopped")]
    Stopped,
}

/// Athena, with the workgroup and the database to ask.
#[derive(Clone, Debug)]
pub struct Athena {
    client: Client,
    workgroup: String,
    database: String,
}

/// A query that has succeeded.
#[derive(Clone, Debug)]
pub struct Finished {
    id: String,
    /// Whether the first row is the headings once more, as it is for what reads data.
    has_head: bool,
    /// How many bytes it cost.
    pub scanned: u64,
    /// How long it ran.
    pub took: Duration,
}

/// Some of a result's rows.
#[derive(Clone, Debug)]
pub struct ResultPage {
    /// The heads of the columns; the same on every page.
    pub headings: Vec<Heading>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// What asks for the next page, if there is one.
    pub next: Option<String>,
}

impl Athena {
    /// Athena in a cloud.
    pub fn new(cloud: &Cloud, workgroup: &str, database: &str) -> Self {
        // A start that is tried again has the same token, so it starts one query.
        let config = config::Builder::from(cloud.config())
            .retry_config(RetryConfig::standard())
            .build();
        Self {
            client: Client::from_conf(config),
            workgroup: workgroup.to_owned(),
            database: database.to_owned(),
        }
    }

    /// Runs a query to its end, and tells `scanned` how many bytes it has read so far. Cancelling
    /// `stop` stops it there as well.
    ///
    /// # Errors
    /// [`AthenaError`]. Whatever it is, the query does not run on.
    pub async fn run(
        &self,
        sql: &Sql,
        scanned: &Arc<AtomicU64>,
        stop: &CancellationToken,
    ) -> Result<Finished, AthenaError> {
        let context = QueryExecutionContext::builder().database(&self.database);
        let started = self
            .client
            .start_query_execution()
            .query_string(sql.text())
            .work_group(&self.workgroup)
            .query_execution_context(context.build())
            .send()
            .await
            .map_err(|error| self.rejected(error))?;
        let Some(id) = started.query_execution_id else {
            return Err(AthenaError::NoAnswer("the query has no id".to_owned()));
        };
        let outcome = tokio::select! {
            () = stop.cancelled() => Err(AthenaError::Stopped),
            outcome = self.wait(&id, scanned) => outcome,
        };
        if outcome.is_err() {
            // Done already, or not to be reached: either way there is nothing more to do.
            let request = self.client.stop_query_execution().query_execution_id(&id);
            let _ = timeout(STOPPING, request.send()).await;
        }
        outcome
    }

    async fn wait(&self, id: &str, scanned: &Arc<AtomicU64>) -> Result<Finished, AthenaError> {
        let give_up = Instant::now() + TIME_LIMIT;
        let (mut pause, longest) = PAUSES;
        loop {
            let request = self.client.get_query_execution().query_execution_id(id);
            let answer = request.send().await.map_err(|error| self.rejected(error))?;
            let Some(execution) = answer.query_execution else {
                return Err(AthenaError::NoAnswer("the query is not there".to_owned()));
            };
            scanned.store(bytes(&execution), Ordering::Relaxed);
            let status = execution.status();
            match status.and_then(|status| status.state()) {
                Some(QueryExecutionState::Succeeded) => return Ok(finished(id, &execution)),
                Some(QueryExecutionState::Failed | QueryExecutionState::Cancelled) => {
                    let reason = status.and_then(|status| status.state_change_reason());
                    let reason = reason.unwrap_or("the query was cancelled");
                    return Err(AthenaError::Rejected(reason.to_owned()));
                }
                _ => {}
            }
            if Instant::now() > give_up {
                return Err(AthenaError::TooSlow);
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(longest);
        }
    }

    /// A page of a result's rows: the first, or the one that `next` asks for.
    ///
    /// # Errors
    /// [`AthenaError`].
    pub async fn page(
        &self,
        finished: &Finished,
        next: Option<String>,
    ) -> Result<ResultPage, AthenaError> {
        let is_first = next.is_none();
        let answer = self
            .client
            .get_query_results()
            .query_execution_id(&finished.id)
            .max_results(PAGE)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| self.rejected(error))?;
        let next = answer.next_token.filter(|token| !token.is_empty());
        let set = answer.result_set;
        let metadata = set.as_ref().and_then(|set| set.result_set_metadata());
        let columns = metadata.map(|metadata| metadata.column_info());
        let columns = columns.unwrap_or_default();
        let mut rows = set.as_ref().map(|set| set.rows()).unwrap_or_default();
        if is_first && finished.has_head && !rows.is_empty() {
            rows = &rows[1..];
        }
        Ok(ResultPage {
            headings: columns.iter().map(heading).collect(),
            rows: rows.iter().map(|row| cells(row, columns)).collect(),
            next,
        })
    }

    fn rejected<E, R>(&self, error: SdkError<E, R>) -> AthenaError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let Some(said) = error.as_service_error() else {
            return AthenaError::NoAnswer(chain(&error));
        };
        let reason = said.message().or(said.code()).unwrap_or("no reason given");
        let Self {
            workgroup,
            database,
            ..
        } = self;
        AthenaError::Rejected(format!(
            "{reason} (workgroup {workgroup}, database {database})"
        ))
    }
}

fn bytes(execution: &QueryExecution) -> u64 {
    let statistics = execution.statistics();
    let bytes = statistics.and_then(|statistics| statistics.data_scanned_in_bytes());
    u64::try_from(bytes.unwrap_or(0)).unwrap_or(0)
}

fn finished(id: &str, execution: &QueryExecution) -> Finished {
    let statistics = execution.statistics();
    let millis = statistics.and_then(|statistics| statistics.total_execution_time_in_millis());
    Finished {
        id: id.to_owned(),
        has_head: execution.statement_type() == Some(&StatementType::Dml),
        scanned: bytes(execution),
        took: Duration::from_millis(u64::try_from(millis.unwrap_or(0)).unwrap_or(0)),
    }
}

/// Source of the types' names: Athena User Guide, "Data types in Amazon Athena".
fn heading(column: &ColumnInfo) -> Heading {
    let kind = match column.r#type().to_ascii_lowercase().as_str() {
        "tinyint" | "smallint" | "integer" | "int" | "bigint" | "float" | "real" | "double"
        | "decimal" => CellKind::Number,
        "boolean" => CellKind::Flag,
        _ => CellKind::Text,
    };
    Heading {
        name: column.label().unwrap_or(column.name()).to_owned(),
        kind,
    }
}

/// A row may be shorter than the headings, where its last cells have no value.
fn cells(row: &Row, columns: &[ColumnInfo]) -> Vec<Cell> {
    let mut data = row.data().iter();
    let cell = |column: &ColumnInfo| {
        let mut text = data.next()?.var_char_value()?.to_owned();
        if column.r#type().eq_ignore_ascii_case("decimal") {
            shorten(&mut text);
        }
        Some(text)
    };
    columns.iter().map(cell).collect()
}
