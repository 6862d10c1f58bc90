//! Runs SQL over the archive in Athena.

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

use crate::output::{Cell, CellKind, Heading, shorten};
use crate::sql::Sql;
use windrow_service::chain;

/// The time limit for a query. Athena's own limit is 30 minutes. Source: Athena User Guide,
/// "Service Quotas", DML query timeout.
const TIME_LIMIT: Duration = Duration::from_secs(35 * 60);

/// The first and the longest pause between two status checks. Each is 1.5 times the previous one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// The time limit for stopping a query: the user is waiting for the exit.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum number of rows per page. Source: Athena API, GetQueryResults.
const PAGE: i32 = 1_000;

/// Why a query in Athena failed.
#[derive(Debug, thiserror::Error)]
pub enum AthenaError {
    /// Athena rejected the query, or the query failed.
    #[error("Athena: {0}")]
    Rejected(String),
    /// A call got no usable response.
    #[error("no response from Athena: {0}")]
    NoResponse(String),
    /// The query took too long, and was stopped.
    #[error("the query did not finish within {} minutes and was stopped", TIME_LIMIT.as_secs() / 60)]
    TooSlow,
    /// The query was stopped by the caller.
    #[error("the query was stopped")]
    Stopped,
}

/// Athena, with the workgroup and database to use.
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
    /// Whether the first row repeats the headings, as it does for queries that read data.
    has_head: bool,
    /// How many bytes it scanned.
    pub scanned: u64,
    /// How long it ran.
    pub took: Duration,
}

/// A page of a result.
#[derive(Clone, Debug)]
pub struct ResultPage {
    /// The column headings; the same on every page.
    pub headings: Vec<Heading>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

impl Athena {
    /// Creates a client for Athena in `cloud`.
    pub fn new(cloud: &Cloud, workgroup: &str, database: &str) -> Self {
        // A retried start has the same token, so it starts only one query.
        let config = config::Builder::from(cloud.config())
            .retry_config(RetryConfig::standard())
            .build();
        Self {
            client: Client::from_conf(config),
            workgroup: workgroup.to_owned(),
            database: database.to_owned(),
        }
    }

    /// Runs a query and waits for it. Updates `scanned` with the bytes scanned so far. Cancelling
    /// `stop` also stops the query in Athena.
    ///
    /// # Errors
    /// [`AthenaError`]. The query is then stopped.
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
            return Err(AthenaError::NoResponse("the query has no ID".to_owned()));
        };
        let outcome = tokio::select! {
            () = stop.cancelled() => Err(AthenaError::Stopped),
            outcome = self.wait(&id, scanned) => outcome,
        };
        if outcome.is_err() {
            // If this fails, the query has ended or Athena is unreachable: nothing more to do.
            let request = self.client.stop_query_execution().query_execution_id(&id);
            let _ = timeout(STOP_TIMEOUT, request.send()).await;
        }
        outcome
    }

    async fn wait(&self, id: &str, scanned: &Arc<AtomicU64>) -> Result<Finished, AthenaError> {
        let deadline = Instant::now() + TIME_LIMIT;
        let (mut pause, longest) = PAUSES;
        loop {
            let request = self.client.get_query_execution().query_execution_id(id);
            let response = request.send().await.map_err(|error| self.rejected(error))?;
            let Some(execution) = response.query_execution else {
                return Err(AthenaError::NoResponse("the query is missing".to_owned()));
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
            if Instant::now() > deadline {
                return Err(AthenaError::TooSlow);
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(longest);
        }
    }

    /// Fetches a page of a result: the first, or the one of the token `next`.
    ///
    /// # Errors
    /// [`AthenaError`].
    pub async fn page(
        &self,
        finished: &Finished,
        next: Option<String>,
    ) -> Result<ResultPage, AthenaError> {
        let is_first = next.is_none();
        let response = self
            .client
            .get_query_results()
            .query_execution_id(&finished.id)
            .max_results(PAGE)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| self.rejected(error))?;
        let next = response.next_token.filter(|token| !token.is_empty());
        let set = response.result_set;
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
        let Some(service_error) = error.as_service_error() else {
            return AthenaError::NoResponse(chain(&error));
        };
        let reason = service_error
            .message()
            .or(service_error.code())
            .unwrap_or("no reason given");
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

/// A column's heading. Source of the type names: Athena User Guide, "Data types in Amazon Athena".
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

/// A row's cells. A row may be shorter than the headings if its last cells have no value.
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
