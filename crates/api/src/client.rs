//! The other end of the wire: JSON with API member names as a request, and an answer as JSON with API member names.
//!
//! `{"VpcId": "vpc-…", "TagSpecifications": [{"ResourceType": "vpc", "Tags": […]}]}` is what the aws CLI takes as
//! `--cli-input-json` and prints; labs and the command line use the same form.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

use crate::services::Service;
use crate::table::{Member, Model, Operation, Protocol, Shape};

/// Why parameters can't be sent or an answer can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The operation isn't one of those in the model.
    #[error("there is no operation {0}")]
    Operation(String),
    /// A parameter doesn't fit the operation's request.
    #[error("{path}: {problem}")]
    Parameter {
        /// Where in the parameters.
        path: String,
        /// What is wrong there.
        problem: String,
    },
    /// The answer isn't the XML that it should be.
    #[error("the answer can't be read: {0}")]
    Answer(String),
    /// The service refused.
    #[error("{code}: {message}")]
    Refused {
        /// The error code.
        code: String,
        /// The message.
        message: String,
    },
}

/// The form body of a call. An operation of a service other than EC2 and STS is written `elbv2:DescribeTags`.
///
/// # Errors
/// When the operation is unknown or a parameter doesn't fit its request.
pub fn encode(operation: &str, parameters: &Value) -> Result<String, ClientError> {
    let (model, found) = find(operation)?;
    let mut out = form_urlencoded::Serializer::new(String::new());
    out.append_pair("Action", found.name).append_pair("Version", model.version);
    if let Some(request) = found.request {
        let mut pairs = Vec::new();
        flatten(model, model.shape(request), parameters, "", found.name, &mut pairs)?;
        out.extend_pairs(pairs);
    }
    Ok(out.finish())
}

/// The name in signatures of the service that an operation belongs to.
pub fn service(operation: &str) -> &'static str {
    find(operation).map_or("ec2", |(model, _)| model.signing_name)
}

/// The answer to a call as JSON with API member names; lists and scalars that the answer lacks are left out.
///
/// # Errors
/// [`ClientError::Refused`] when the answer is an error.
pub fn decode(operation: &str, answer: &str) -> Result<Value, ClientError> {
    let (model, found) = find(operation)?;
    let root = Element::parse(answer)?;
    if root.name == "ErrorResponse" || root.find("Errors").is_some() {
        let error = root.find("Error").unwrap_or(&root);
        let text = |name: &str| error.find(name).map(|e| e.text.clone()).unwrap_or_default();
        return Err(ClientError::Refused { code: text("Code"), message: text("Message") });
    }
    // The Query protocol wraps the result once more.
    let wrapper = format!("{}Result", found.name);
    let is_wrapper = |child: &&Element| model.protocol == Protocol::Query && child.name == wrapper;
    let body = root.children.iter().find(is_wrapper).unwrap_or(&root);
    Ok(found.response.map_or_else(|| Value::Object(Map::new()), |response| to_json(model, model.shape(response), body)))
}

/// The operation of that name, with its service in front (`iam:GetRole`) or of EC2 or STS without.
fn find(operation: &str) -> Result<(&'static Model, &'static Operation), ClientError> {
    let (services, name): (&[&str], &str) = match operation.split_once(':') {
        Some((service, name)) => (&[service], name),
        None => (&["ec2", "sts"], operation),
    };
    let models = services.iter().filter_map(|service| Service::named(service)).map(|service| service.model);
    let mut models = models.filter(|model| matches!(model.protocol, Protocol::Ec2 | Protocol::Query));
    let found = models.find_map(|model| Some((model, model.operation(name)?)));
    found.ok_or_else(|| ClientError::Operation(operation.into()))
}

