//! The query engine: plans a statement on the local tables and runs it.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::config::Dialect;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::common::{DataFusionError, SchemaError, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::{AggregateUDF, LogicalPlan};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Ast;

use crate::diagnostic::Diagnostic;
use crate::sql::Sql;
use crate::tables::{QueryTables, Table};
use windrow_service::chain;

/// The catalog of the tables in Athena.
const CATALOG: &str = "awsdatacatalog";

/// Trino's aggregates that return an arbitrary value.
const ANY_VALUE: [&str; 2] = ["arbitrary", "any_value"];

/// The engine and its tables.
pub struct Engine {
    context: SessionContext,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Creates an engine without tables, which `database` may precede in SQL. Sorting, grouping and joining use at most `memory_bytes`.
    ///
    /// # Errors
    /// If there is no folder for temporary files.
    pub fn new(memory_bytes: usize, database: &str) -> Result<Self, DataFusionError> {
        let mut config = SessionConfig::new().with_default_catalog_and_schema(CATALOG, database);
        let parsing = &mut config.options_mut().sql_parser;
        parsing.dialect = Dialect::Generic;
        // `Sql` has normalized the names, and Trino sorts nulls last.
        parsing.enable_ident_normalization = false;
        parsing.default_null_ordering = "nulls_last".to_owned();
        // 29.5 is a decimal, as in Trino, so comparisons with Distance are exact.
        parsing.parse_float_as_decimal = true;
        parsing.collect_spans = true;
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes)))
            .build_arc()?;
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .build();
        let context = SessionContext::new_with_state(state);
        context.register_udaf(AggregateUDF::clone(&first_value_udaf()).with_aliases(ANY_VALUE));
        Ok(Self { context })
    }

    /// Adds a table.
    ///
    /// # Errors
    /// If it was added before.
    pub fn add(
        &mut self,
        table: &Table,
        provider: Arc<dyn TableProvider>,
    ) -> Result<(), DataFusionError> {
        let name = TableReference::bare(table.name.as_str());
        self.context.register_table(name, provider)?;
        Ok(())
    }

    /// Starts a query. Returns the schema and the stream of its rows, at most `most` of them.
    ///
    /// A query that only filters and projects returns rows in the archive's order. Other queries
    /// read the archive on all processors.
    ///
    /// # Errors
    /// [`Diagnostic`] if the statement is not valid for these tables.
    pub async fn start(
        &self,
        sql: &Sql,
        statement: Ast,
        most: Option<usize>,
    ) -> Result<(SchemaRef, SendableRecordBatchStream), Diagnostic> {
        let report = |error| diagnostic(sql, error);
        let statement = Statement::Statement(Box::new(statement));
        let state = self.context.state();
        let plan = state.statement_to_plan(statement).await.map_err(report)?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(report)?;

        let explains = matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
        if keeps_order(&state.optimize(&plan).map_err(report)?).map_err(report)? {
            let state = self.context.state_ref();
            let mut state = state.write();
            state.config_mut().options_mut().execution.target_partitions = 1;
        }
        let mut frame = DataFrame::new(self.context.state(), plan);
        if let Some(most) = most.filter(|_| !explains) {
            frame = frame.limit(0, Some(most)).map_err(report)?;
        }
        let rows = frame.execute_stream().await.map_err(report)?;
        Ok((rows.schema(), rows))
    }
}

/// The names of the tables that a statement reads, without those it defines itself.
///
/// # Errors
/// [`Diagnostic`] if a name is not a valid table name.
pub fn names_of(sql: &Sql, statement: &Ast) -> Result<Vec<TableReference>, Diagnostic> {
    let statement = Statement::Statement(Box::new(statement.clone()));
    let names = datafusion::sql::resolve::resolve_table_references(&statement, false);
    names
        .map(|(names, _)| names)
        .map_err(|error| diagnostic(sql, error))
}

/// The tables that a statement reads, looked up in `tables`.
///
/// # Errors
/// [`Diagnostic`] about the first table that is not in `tables`.
pub fn tables_of(
    sql: &Sql,
    statement: &Ast,
    tables: &QueryTables,
) -> Result<Vec<Arc<Table>>, Diagnostic> {
    let find = |name: TableReference| {
        let table = tables.find(name.table()).cloned();
        table.ok_or_else(|| unknown(sql, name.table(), tables))
    };
    names_of(sql, statement)?.into_iter().map(find).collect()
}

/// A diagnostic for an unknown table.
pub fn unknown(sql: &Sql, name: &str, tables: &QueryTables) -> Diagnostic {
    let help = format!("there are: {}", tables.names());
    sql.about(name, format!("there is no table {name}"))
        .help(help)
}

/// Whether the plan handles each row on its own, so that rows can keep the order they are read in.
fn keeps_order(plan: &LogicalPlan) -> Result<bool, DataFusionError> {
    let mut keeps = true;
    plan.apply_with_subqueries(|node| {
        keeps &= matches!(
            node,
            LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::TableScan(_)
                | LogicalPlan::Limit(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::Values(_)
                | LogicalPlan::EmptyRelation(_)
        );
        Ok(if keeps {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    })?;
    Ok(keeps)
}

/// Converts an error of the engine, with its location if known.
pub fn diagnostic(sql: &Sql, error: DataFusionError) -> Diagnostic {
    let root = error.find_root();
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    if let DataFusionError::SchemaError(schema, _) = root
        && let SchemaError::FieldNotFound {
            field,
            valid_fields,
        } = schema.as_ref()
    {
        let message = format!("there is no column {}", field.flat_name());
        let diagnostic = match span {
            Some(span) => sql.about_place(span.start.line, span.start.column, message),
            None => sql.about(&field.name, message),
        };
        let mut valid_names: Vec<&str> = Vec::new();
        for valid in valid_fields.iter().map(|valid| valid.name()) {
            if !valid_names.contains(&valid) {
                valid_names.push(valid);
            }
        }
        let list = format!("there are: {}", valid_names.join(", "));
        return diagnostic.help(match closest(&field.name, &valid_names) {
            Some(name) => format!("did you mean {name}? {list}"),
            None => list,
        });
    }
    let message = match root {
        DataFusionError::External(source) => chain(source.as_ref()),
        other => other.strip_backtrace(),
    };
    let message = PREFIXES
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))
        .unwrap_or(&message);
    let diagnostic = match span {
        Some(span) => sql.about_place(span.start.line, span.start.column, message),
        None => Diagnostic::new(message),
    };
    match root {
        DataFusionError::ResourcesExhausted(_) => diagnostic.help("--memory MIB raises the limit"),
        _ => diagnostic,
    }
}

/// Prefixes of the engine's messages about user errors; they are stripped.
const PREFIXES: [&str; 6] = [
    "Resources exhausted: ",
    "Error during planning: ",
    "Execution error: ",
    "Arrow error: ",
    "Schema error: ",
    "SQL error: ",
];

/// The nearest name, if it differs in at most a third of its letters.
fn closest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let letters = name.to_lowercase();
    let distance = |other: &&str| levenshtein(&letters, &other.to_lowercase());
    let nearest = names.iter().min_by_key(|other| distance(other))?;
    (distance(nearest) * 3 <= name.chars().count().max(3)).then_some(*nearest)
}
