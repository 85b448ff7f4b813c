//! Questions in SQL, over an in-memory SQLite that is filled for each question.
//!
//! Table `flow_logs` (and view `vpc_flow_logs`): one row per record and flow log. `flow_log_id` says which flow log;
//! the other columns are AWS's fields with underscores, numbers as integers. What a flow log's format doesn't have, and
//! what AWS writes as `-`, is NULL. Questions can only read, and are bounded in time and answer.

use std::fmt::Write;
use std::time::{Duration, Instant};

use openvpc_model::FlowLogId;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, Row, Statement, ToSql};

use crate::field::{Field, FieldKind};
use crate::format::Format;
use crate::record::{Record, Value};
use crate::service_prefixes::ServicePrefixes;

/// How long a question may run.
const TIME: Duration = Duration::from_secs(20);
/// How many rows an answer may have.
const ROWS: usize = 1_000_000;
/// How long a text in an answer may be, in bytes.
const TEXT: i32 = 16_000_000;

/// A table that records go into and questions are asked of.
pub struct Database {
    connection: Connection,
}

/// The answer to a question.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<serde_json::Value>>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Not a statement that reads, or not SQL.
    #[error("the query can't be run: {0}")]
    Sql(String),
    /// It ran too long.
    #[error("the query ran longer than {} seconds and was stopped; ask for less", TIME.as_secs())]
    Time,
    /// The answer has too many rows.
    #[error("the answer has more than {ROWS} rows; add a LIMIT or aggregate")]
    Rows,
    /// A delivered file can't be read.
    #[error("the delivered file {key} in bucket {bucket} can't be read: {source}")]
    File {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// SQLite failed on its own account.
    #[error("the query engine failed: {0}")]
    Engine(#[from] rusqlite::Error),
}

impl Database {
    /// An empty table.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn new() -> Result<Self, QueryError> {
        let connection = Connection::open_in_memory()?;
        let mut columns = String::from("\"flow_log_id\" TEXT NOT NULL");
        for field in Field::ALL {
            let kind = match field.kind() {
                FieldKind::Number => "INTEGER",
                FieldKind::Text => "TEXT",
            };
            // Writing to a String can't fail.
            let _ = write!(columns, ", \"{}\" {kind}", field.column());
        }
        connection.execute_batch(&format!(
            "PRAGMA temp_store = MEMORY;
             CREATE TABLE flow_logs ({columns});
             CREATE VIEW vpc_flow_logs AS SELECT * FROM flow_logs;
             BEGIN"
        ))?;
        Ok(Self { connection })
    }

    /// Adds records that are in memory.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn add_records<'a>(
        &mut self,
        records: impl IntoIterator<Item = (FlowLogId, &'a Format, &'a Record)>,
        services: &ServicePrefixes,
    ) -> Result<(), QueryError> {
        let mut insert = self.insert(Field::ALL)?;
        for (flow_log, format, record) in records {
            insert.raw_bind_parameter(1, flow_log.to_string())?;
            for (position, field) in Field::ALL.iter().enumerate() {
                let value = format.fields().contains(field).then(|| record.value(*field, format, services)).flatten();
                bind(&mut insert, position + 2, value)?;
            }
            insert.raw_execute()?;
        }
        Ok(())
    }

    /// Adds the records of a delivered text file, whose first line says what its columns are.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn add_text(&mut self, flow_log: FlowLogId, text: &str) -> Result<(), QueryError> {
        let mut lines = text.lines();
        let header: Vec<Option<Field>> = lines.next().unwrap_or_default().split(' ').map(Field::parse).collect();
        let mut fields: Vec<Field> = header.iter().copied().flatten().collect();
        fields.sort();
        fields.dedup();
        let mut insert = self.insert(&fields)?;
        insert.raw_bind_parameter(1, flow_log.to_string())?;
        for line in lines {
            for (field, text) in header.iter().zip(line.split(' ')) {
                let Some(field) = field else { continue };
                // `fields` holds every field of the header.
                let position = fields.binary_search(field).unwrap_or_default() + 2;
                match (text, field.kind(), text.parse::<i64>()) {
                    ("-", ..) => insert.raw_bind_parameter(position, None::<i64>)?,
                    (_, FieldKind::Number, Ok(number)) => insert.raw_bind_parameter(position, number)?,
                    _ => insert.raw_bind_parameter(position, text)?,
                }
            }
            insert.raw_execute()?;
        }
        Ok(())
    }

    /// Asks.
    ///
    /// # Errors
    /// When the question isn't a single statement that reads, or takes too much.
    pub fn ask(mut self, sql: &str) -> Result<Answer, QueryError> {
        self.connection.execute_batch("COMMIT")?;
        self.connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, TEXT)?;
        let end = Instant::now() + TIME;
        self.connection.progress_handler(10_000, Some(move || Instant::now() > end))?;
        self.connection.authorizer(Some(|context: AuthContext<'_>| authorize(&context)))?;

        let mut statements = Batch::new(&self.connection, sql);
        let mut statement =
            statements.next().map_err(wrong)?.ok_or_else(|| QueryError::Sql("there is no statement in it".to_owned()))?;
        if statements.next().map_err(wrong)?.is_some() {
            return Err(QueryError::Sql("there is more than one statement in it".to_owned()));
        }
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut answer = Answer { columns, rows: Vec::new() };
        let mut rows = statement.query([]).map_err(wrong)?;
        while let Some(row) = rows.next().map_err(wrong)? {
            if answer.rows.len() == ROWS {
                return Err(QueryError::Rows);
            }
            answer.rows.push((0..answer.columns.len()).map(|column| json(row, column)).collect::<Result<_, _>>()?);
        }
        Ok(answer)
    }

    fn insert(&self, fields: &[Field]) -> Result<Statement<'_>, QueryError> {
        let columns: String = fields.iter().map(|field| format!(", \"{}\"", field.column())).collect();
        let values = ", ?".repeat(fields.len());
        let sql = format!("INSERT INTO flow_logs (\"flow_log_id\"{columns}) VALUES (?{values})");
        Ok(self.connection.prepare(&sql)?)
    }
}