fn flatten(
    model: &Model,
    shape: &Shape,
    value: &Value,
    prefix: &str,
    path: &str,
    pairs: &mut Vec<(String, String)>,
) -> Result<(), ClientError> {
    let wrong = |problem: String| ClientError::Parameter { path: path.into(), problem };
    match (shape, value) {
        (_, Value::Null) => {}
        (Shape::Structure(members), Value::Object(object)) => {
            for (name, value) in object {
                let member = members.iter().find(|member| member.name == name).ok_or_else(|| wrong(unknown(name, members)))?;
                flatten(model, model.shape(member.shape), value, &join(prefix, member.query), &format!("{path}.{name}"), pairs)?;
            }
        }
        (Shape::List { item, .. }, Value::Array(values)) => {
            let prefix = if model.protocol == Protocol::Query { &join(prefix, "member") } else { prefix };
            if values.is_empty() && model.protocol == Protocol::Query {
                pairs.push((prefix.trim_end_matches(".member").into(), String::new()));
            }
            for (i, value) in values.iter().enumerate() {
                flatten(model, model.shape(*item), value, &join(prefix, &(i + 1).to_string()), &format!("{path}[{i}]"), pairs)?;
            }
        }
        (Shape::Map { value: of }, Value::Object(object)) => {
            for (i, (name, value)) in object.iter().enumerate() {
                let entry = join(prefix, &format!("entry.{}", i + 1));
                pairs.push((format!("{entry}.key"), name.clone()));
                flatten(model, model.shape(*of), value, &format!("{entry}.value"), &format!("{path}.{name}"), pairs)?;
            }
        }
        (Shape::Structure(_) | Shape::Map { .. }, _) => return Err(wrong(format!("expected a map, not {value}"))),
        (Shape::List { .. }, _) => return Err(wrong(format!("expected a list, not {value}"))),
        (_, Value::Array(_) | Value::Object(_)) => return Err(wrong(format!("expected one value, not {value}"))),
        (_, Value::String(text)) => pairs.push((prefix.into(), text.clone())),
        (_, Value::Bool(_) | Value::Number(_)) => pairs.push((prefix.into(), value.to_string())),
    }
    Ok(())
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.into() } else { format!("{prefix}.{name}") }
}

fn unknown(name: &str, members: &[Member]) -> String {
    let names: Vec<&str> = members.iter().map(|member| member.name).collect();
    format!("there is no member {name}; there are {}", names.join(", "))
}

fn to_json(model: &Model, shape: &Shape, element: &Element) -> Value {
    let text = &element.text;
    match shape {
        Shape::Structure(members) => {
            let mut object = Map::new();
            for member in *members {
                if let Some(child) = element.children.iter().find(|child| child.name == member.xml) {
                    object.insert(member.name.into(), to_json(model, model.shape(member.shape), child));
                }
            }
            Value::Object(object)
        }
        Shape::List { item, .. } => element.children.iter().map(|child| to_json(model, model.shape(*item), child)).collect(),
        Shape::Map { value } => {
            let entry = |entry: &Element| {
                let value = entry.find("value").map_or(Value::Null, |found| to_json(model, model.shape(*value), found));
                Some((entry.find("key")?.text.clone(), value))
            };
            Value::Object(element.children.iter().filter_map(entry).collect())
        }
        Shape::Boolean => Value::Bool(text == "true"),
        Shape::Integer | Shape::Long => text.parse::<i64>().map_or_else(|_| Value::String(text.clone()), Value::from),
        Shape::Double => text.parse::<f64>().map_or_else(|_| Value::String(text.clone()), Value::from),
        Shape::Blob | Shape::String | Shape::Timestamp => Value::String(text.clone()),
    }
}

/// An element and what is in it.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

/// How deep elements may lie in each other.
const DEPTH: usize = 64;

