//! Requests of the query protocol: `Filter.1.Value.2=x` as a tree, and the tree as typed structures.
//!
//! A structure *takes* its members out of the tree; what is left over is a parameter that the action doesn't have.

use std::collections::BTreeMap;

use openvpc_model::UnixMillis;

use crate::error::ApiError;
use crate::timestamp;
use crate::xml::Blob;

/// The longest body or query string that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
const MAX_PARAMETERS: usize = 20_000;
const MAX_NAME_BYTES: usize = 512;
const MAX_DEPTH: usize = 12;

/// One parameter, or a group of parameters whose names begin alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    path: String,
    value: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    /// Reads a form body or a query string. Never panics, whatever the bytes; suited to fuzzing.
    ///
    /// # Errors
    /// `RequestEntityTooLarge` and `MalformedQueryString`.
    pub fn parse(text: &[u8]) -> Result<Self, ApiError> {
        let mut root = Self::default();
        root.add(text)?;
        Ok(root)
    }

    /// Adds the parameters of another part of the same request.
    ///
    /// # Errors
    /// As [`Node::parse`]; a name that is given twice is refused, because either value could be meant.
    pub fn add(&mut self, text: &[u8]) -> Result<(), ApiError> {
        if text.len() > MAX_BYTES {
            return Err(ApiError::new(
                "RequestEntityTooLarge",
                format!("A request may have {MAX_BYTES} bytes; this one has {}.", text.len()),
            ));
        }
        for (count, (name, value)) in form_urlencoded::parse(text).enumerate() {
            if count >= MAX_PARAMETERS {
                return Err(ApiError::malformed_query(format!("A request may have {MAX_PARAMETERS} parameters.")));
            }
            self.insert(&name, value.into_owned())?;
        }
        Ok(())
    }

    fn insert(&mut self, name: &str, value: String) -> Result<(), ApiError> {
        if name.len() > MAX_NAME_BYTES || name.split('.').count() > MAX_DEPTH {
            let start: String = name.chars().take(80).collect();
            return Err(ApiError::malformed_query(format!("The name of a parameter is too long: {start}…")));
        }
        let mut node = self;
        let mut end = 0;
        for part in name.split('.') {
            end += part.len();
            let path = &name[..end];
            end += 1;
            node = node.children.entry(part.to_owned()).or_insert_with(|| Self { path: path.to_owned(), ..Self::default() });
        }
        if node.value.replace(value).is_some() {
            return Err(ApiError::malformed_query(format!("The parameter {name} is given more than once.")));
        }
        Ok(())
    }

    /// A node with a value.
    pub(crate) fn leaf(path: &str, value: String) -> Self {
        Self { path: path.to_owned(), value: Some(value), children: BTreeMap::new() }
    }

    /// A node with children, whose names are what their paths end with.
    pub(crate) fn tree(path: &str, children: Vec<Self>) -> Result<Self, ApiError> {
        let mut node = Self { path: path.to_owned(), ..Self::default() };
        // What is there but empty is told from what isn't there: a list is made of numbers, and has none.
        node.value = children.is_empty().then(String::new);
        for child in children {
            let name = child.path.rsplit('.').next().unwrap_or_default().to_owned();
            if let Some(twice) = node.children.insert(name, child) {
                return Err(ApiError::malformed_query(format!("{} is given more than once.", twice.path)));
            }
        }
        Ok(node)
    }

    /// Takes a top-level parameter's value out of the tree.
    pub fn take_value(&mut self, name: &str) -> Option<String> {
        let node = self.children.get_mut(name)?;
        let value = node.value.take();
        if node.children.is_empty() {
            self.children.remove(name);
        }
        value
    }

    /// A top-level parameter's value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.children.get(name)?.value.as_deref()
    }

    /// The node as a structure whose members are to be taken.
    ///
    /// # Errors
    /// `UnknownParameter` when it is a plain value. (An empty one stands for a structure without members.)
    pub fn members(self) -> Result<Members, ApiError> {
        match self.value {
            Some(value) if !value.is_empty() => Err(ApiError::unknown_parameter(&self.path)),
            _ => Ok(Members { path: self.path, children: self.children }),
        }
    }

    /// The node as a list: children in the order of their numbers, gaps allowed. EC2 puts the numbers right behind the
    /// list's name; the Query protocol puts `member` between.
    fn items(mut self) -> Result<Vec<Node>, ApiError> {
        if let Some(members) = self.children.remove("member").filter(|_| self.children.is_empty()) {
            return members.items();
        }
        let mut numbered = Vec::with_capacity(self.children.len());
        for (name, node) in self.members()?.children {
            // "01" would be a second spelling of 1.
            let number = name.parse::<u32>().ok().filter(|number| number.to_string() == name);
            let number = number.ok_or_else(|| ApiError::unknown_parameter(node.first_leaf()))?;
            numbered.push((number, node));
        }
        numbered.sort_by_key(|(number, _)| *number);
        Ok(numbered.into_iter().map(|(_, node)| node).collect())
    }

    /// The node as a value, with its full name for messages.
    fn scalar(self) -> Result<(String, String), ApiError> {
        if let Some(child) = self.children.values().next() {
            return Err(ApiError::unknown_parameter(child.first_leaf()));
        }
        // A node without children exists only because a value was put there.
        Ok((self.value.unwrap_or_default(), self.path))
    }

    fn first_leaf(&self) -> &str {
        match self.children.values().next() {
            Some(child) if self.value.is_none() => child.first_leaf(),
            _ => &self.path,
        }
    }
}

