//! `openvpc keys`: whose signatures count.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::client::Client;
use super::{Failure, Keys, Target};

/// Runs one of the commands.
pub fn run(target: &Target, command: Keys) -> Result<ExitCode, Failure> {
    let client = Client::new(target);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match command {
        Keys::Add { id, secret, json } => {
            let key = client.post("keys", &json!({ "account": target.account(), "id": id, "secret": secret }))?;
            if json {
                println!("{key}");
            } else {
                println!("export AWS_ACCESS_KEY_ID={}", text(&key["id"]));
                println!("export AWS_SECRET_ACCESS_KEY={}", super::quoted(&text(&key["secret"])));
                eprintln!("registered for account {}; the secret isn't shown again", text(&key["account"]));
            }
        }
        Keys::List { json } => {
            let keys = client.get("keys")?;
            if json {
                println!("{}", keys["keys"]);
                return Ok(ExitCode::SUCCESS);
            }
            let keys = keys["keys"].as_array().cloned().unwrap_or_default();
            if keys.is_empty() {
                println!("no key is registered; on a loopback address any signature will do");
            }
            for key in keys {
                let until = key["expires"].as_str().map(|at| format!("  until {at}")).unwrap_or_default();
                println!("{:<24} {}  since {}{until}", text(&key["id"]), text(&key["account"]), text(&key["created"]));
            }
        }
        Keys::Revoke { id } => {
            client.post(&format!("keys/{id}/revoke"), &json!({}))?;
            println!("revoked {id}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