impl Element {
    pub(crate) fn parse(text: &str) -> Result<Self, ClientError> {
        let wrong = |e: &dyn std::fmt::Display| ClientError::Answer(e.to_string());
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().map_err(|e| wrong(&e))? {
                Event::Start(_) if open.len() > DEPTH => {
                    return Err(ClientError::Answer(format!("elements lie in each other more than {DEPTH} deep")));
                }
                Event::Start(tag) => open.push(Self::named(tag.local_name().as_ref())),
                Event::Empty(tag) => {
                    let element = Self::named(tag.local_name().as_ref());
                    innermost(&mut open).children.push(element);
                }
                Event::End(_) => {
                    // The reader refuses an end tag without a start tag, so the bottom of the stack stays.
                    let element = open.pop().unwrap_or_default();
                    innermost(&mut open).children.push(element);
                }
                Event::Text(part) => innermost(&mut open).text.push_str(&part),
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().map_err(|e| wrong(&e))?;
                    let predefined = quick_xml::escape::resolve_predefined_entity(&reference);
                    match (character, predefined) {
                        (Some(c), _) => innermost(&mut open).text.push(c),
                        (None, Some(text)) => innermost(&mut open).text.push_str(text),
                        (None, None) => return Err(ClientError::Answer(format!("unknown entity {}", &*reference))),
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let root = open.pop().unwrap_or_default();
        if !open.is_empty() {
            return Err(ClientError::Answer("the document ends too early".into()));
        }
        root.children.into_iter().next().ok_or_else(|| ClientError::Answer("the document is empty".into()))
    }

    fn named(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The first element of that name, at any depth.
    fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name { Some(self) } else { self.children.iter().find_map(|child| child.find(name)) }
    }
}

/// The element that is being read; the stack begins with one that stands for the document.
fn innermost(open: &mut Vec<Element>) -> &mut Element {
    if open.is_empty() {
        open.push(Element::default());
    }
    let last = open.len() - 1;
    &mut open[last]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_become_a_request_with_query_names() {
        let parameters = json!({
            "CidrBlock": "10.0.0.0/16",
            "DryRun": false,
            "TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "a b"}]}],
        });
        assert_eq!(
            encode("CreateVpc", &parameters).unwrap(),
            "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16&DryRun=false&TagSpecification.1.ResourceType=vpc\
             &TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=a+b"
        );
    }

    #[test]
    fn irregular_query_names_come_from_the_model() {
        for (operation, parameters, query) in [
            (
                "DescribeVpcs",
                json!({"VpcIds": ["vpc-1"], "Filters": [{"Name": "cidr", "Values": ["x"]}]}),
                "VpcId.1=vpc-1&Filter.1.Name=cidr&Filter.1.Value.1=x",
            ),
            (
                "AuthorizeSecurityGroupIngress",
                json!({"GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "UserIdGroupPairs": [{"GroupId": "sg-2"}]}]}),
                "GroupId=sg-1&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0%2F0&IpPermissions.1.Groups.1.GroupId=sg-2",
            ),
            ("CreateNetworkAclEntry", json!({"IcmpTypeCode": {"Type": 8, "Code": -1}}), "Icmp.Type=8&Icmp.Code=-1"),
            ("CreateFlowLogs", json!({"ResourceIds": ["vpc-1"]}), "ResourceId.1=vpc-1"),
        ] {
            let body = encode(operation, &parameters).unwrap();
            assert_eq!(body, format!("Action={operation}&Version=2016-11-15&{query}"));
        }
    }

    #[test]
    fn a_wrong_parameter_is_named_with_its_place() {
        let error = |parameters| encode("CreateVpc", &parameters).unwrap_err().to_string();
        assert!(
            error(json!({"Cidr": 1})).starts_with("CreateVpc: there is no member Cidr; there are CidrBlock, "),
            "{}",
            error(json!({"Cidr": 1}))
        );
        assert_eq!(error(json!({"TagSpecifications": {}})), "CreateVpc.TagSpecifications: expected a list, not {}");
        assert_eq!(error(json!({"TagSpecifications": ["x"]})), "CreateVpc.TagSpecifications[0]: expected a map, not \"x\"");
    }

    #[test]
    fn an_answer_becomes_json_with_api_names() {
        let answer = "<?xml version=\"1.0\"?>\n<DescribeVpcsResponse xmlns=\"http://x/\"><requestId>r</requestId><vpcSet><item><vpcId>vpc-1</vpcId>\
                      <isDefault>false</isDefault><tagSet><item><key>a</key><value>&lt;&#xD;&amp; é</value></item></tagSet><cidrBlockAssociationSet/></item></vpcSet></DescribeVpcsResponse>";
        assert_eq!(
            decode("DescribeVpcs", answer).unwrap(),
            json!({"Vpcs": [{"VpcId": "vpc-1", "IsDefault": false, "Tags": [{"Key": "a", "Value": "<\r& é"}], "CidrBlockAssociationSet": []}]})
        );
    }

    #[test]
    fn a_refusal_is_an_error_with_its_code() {
        let answer = crate::xml::ec2_error(&crate::ApiError::missing("VpcId"), "r");
        let expected = ClientError::Refused {
            code: "MissingParameter".into(),
            message: "The request must contain the parameter VpcId".into(),
        };
        assert_eq!(decode("DeleteVpc", &answer).unwrap_err(), expected);
    }

    #[test]
    fn what_is_no_xml_is_an_error() {
        for answer in ["", "<a>", "<a></b>", "</a>", "Bad Gateway", "<a>&nope;</a>"] {
            assert!(matches!(decode("DeleteVpc", answer), Err(ClientError::Answer(_))), "{answer}");
        }
    }
}
