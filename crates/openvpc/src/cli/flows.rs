//! `openvpc flows`: tail, query, flush.

use std::io::Write;
use std::process::ExitCode;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use openvpc_flowlogs::query::Answer;
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
            let answer = ask(&client, &sql)?;
            let text = if json {
                format!("{}\n", answer.to_json())
            } else if csv {
                answer.to_csv()
            } else {
                table(&answer)
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

/// Asks the daemon.
///
/// # Errors
/// When the daemon can't be reached or doesn't take the SQL.
pub fn ask(client: &Client, sql: &str) -> Result<Answer, Failure> {
    let answer = client.post("flows/query", &json!({ "sql": sql }))?;
    serde_json::from_value(answer).map_err(|error| Failure::new(format!("the daemon's answer can't be read: {error}")))
}

/// The rows as plain texts, blanks as `-`.
pub fn texts(answer: &Answer) -> Vec<Vec<String>> {
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    answer.rows.iter().map(|row| row.iter().map(text).collect()).collect()
}

/// A table that fits the terminal.
pub fn table(answer: &Answer) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(columns()).unwrap_or(u16::MAX));
    table.set_header(&answer.columns);
    table.add_rows(texts(answer));
    format!("{table}\n")
}

/// Prints, and ends quietly when nobody reads any more (`| head`).
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.map_err(|error| Failure::new(format!("standard output: {error}"))),
    }
}
