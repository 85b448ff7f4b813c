//! `openvpc flows`: tail, query, flush.

use std::io::Write;
use std::process::ExitCode;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use serde_json::{Value, json};

use super::client::Client;
use super::paint::columns;
use super::{Failure, Flows, Paint, Target};

/// Runs one of the flow-log commands.
pub fn run(target: &Target, command: Flows) -> Result<ExitCode, Failure> {
    let client = Client::new(target);
    match command {
        Flows::Tail { json } => tail(&client, json)?,
        Flows::Query { sql, json, csv } => {
            let rows = Rows::read(&client, &sql)?;
            let text = if json {
                rows.json()
            } else if csv {
                rows.csv()
            } else {
                rows.table()
            };
            print(&text)?;
        }
        Flows::Flush => {
            let answer = client.post("flows/flush", &Value::Null)?;
            print(&format!("{} records in {} files\n", answer["records"], answer["objects"]))?;
            if let Some((flow_log, reason)) = answer["failures"].as_object().and_then(|failures| failures.iter().next()) {
                let reason = reason.as_str().unwrap_or_default();
                return Err(Failure::new(format!("{flow_log} can't be delivered ({reason}); does its bucket still exist?")));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tail(client: &Client, json: bool) -> Result<(), Failure> {
    let paint = Paint::stdout();
    for line in client.lines("flows/tail")? {
        let line = line?;
        if json {
            print(&format!("{line}\n"))?;
            continue;
        }
        let record: Value =
            serde_json::from_str(&line).map_err(|error| Failure::new(format!("the daemon sent no record ({error}): {line}")))?;
        print(&format!("{}\n", record_line(&record, paint)))?;
    }
    Ok(())
}

/// A record as a person reads it: who to whom, what, how much, what became of it.
fn record_line(record: &Value, paint: Paint) -> String {
    let field = |name: &str| match &record[name] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let action = match field("action").as_str() {
        "REJECT" => paint.red("REJECT"),
        other => paint.green(other),
    };
    let protocol = match field("protocol").as_str() {
        "1" => "icmp".to_owned(),
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "58" => "icmpv6".to_owned(),
        other => other.to_owned(),
    };
    format!(
        "{} {} {:7} {action} {protocol} {} {} -> {} {}  {} packets {} bytes",
        field("end"),
        field("interface_id"),
        field("flow_direction"),
        field("srcaddr"),
        field("srcport"),
        field("dstaddr"),
        field("dstport"),
        field("packets"),
        field("bytes"),
    )
}

/// The answer to a query.
pub struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Rows {
    /// Asks the daemon.
    ///
    /// # Errors
    /// When the daemon can't be reached or doesn't take the SQL.
    pub fn read(client: &Client, sql: &str) -> Result<Self, Failure> {
        let answer = client.post("flows/query", &json!({ "sql": sql }))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let columns = answer["columns"].as_array().into_iter().flatten().map(text).collect();
        let rows =
            answer["rows"].as_array().into_iter().flatten().map(|row| row.as_array().cloned().unwrap_or_default()).collect();
        Ok(Self { columns, rows })
    }

    /// The rows as plain texts, blanks as `-`.
    pub fn texts(&self) -> Vec<Vec<String>> {
        self.rows.iter().map(|row| row.iter().map(|value| plain(value, "-")).collect()).collect()
    }

    /// A table that fits the terminal.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(columns()).unwrap_or(u16::MAX));
        table.set_header(&self.columns);
        table.add_rows(self.texts());
        format!("{table}\n")
    }

    fn json(&self) -> String {
        let object = |row: &Vec<Value>| self.columns.iter().cloned().zip(row.iter().cloned()).collect::<serde_json::Map<_, _>>();
        let objects: Vec<Value> = self.rows.iter().map(|row| Value::Object(object(row))).collect();
        format!("{}\n", Value::Array(objects))
    }

    fn csv(&self) -> String {
        let line = |cells: Vec<String>| cells.iter().map(|cell| csv_cell(cell)).collect::<Vec<_>>().join(",") + "\n";
        let rows = self.rows.iter().map(|row| line(row.iter().map(|value| plain(value, "")).collect()));
        std::iter::once(line(self.columns.clone())).chain(rows).collect()
    }
}

fn plain(value: &Value, blank: &str) -> String {
    match value {
        Value::Null => blank.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn csv_cell(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Prints, and ends quietly when nobody reads any more (`| head`).
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.map_err(|error| Failure::new(format!("standard output: {error}"))),
    }
}
