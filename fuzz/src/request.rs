//! Requests to the API, from whoever can reach its port.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use openvpc_api::Api;
use openvpc_api::auth::Gate;
use openvpc_api::host::Host;
use openvpc_api::http::Request;
use openvpc_control::{Control, Enforcer, Environment, Quotas};
use openvpc_model::{FlowLogId, InstanceId, Network, UnixMillis};
use openvpc_pipeline::{Tables, compile};
use openvpc_store::MemoryStore;

/// Sends form bodies, one in each line, to a new network, whose tables are compiled after every change. A line that begins
/// with `?` is a query string instead, one that begins with `!` the target and the JSON of a request to Direct Connect:
/// `!CreateLag {"location": "…"}`.
///
/// Every request is answered as AWS would: never with an internal error.
pub fn request(lines: &[u8]) {
    let environment = Counted(AtomicU64::new(1));
    let control =
        Control::open(Box::new(MemoryStore::default()), Box::new(Compiled::default()), Box::new(environment), Quotas::default());
    let control = Arc::new(control.expect("an empty store opens"));
    let account = "123456789012".parse().expect("twelve digits are an account");
    let api = Api::new(control, Arc::new(NoMachine), Arc::new(Gate::new(account, false)));
    for line in lines.split(|byte| *byte == b'\n').take(MOST_REQUESTS) {
        let request = match line {
            [b'?', query @ ..] => signed("GET", "ec2", &String::from_utf8_lossy(query), b""),
            [b'!', call @ ..] => json(call),
            body => signed("POST", "ec2", "", body),
        };
        if let Some(response) = api.answer(&request) {
            assert!(matches!(response.status, 200..500), "{}: {}", String::from_utf8_lossy(line), response.body);
            assert!(response.body.starts_with(['<', '{']), "{}", response.body);
        }
    }
}

/// A request that is signed well enough for a loopback address.
fn signed(method: &str, service: &str, query: &str, body: &[u8]) -> Request {
    let scope = format!("test/20260921/us-east-1/{service}/aws4_request");
    let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={:064}", 0);
    let headers =
        vec![("Authorization".into(), authorization), ("Content-Type".into(), "application/x-www-form-urlencoded".into())];
    Request { method: method.into(), path: "/".into(), query: query.into(), headers, body: body.to_vec() }
}

fn json(call: &[u8]) -> Request {
    let space = call.iter().position(|byte| *byte == b' ').unwrap_or(call.len());
    let (operation, body) = call.split_at(space);
    let mut request = signed("POST", "directconnect", "", body);
    let target = format!("OvertureService.{}", String::from_utf8_lossy(operation));
    request.headers.push(("X-Amz-Target".into(), target));
    request
}

const MOST_REQUESTS: usize = 16;

/// Compiles what it is given, as the datapath does.
#[derive(Default)]
struct Compiled(Mutex<Option<Tables>>);

impl Enforcer for Compiled {
    fn enforce(&self, network: &Arc<Network>) -> Result<(), String> {
        let mut tables = self.0.lock().map_err(|error| error.to_string())?;
        *tables = Some(compile(network, tables.as_ref()));
        Ok(())
    }
}

/// Time stands still and chance counts, so that every run of an input is the same.
struct Counted(AtomicU64);

impl Environment for Counted {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_790_000_042_000)
    }

    fn random(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

struct NoMachine;

impl Host for NoMachine {
    fn console_output(&self, _instance: InstanceId) -> Option<(UnixMillis, Vec<u8>)> {
        None
    }

    fn reboot(&self, _instance: InstanceId) {}

    fn bucket_exists(&self, bucket: &str) -> bool {
        bucket == "logs"
    }

    fn put_object(&self, _bucket: &str, _key: &str, _body: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn delivery_failure(&self, _flow_log: FlowLogId) -> Option<&'static str> {
        None
    }
}