/// The members of a structure that haven't been taken yet.
#[derive(Debug)]
pub struct Members {
    path: String,
    children: BTreeMap<String, Node>,
}

impl Members {
    /// Takes a member that may be absent.
    ///
    /// # Errors
    /// `InvalidParameterValue`, `MissingParameter` and `UnknownParameter` from within the member.
    pub fn take<T: FromMember>(&mut self, name: &str) -> Result<T, ApiError> {
        T::from_member(self.children.remove(name))
    }

    /// Takes a member that must be there.
    ///
    /// # Errors
    /// `MissingParameter`, and as [`Members::take`].
    pub fn take_required<T: FromMember>(&mut self, name: &str) -> Result<T, ApiError> {
        match self.children.remove(name) {
            Some(node) => T::from_member(Some(node)),
            None if self.path.is_empty() => Err(ApiError::missing(name)),
            None => Err(ApiError::missing(&format!("{}.{name}", self.path))),
        }
    }

    /// Gives the finished structure, if nothing is left over.
    ///
    /// # Errors
    /// `UnknownParameter`.
    pub fn finish<T>(self, shape: T) -> Result<T, ApiError> {
        match self.children.values().next() {
            Some(left) => Err(ApiError::unknown_parameter(left.first_leaf())),
            None => Ok(shape),
        }
    }
}

/// A type that one node of a request can be read as.
pub trait FromQuery: Sized {
    /// Reads the node.
    ///
    /// # Errors
    /// `InvalidParameterValue`, `MissingParameter` and `UnknownParameter`.
    fn from_query(node: Node) -> Result<Self, ApiError>;
}

/// A type that a member of a structure can have: optional or a list.
pub trait FromMember: Sized {
    /// Reads the member, which may be absent.
    ///
    /// # Errors
    /// As [`FromQuery::from_query`].
    fn from_member(node: Option<Node>) -> Result<Self, ApiError>;
}

impl<T: FromQuery> FromMember for Option<T> {
    fn from_member(node: Option<Node>) -> Result<Self, ApiError> {
        node.map(T::from_query).transpose()
    }
}

impl<T: FromQuery> FromMember for Vec<T> {
    fn from_member(node: Option<Node>) -> Result<Self, ApiError> {
        node.map_or(Ok(Vec::new()), |node| node.items()?.into_iter().map(T::from_query).collect())
    }
}

