//! Calls written down as lines of text, and the world that they build.

use std::collections::BTreeMap;

use openvpc_control::Tx;
use openvpc_control::certificates::{self, ImportCertificate};
use openvpc_control::instances::{self, Observed};
use openvpc_model::{InstanceId, Tags};
use serde_json::Value;

use crate::services::Service;
use crate::testing::{api_over, control, ctx};
use crate::{Api, ApiError};

/// Makes something of every family; see the file's head for how a line is read.
pub(super) const BUILD: &str = include_str!("build.txt");
/// Takes it apart again.
pub(super) const DEMOLISH: &str = include_str!("demolish.txt");

const ALICE: &str = "123456789012";
const BOB: &str = "222222222222";

/// An API and the names of what was made in it.
pub(super) struct World {
    pub(super) api: Api,
    /// Whether every line of the script could be done.
    pub(super) is_whole: bool,
    names: BTreeMap<&'static str, String>,
}

/// A call, with names put in.
pub(super) struct Call {
    caller: (&'static str, &'static str),
    pub(super) action: &'static str,
    parameters: Vec<(&'static str, String)>,
    result: Option<(&'static str, &'static str)>,
}

impl World {
    /// With certificates, which come from elsewhere, and nothing else.
    pub(super) fn empty() -> Self {
        let control = control();
        let import = |body: &str, key: &str| {
            let request = ImportCertificate {
                arn: None,
                body: body.to_owned(),
                private_key: key.to_owned(),
                chain: Some(include_str!("../../../control/tests/certificates/authority.pem").to_owned()),
                tags: Tags::new(),
            };
            ctx(&control, ALICE, false).mutate(|tx| certificates::import(tx, request)).unwrap()
        };
        let server = import(
            include_str!("../../../control/tests/certificates/server.pem"),
            include_str!("../../../control/tests/certificates/server-key.pem"),
        );
        let root = import(
            include_str!("../../../control/tests/certificates/authority.pem"),
            include_str!("../../../control/tests/certificates/authority-key.pem"),
        );
        Self { api: api_over(control), is_whole: true, names: [("server", server), ("root", root)].into() }
    }

    /// With everything that [`BUILD`] makes.
    pub(super) fn built() -> Self {
        let mut world = Self::empty();
        for line in lines(BUILD) {
            match world.read(line) {
                Some(call) => drop(world.run(&call).unwrap_or_else(|error| panic!("{line}: {error}"))),
                None => world.is_whole = false,
            }
        }
        world
    }

    /// The call of a line; none when its action isn't served, or needs what such a one would have made.
    pub(super) fn read(&self, line: &'static str) -> Option<Call> {
        let (call, result) = line.split_once(" -> ").map_or((line, None), |(call, result)| (call, Some(result)));
        let mut words = call.split(' ');
        let mut action = words.next().unwrap();
        let caller = match action {
            "@bob" => (BOB, "us-east-1"),
            "@west" => (ALICE, "us-west-2"),
            _ => (ALICE, "us-east-1"),
        };
        if action.starts_with('@') {
            action = words.next().unwrap();
        }
        let parameters = words.map(|word| {
            let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("{line}: {word} has no value"));
            Some((name, self.put_in(value)?))
        });
        let parameters = parameters.collect::<Option<Vec<_>>>()?;
        let result = result.map(|result| result.split_once(' ').expect("a name and a path"));
        served(action).then_some(Call { caller, action, parameters, result })
    }

    /// Makes a call, and remembers what it is to be remembered for.
    pub(super) fn run(&mut self, call: &Call) -> Result<Value, ApiError> {
        let answer = self.answer(call, &[])?;
        assert!(answer["Unsuccessful"].as_array().is_none_or(Vec::is_empty), "{}: {answer}", call.action);
        self.observe(call.action, &answer);
        if let Some((name, path)) = call.result {
            let pointer = format!("/{}", path.replace('.', "/"));
            let found = answer.pointer(&pointer).and_then(Value::as_str);
            let found = found.unwrap_or_else(|| panic!("{} gives no {path}: {answer}", call.action));
            self.names.insert(name, found.to_owned());
        }
        Ok(answer)
    }

    /// Does the part of the machine that instances run on: what was asked for comes true at once.
    fn observe(&self, action: &str, answer: &Value) {
        let (list, observed) = match action {
            "RunInstances" => ("Instances", Observed::Running),
            "StopInstances" => ("StoppingInstances", Observed::Stopped),
            "TerminateInstances" => ("TerminatingInstances", Observed::Stopped),
            _ => return,
        };
        for instance in answer[list].as_array().unwrap() {
            let id: InstanceId = instance["InstanceId"].as_str().unwrap().parse().unwrap();
            let report = |tx: &mut Tx<'_>| instances::report(tx, id, observed.clone());
            ctx(&self.api.control, ALICE, false).mutate(report).unwrap();
        }
    }

    /// Makes what the caller's region holds from the start, which any call does, also one that is only rehearsed.
    pub(super) fn visit(&self, call: &Call) {
        self.api.call_as(call.caller, "DescribeVpcs", &[]).unwrap();
    }

    /// The answer to a call with further parameters.
    pub(super) fn answer(&self, call: &Call, more: &[(&str, &str)]) -> Result<Value, ApiError> {
        let mut parameters: Vec<(&str, &str)> = call.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        parameters.extend(more);
        match call.action.contains(':') {
            true => self.api.call(call.action, &parameters),
            false => self.api.call_as(call.caller, call.action, &parameters),
        }
    }

    /// The answer to the account that has built most.
    pub(super) fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Value, ApiError> {
        self.api.call_as((ALICE, "us-east-1"), action, parameters)
    }

    /// The value with names in braces replaced by what they stand for.
    pub(super) fn put_in(&self, value: &str) -> Option<String> {
        let mut value = value.replace('+', " ");
        while let Some((before, rest)) = value.split_once('{') {
            let (name, after) = rest.split_once('}').expect("a closing brace");
            value = format!("{before}{}{after}", self.names.get(name)?);
        }
        Some(value)
    }
}

/// The lines that are calls.
pub(super) fn lines(script: &'static str) -> impl Iterator<Item = &'static str> {
    script.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether an operation is served, of EC2 or of the service named in front.
pub(super) fn served(action: &str) -> bool {
    let (service, name) = action.split_once(':').unwrap_or(("ec2", action));
    Service::named(service).is_some_and(|service| service.query_action(name).is_some() || service.json_action(name).is_some())
}
