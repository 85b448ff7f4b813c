//! A botocore service model, of which only names and structure are read; prose, examples and endpoints are dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A service: its operations and the shapes they use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Service {
    pub metadata: Metadata,
    pub operations: BTreeMap<String, Operation>,
    pub shapes: BTreeMap<String, Shape>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub api_version: String,
    /// Begins its host names, and is the name in signatures where there is no signing name.
    pub endpoint_prefix: String,
    pub protocols: Vec<String>,
    pub service_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_name: Option<String>,
    /// What comes before the operation in `X-Amz-Target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xml_namespace: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Where it lives, in protocols that say so by method and path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Reference>,
}

/// The method and path of an operation, and the status of its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    pub method: String,
    pub request_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_code: Option<u16>,
}

/// A namespace of XML.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Namespace {
    pub uri: String,
}

/// A use of a shape, with the names it goes by on the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    pub shape: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flattened: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_wrapper: Option<String>,
    /// `uri`, `querystring` or `header`, for what isn't in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xml_namespace: Option<Namespace>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub members: Ordered<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Reference>,
    /// The keys of a map, which are texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Reference>,
    /// The values of a map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flattened: Option<bool>,
    #[serde(rename = "enum", default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<serde_json::Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<serde_json::Number>,
}

/// A wire protocol of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Ec2,
    Query,
    Json,
    RestXml,
}

impl Service {
    /// Reads a full or a trimmed model.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    /// Only the listed operations and the shapes they reach.
    pub fn trimmed(&self, names: &[String]) -> Result<Self, String> {
        let by_path = self.protocol()? == Protocol::RestXml;
        let mut operations = BTreeMap::new();
        for name in names {
            let operation =
                self.operations.get(name).ok_or_else(|| format!("{} has no operation {name}", self.metadata.service_id))?;
            let http = operation.http.clone().filter(|_| by_path);
            operations.insert(name.clone(), Operation { http, ..operation.clone() });
        }
        let mut reached = BTreeSet::new();
        for operation in operations.values() {
            for reference in operation.input.iter().chain(&operation.output) {
                self.reach(&reference.shape, &mut reached)?;
            }
        }
        let shapes =
            self.shapes.iter().filter(|(name, _)| reached.contains(*name)).map(|(n, s)| (n.clone(), s.clone())).collect();
        Ok(Self { metadata: self.metadata.clone(), operations, shapes })
    }

    /// All shapes that a shape is made of, itself included.
    pub fn reach(&self, name: &str, reached: &mut BTreeSet<String>) -> Result<(), String> {
        if !reached.insert(name.to_owned()) {
            return Ok(());
        }
        let shape = self.shape(name)?;
        shape.references().try_for_each(|reference| self.reach(&reference.shape, reached))
    }

    /// The shape of that name.
    pub fn shape(&self, name: &str) -> Result<&Shape, String> {
        self.shapes.get(name).ok_or_else(|| format!("the model has no shape {name}"))
    }

    /// How the service writes requests and answers.
    pub fn protocol(&self) -> Result<Protocol, String> {
        let speaks = |name: &str| self.metadata.protocols.iter().any(|protocol| protocol == name);
        match () {
            () if speaks("ec2") => Ok(Protocol::Ec2),
            () if speaks("query") => Ok(Protocol::Query),
            () if speaks("json") => Ok(Protocol::Json),
            () if speaks("rest-xml") => Ok(Protocol::RestXml),
            () => Err(format!("{} speaks none of ec2, query, json and rest-xml", self.metadata.service_id)),
        }
    }

    /// Names of its operations, in order.
    pub fn operation_names(&self) -> impl Iterator<Item = &str> {
        self.operations.keys().map(String::as_str)
    }

    /// The model as text with one operation or shape per line, so that a diff shows what changed.
    pub fn to_text(&self) -> Result<String, String> {
        fn lines<T: Serialize>(entries: &BTreeMap<String, T>) -> Result<String, serde_json::Error> {
            let mut lines = Vec::new();
            for (name, entry) in entries {
                lines.push(format!("{}: {}", serde_json::to_string(name)?, serde_json::to_string(entry)?));
            }
            Ok(lines.join(",\n"))
        }
        let build = || {
            let metadata = serde_json::to_string(&self.metadata)?;
            let (operations, shapes) = (lines(&self.operations)?, lines(&self.shapes)?);
            Ok(format!(
                "{{\n\"metadata\": {metadata},\n\"operations\": {{\n{operations}\n}},\n\"shapes\": {{\n{shapes}\n}}\n}}\n"
            ))
        };
        build().map_err(|e: serde_json::Error| e.to_string())
    }
}

impl Shape {
    /// Whether it has members.
    pub fn is_structure(&self) -> bool {
        self.kind == "structure"
    }

    fn references(&self) -> impl Iterator<Item = &Reference> {
        self.members.0.iter().map(|(_, reference)| reference).chain(&self.member).chain(&self.key).chain(&self.value)
    }
}

/// A map that keeps the order of the model, which is the order members are written in.
#[derive(Clone, Debug)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Ordered<T> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}
