//! A lab as data: `labs/NAME/lab.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::toolbox::Outcome;

/// A lab.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// One line.
    pub title: String,
    /// What the reader learns.
    pub about: String,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What takes it all down again, in order; done whatever happened before.
    #[serde(default)]
    pub cleanup: Vec<Call>,
}

/// One thing that happens. Texts may hold `<name>`, which stands for a value saved before.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// A paragraph for the reader.
    Say(String),
    /// A call of the EC2 API.
    Call(Call),
    /// A block cut into equal parts, of which the first ones are saved.
    Split(Split),
    /// A bucket to make.
    Bucket(String),
    /// A packet or two, sent for real, and why they came through or didn't.
    Probe(Probe),
    /// A question to the flow logs.
    Flows(FlowQuestion),
}

/// A block to cut.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The block.
    pub block: String,
    /// The prefix length of the parts.
    pub into: u8,
    /// The names of the first parts.
    pub save: Vec<String>,
}

/// A call of the EC2 API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The action's name.
    pub action: String,
    /// Its parameters, named as in the API reference.
    #[serde(default)]
    pub with: Value,
    /// What to keep of the answer: a name, and the path to the value (`Vpc.VpcId`, `Instances[0].InstanceId`,
    /// `Associations[?SubnetId=<subnet>].NetworkAclAssociationId`).
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    /// Repeat until the value at a path is this text, for ten seconds at most.
    #[serde(default)]
    pub until: Option<Until>,
    /// The error code that is expected instead of an answer.
    #[serde(default)]
    pub fails: Option<String>,
}

/// What a repeated call waits for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// The path to the value.
    pub path: String,
    /// What it must become.
    pub equals: String,
}

/// A probe and what must come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What is tried, in a few words.
    pub what: String,
    /// An instance, or `internet`.
    pub from: String,
    /// The address, as the sender writes it.
    pub to: String,
    /// How.
    pub how: How,
    /// The port, for everything but `ping`.
    #[serde(default)]
    pub port: Option<u16>,
    /// What must come of it.
    pub expect: Outcome,
    /// A text that the answer must hold.
    #[serde(default)]
    pub answer: Option<String>,
    /// What must stop it, when something does.
    #[serde(default)]
    pub why: Option<Why>,
}

/// The tools of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// HTTP.
    Fetch,
    /// A TCP connection.
    Tcp,
    /// A UDP datagram.
    Udp,
    /// An ICMP echo.
    Ping,
}

/// The blocker that the explanation must name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// On the way there or back.
    pub way: Way,
    /// The explanation code.
    pub code: String,
    /// The resource that stops it.
    #[serde(default)]
    pub resource: Option<String>,
    /// The rule that stops it.
    #[serde(default)]
    pub rule: Option<String>,
}

/// There or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The request.
    Forward,
    /// The answer.
    Return,
}

impl Way {
    /// The key in an explanation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Return => "return",
        }
    }
}

/// A question to the flow logs and what must come out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowQuestion {
    /// The question in words.
    pub ask: String,
    /// The question in SQL.
    pub sql: String,
    /// The rows that must come out, as texts.
    #[serde(default)]
    pub rows: Option<Vec<Vec<String>>>,
    /// The least number of rows that must come out.
    #[serde(default)]
    pub at_least: Option<usize>,
}

impl Story {
    /// Reads a lab.
    ///
    /// # Errors
    /// When the text isn't YAML or doesn't fit; the message names the place.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }
}