/// A map is a list of entries with a key and a value each: `Name.entry.1.key`.
impl<T: FromQuery> FromMember for BTreeMap<String, T> {
    fn from_member(node: Option<Node>) -> Result<Self, ApiError> {
        let Some(node) = node else { return Ok(Self::new()) };
        let mut members = node.members()?;
        let entries: Vec<Entry<T>> = members.take("entry")?;
        members.finish(entries.into_iter().map(|entry| (entry.key, entry.value)).collect())
    }
}

struct Entry<T> {
    key: String,
    value: T,
}

impl<T: FromQuery> FromQuery for Entry<T> {
    fn from_query(node: Node) -> Result<Self, ApiError> {
        let mut members = node.members()?;
        let missing = |name: &str| ApiError::missing(&format!("{}.{name}", members.path));
        let (no_key, no_value) = (missing("key"), missing("value"));
        let entry = Self {
            key: members.take::<Option<String>>("key")?.ok_or(no_key)?,
            value: members.take::<Option<T>>("value")?.ok_or(no_value)?,
        };
        members.finish(entry)
    }
}

impl FromQuery for String {
    fn from_query(node: Node) -> Result<Self, ApiError> {
        Ok(node.scalar()?.0)
    }
}

impl FromQuery for bool {
    fn from_query(node: Node) -> Result<Self, ApiError> {
        parse_scalar(node, "true or false", |text| match text {
            _ if text.eq_ignore_ascii_case("true") => Some(true),
            _ if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        })
    }
}

impl FromQuery for i32 {
    fn from_query(node: Node) -> Result<Self, ApiError> {
        parse_scalar(node, "an integer", |text| text.parse().ok())
    }
}

impl FromQuery for i64 {
    fn from_query(node: Node) -> Result<Self, ApiError> {
        parse_scalar(node, "an integer", |text| text.parse().ok())
    }
}

impl FromQuery for f64 {
    fn from_query(node: Node) -> Result<Self, ApiError> {
        parse_scalar(node, "a number", |text| text.parse().ok().filter(|number: &f64| number.is_finite()))
    }
}

impl FromQuery for UnixMillis {
    fn from_query(node: Node) -> Result<Self, ApiError> {
        parse_scalar(node, "a time such as 2026-01-31T12:00:00Z", timestamp::parse)
    }
}

impl FromQuery for Blob {
    fn from_query(node: Node) -> Result<Self, ApiError> {
        parse_scalar(node, "base64", Blob::from_base64)
    }
}

