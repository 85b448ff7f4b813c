//! Every operation against botocore, in both directions and with every member set: what botocore writes is what we read,
//! what we write is what botocore reads. Needs `python3` with botocore; without it the test has nothing to compare with.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write;
use std::process::{Command, Stdio};

use openvpc_model::UnixMillis;
use serde_json::{Value, json};

use crate::action::Operation;
use crate::client;
use crate::generated;
use crate::json::{self, JsonRequest};
use crate::query::{Empty, FromQuery, Node};
use crate::rest;
use crate::services::Service;
use crate::table::{Model, Protocol};
use crate::xml::{self, Blob, Done, Nothing, WriteXml};

/// A value with every member set; `tests/botocore_round_trip.py` makes the same ones.
pub(crate) trait Sample {
    fn sample() -> Self;
}

impl<T: Sample> Sample for Option<T> {
    fn sample() -> Self {
        Some(T::sample())
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample() -> Self {
        vec![T::sample(), T::sample()]
    }
}

impl<T: Sample> Sample for BTreeMap<String, T> {
    fn sample() -> Self {
        [("key".to_owned(), T::sample())].into()
    }
}

macro_rules! samples {
    ($($ty:ty = $value:expr;)*) => {$(
        impl Sample for $ty {
            fn sample() -> Self {
                $value
            }
        }
    )*};
}

samples! {
    Blob = Blob(b"\x00blob\xff".to_vec());
    Done = Done;
    Empty = Empty;
    Nothing = Nothing;
    json::Empty = json::Empty {};
    String = "a <b> & \"c\" 'd' +%41 é\r\n\t\u{1f310}".into();
    UnixMillis = UnixMillis(1_767_323_045_000);
    bool = true;
    f64 = 1.5;
    i32 = -7;
    i64 = 1 << 40;
}

/// One operation's way there and back.
pub(crate) struct Trip {
    service: &'static str,
    name: &'static str,
    /// The answer with every member set, and with none.
    answers: fn() -> [String; 2],
    /// Compares a body with the full request.
    read: fn(&str),
}

impl Trip {
    pub(crate) const fn of<O: Operation>(service: &'static str) -> Self
    where
        O::Request: FromQuery + Sample + PartialEq + Debug,
        O::Response: WriteXml + Sample + Default,
    {
        Self {
            service,
            name: O::NAME,
            answers: || [answer::<O>(&O::Response::sample()), answer::<O>(&O::Response::default())],
            read: read::<O>,
        }
    }

    pub(crate) const fn json<O: Operation>(service: &'static str) -> Self
    where
        O::Request: JsonRequest + Sample + PartialEq + Debug,
        O::Response: serde::Serialize + Sample + Default,
    {
        Self {
            service,
            name: O::NAME,
            answers: || [&O::Response::sample(), &O::Response::default()].map(|answer| serde_json::to_string(answer).unwrap()),
            read: |body| {
                let request: O::Request = json::read(body.as_bytes(), "X").unwrap();
                assert_eq!(request, O::Request::sample(), "{}: {body}", O::NAME);
            },
        }
    }

    pub(crate) const fn rest<O: Operation>(service: &'static str) -> Self
    where
        O::Request: FromQuery + Sample + PartialEq + Debug,
        O::Response: WriteXml + Sample + Default,
    {
        Self {
            service,
            name: O::NAME,
            answers: || {
                [&O::Response::sample(), &O::Response::default()].map(|answer| xml::rest_response("https://x/", O::NAME, answer))
            },
            read: read_rest::<O>,
        }
    }

    fn model(&self) -> &'static Model {
        Service::named(self.service).unwrap().model
    }

    /// What the untyped client calls it.
    fn full_name(&self) -> String {
        format!("{}:{}", self.service, self.name)
    }
}

/// Every operation of every service.
fn trips() -> impl Iterator<Item = &'static Trip> {
    use generated::*;
    let services = [
        acm::samples::TRIPS,
        directconnect::samples::TRIPS,
        ec2::samples::TRIPS,
        elbv2::samples::TRIPS,
        iam::samples::TRIPS,
        logs::samples::TRIPS,
        route53::samples::TRIPS,
        ssm::samples::TRIPS,
        sts::samples::TRIPS,
    ];
    services.into_iter().flatten()
}

/// An answer as its service writes it; which one that is doesn't matter to what stands inside.
fn answer<O: Operation>(response: &dyn WriteXml) -> String {
    match std::any::type_name::<O>().contains("::ec2::") {
        true => xml::ec2_response(O::NAME, "2016-11-15", "r", response),
        false => xml::query_response("https://example/", O::NAME, "r", response),
    }
}

fn read<O: Operation>(body: &str)
where
    O::Request: FromQuery + Sample + PartialEq + Debug,
{
    let mut node = Node::parse(body.as_bytes()).unwrap();
    assert_eq!(node.take_value("Action").as_deref(), Some(O::NAME));
    node.take_value("Version");
    assert_eq!(O::Request::from_query(node).unwrap(), O::Request::sample(), "{}: {body}", O::NAME);
}

/// As [`read`]; the text is `{method, path, query, body}`.
fn read_rest<O: Operation>(text: &str)
where
    O::Request: FromQuery + Sample + PartialEq + Debug,
{
    let parts: BTreeMap<String, String> = serde_json::from_str(text).unwrap();
    let part = |name: &str| parts[name].clone();
    let (method, path, query, body) = (part("method"), part("path"), part("query"), part("body").into_bytes());
    let request = crate::http::Request { method, path, query, body, ..Default::default() };
    let model = &generated::route53::table::MODEL;
    let (route, labels) = rest::route(model, &request).unwrap();
    assert_eq!(route.operation, O::NAME);
    let node = rest::read(model, route, labels, &request).unwrap();
    assert_eq!(O::Request::from_query(node).unwrap(), O::Request::sample(), "{}: {text}", O::NAME);
}

#[test]
fn every_operation_goes_through_botocore_s_serializer_and_parser() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/botocore_round_trip.py");
    if !Command::new("python3").args(["-c", "import botocore"]).output().is_ok_and(|run| run.status.success()) {
        eprintln!("python3 with botocore isn't installed; nothing to compare with");
        return;
    }
    let mut python = Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = python.stdin.take().unwrap();
    let lines: String = trips()
        .map(|trip| {
            let [full, empty] = (trip.answers)();
            format!("{}\n", json!({"operation": trip.name, "service": trip.service, "full": full, "empty": empty}))
        })
        .collect();
    // A thread of its own: both pipes are smaller than what goes through them.
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let run = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(run.status.success(), "botocore read something else; its standard error says what");