impl Answer {
    /// One object per row, members in the order of the columns.
    pub fn to_json(&self) -> serde_json::Value {
        let object = |row: &Vec<serde_json::Value>| self.columns.iter().cloned().zip(row.iter().cloned()).collect();
        serde_json::Value::Array(self.rows.iter().map(object).map(serde_json::Value::Object).collect())
    }

    /// Comma-separated values with a header line (RFC 4180, with LF line ends); NULL is empty.
    pub fn to_csv(&self) -> String {
        let mut csv = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.map(quoted).collect();
            csv.push_str(&cells.join(","));
            csv.push('\n');
        };
        line(&mut self.columns.iter().cloned());
        for row in &self.rows {
            line(&mut row.iter().map(|cell| match cell {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            }));
        }
        csv
    }
}

fn quoted(cell: String) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

fn bind(statement: &mut Statement<'_>, position: usize, value: Option<Value<'_>>) -> Result<(), rusqlite::Error> {
    let mut bind = |value: &dyn ToSql| statement.raw_bind_parameter(position, value);
    match value {
        None => bind(&None::<i64>),
        Some(Value::Number(number)) => bind(&i64::try_from(number).unwrap_or(i64::MAX)),
        Some(Value::Text(text)) => bind(&text),
        Some(value) => bind(&value.to_string()),
    }
}

fn authorize(context: &AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if function_name != "load_extension" => Authorization::Allow,
        AuthAction::Pragma { pragma_name: "table_info" | "table_xinfo", .. } => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

fn wrong(error: rusqlite::Error) -> QueryError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OperationInterrupted) => QueryError::Time,
        Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
            QueryError::Sql("only statements that read are allowed".to_owned())
        }
        _ => QueryError::Sql(error.to_string()),
    }
}

fn json(row: &Row<'_>, column: usize) -> Result<serde_json::Value, rusqlite::Error> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => serde_json::Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into(),
    })
}