fn parse_scalar<T>(node: Node, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ApiError> {
    let (value, name) = node.scalar()?;
    parse(&value)
        .ok_or_else(|| ApiError::invalid_value(format!("Value ({value}) for parameter {name} is invalid. Expected {expected}.")))
}

/// The request of an operation that has no parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Empty;

impl FromQuery for Empty {
    fn from_query(node: Node) -> Result<Self, ApiError> {
        node.members()?.finish(Self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::shapes;

    fn read<T: FromQuery>(text: &str) -> Result<T, ApiError> {
        T::from_query(Node::parse(text.as_bytes())?)
    }

    fn code<T: FromQuery + std::fmt::Debug>(text: &str) -> String {
        let error = read::<T>(text).unwrap_err();
        format!("{}: {}", error.code, error.message)
    }

    #[test]
    fn lists_and_structures_are_read_by_their_query_names() {
        let request: shapes::DescribeVpcsRequest =
            read("VpcId.1=vpc-1&VpcId.2=vpc-2&Filter.1.Name=cidr&Filter.1.Value.1=a&Filter.1.Value.2=b&MaxResults=7").unwrap();
        assert_eq!(request.vpc_ids, ["vpc-1", "vpc-2"]);
        assert_eq!(request.filters, [shapes::Filter { name: Some("cidr".into()), values: vec!["a".into(), "b".into()] }]);
        assert_eq!(request.max_results, Some(7));
    }

    #[test]
    fn list_items_come_in_the_order_of_their_numbers_and_gaps_are_allowed() {
        let request: shapes::DescribeVpcsRequest = read("VpcId.10=c&VpcId.9=b&VpcId.2=a").unwrap();
        assert_eq!(request.vpc_ids, ["a", "b", "c"]);
    }

    #[test]
    fn values_are_decoded() {
        let request: shapes::CreateSecurityGroupRequest = read("GroupName=a%26b+c&GroupDescription=%C3%A4").unwrap();
        assert_eq!((request.group_name.as_deref(), request.description.as_deref()), (Some("a&b c"), Some("ä")));
    }

    #[test]
    fn what_the_action_doesn_t_have_is_an_unknown_parameter() {
        type Vpcs = shapes::DescribeVpcsRequest;
        for (text, name) in [
            ("Nonsense=1", "Nonsense"),
            ("Filter.1.Nonsense=1", "Filter.1.Nonsense"),
            ("VpcId=vpc-1", "VpcId"),
            ("VpcId.x=vpc-1", "VpcId.x"),
            ("VpcId.01=vpc-1", "VpcId.01"),
            ("VpcId.1.2=vpc-1", "VpcId.1.2"),
            ("VpcId..1=vpc-1", "VpcId..1"),
            ("MaxResults.1=5", "MaxResults.1"),
            ("=1", ""),
        ] {
            assert_eq!(code::<Vpcs>(text), format!("UnknownParameter: The parameter {name} is not recognized"), "{text}");
        }
    }

    #[test]
    fn bad_scalars_are_invalid_values() {
        for text in ["MaxResults=seven", "MaxResults=", "MaxResults=99999999999", "DryRun=yes"] {
            assert!(code::<shapes::DescribeVpcsRequest>(text).starts_with("InvalidParameterValue: Value ("), "{text}");
        }
        assert_eq!(
            code::<shapes::DescribeVpcsRequest>("MaxResults=seven"),
            "InvalidParameterValue: Value (seven) for parameter MaxResults is invalid. Expected an integer."
        );
    }

    #[test]
    fn a_member_the_model_requires_is_missed_by_its_full_name() {
        assert_eq!(code::<shapes::DeleteVpcRequest>(""), "MissingParameter: The request must contain the parameter VpcId");
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        assert_eq!(
            code::<shapes::DeleteVpcRequest>("VpcId=a&VpcId=b"),
            "MalformedQueryString: The parameter VpcId is given more than once."
        );
    }

    #[test]
    fn size_depth_and_number_are_limited() {
        let deep = format!("{}=1", vec!["a"; 13].join("."));
        let many: String = (0..20_001).map(|i| format!("a.{i}=1&")).collect();
        let long = "a".repeat(MAX_BYTES + 1);
        for text in [&deep, &many] {
            assert_eq!(Node::parse(text.as_bytes()).unwrap_err().code, "MalformedQueryString");
        }
        assert_eq!(Node::parse(long.as_bytes()).unwrap_err().status, 413);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(node) = Node::parse(&bytes) {
                let _ = shapes::RunInstancesRequest::from_query(node);
            }
        }

        #[test]
        fn no_combination_of_names_makes_the_parser_panic(
            pairs in proptest::collection::vec(("((Filter|TagSpecification|NetworkInterface|Tag|IpPermissions|BlockDeviceMapping|Ebs|x|)(\\.|\\.[0-9]{1,11}\\.?)?){1,6}", ".{0,6}"), 0..30)
        ) {
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            if let Ok(node) = Node::parse(text.as_bytes()) {
                let _ = shapes::RunInstancesRequest::from_query(node.clone());
                let _ = shapes::AuthorizeSecurityGroupIngressRequest::from_query(node);
            }
        }

        #[test]
        fn what_is_written_is_read_back(ids in proptest::collection::vec(".*", 0..40), value in ".*") {
            let mut out = form_urlencoded::Serializer::new(String::new());
            for (i, id) in ids.iter().enumerate() {
                out.append_pair(&format!("VpcId.{}", i + 1), id);
            }
            out.append_pair("NextToken", &value);
            let request: shapes::DescribeVpcsRequest = read(&out.finish()).unwrap();
            prop_assert_eq!(request.vpc_ids, ids);
            prop_assert_eq!(request.next_token, Some(value));
        }
    }
}