    let bodies: BTreeMap<String, String> = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(bodies.len(), trips().count());
    for trip in trips() {
        (trip.read)(&bodies[&trip.full_name()]);
    }
}

/// The untyped client against the typed structures, in both directions.
#[test]
fn the_client_s_table_says_the_same_as_the_typed_structures() {
    for trip in trips().filter(|trip| matches!(trip.model().protocol, Protocol::Ec2 | Protocol::Query)) {
        let model = trip.model();
        let found = model.operation(trip.name).unwrap();
        let request = found.request.map_or(json!({}), |number| full(model, model.shape(number)));
        (trip.read)(&client::encode(&trip.full_name(), &request).unwrap());
        let response = found.response.map_or(json!({}), |number| full(model, model.shape(number)));
        assert_eq!(client::decode(&trip.full_name(), &(trip.answers)()[0]).unwrap(), response, "{}", trip.name);
    }
}

fn full(model: &Model, shape: &crate::table::Shape) -> Value {
    use crate::table::Shape;
    let at = |number: u16| full(model, model.shape(number));
    match shape {
        Shape::Blob => Blob::sample().to_base64().into(),
        Shape::Boolean => bool::sample().into(),
        Shape::Double => f64::sample().into(),
        Shape::Integer => i32::sample().into(),
        Shape::Long => i64::sample().into(),
        Shape::List { item, .. } => json!([at(*item), at(*item)]),
        Shape::Map { value } => json!({"key": at(*value)}),
        Shape::String => String::sample().into(),
        Shape::Structure(members) => members.iter().map(|member| (member.name.to_owned(), at(member.shape))).collect(),
        Shape::Timestamp => UnixMillis::sample().to_string().into(),
    }
}
