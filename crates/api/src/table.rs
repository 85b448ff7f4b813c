//! The models of the services as data: what a client needs to write requests and read answers without typed structures.

/// A service.
#[derive(Debug)]
pub struct Model {
    /// Its short name here.
    pub name: &'static str,
    /// Its name in signatures.
    pub signing_name: &'static str,
    /// The version of the API that the model is of.
    pub version: &'static str,
    /// How requests and answers are written.
    pub protocol: Protocol,
    /// The namespace of its answers, in protocols of XML.
    pub namespace: &'static str,
    /// What stands before the operation in `X-Amz-Target`, in protocols of JSON.
    pub target_prefix: &'static str,
    /// Shapes by number.
    pub shapes: &'static [Shape],
    /// Operations, in the order of their names.
    pub operations: &'static [Operation],
    /// Where the operations live, in protocols of REST; in the order of their names.
    pub routes: &'static [Route],
}

/// A wire protocol of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// EC2's own form of the Query protocol.
    Ec2,
    /// Form in, XML out.
    Query,
    /// JSON 1.1.
    Json,
    /// Methods and paths, with XML in both directions.
    RestXml,
}

/// The method and path of an operation, and its members that aren't in the body.
#[derive(Debug)]
pub struct Route {
    /// The operation's name.
    pub operation: &'static str,
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// The path, with labels such as `{Id}`.
    pub path: &'static str,
    /// The status of an answer.
    pub status: u16,
    /// Labels of the path, and the members that they are.
    pub labels: &'static [(&'static str, &'static str)],
    /// Parameters of the query string, and the members that they are.
    pub query: &'static [(&'static str, &'static str)],
}

/// An operation and the numbers of its shapes in [`Model::shapes`].
#[derive(Debug)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// The structure of its request.
    pub request: Option<u16>,
    /// The structure of its response.
    pub response: Option<u16>,
}

/// What a value is.
#[derive(Debug)]
pub enum Shape {
    /// Bytes, as base64.
    Blob,
    /// `true` or `false`.
    Boolean,
    /// A number with a fraction.
    Double,
    /// A whole number of 32 bits.
    Integer,
    /// Values of one shape.
    List {
        /// The shape of the values.
        item: u16,
        /// The element around each in a response.
        element: &'static str,
    },
    /// A whole number of 64 bits.
    Long,
    /// Values of one shape by name.
    Map {
        /// The shape of the values.
        value: u16,
    },
    /// Text.
    String,
    /// Named members.
    Structure(&'static [Member]),
    /// A point in time, as ISO 8601.
    Timestamp,
}

/// A member of a structure and its three names.
#[derive(Debug)]
pub struct Member {
    /// Its name in the API and in JSON.
    pub name: &'static str,
    /// Its name in a request.
    pub query: &'static str,
    /// Its element in a response.
    pub xml: &'static str,
    /// The number of its shape.
    pub shape: u16,
}

impl Member {
    pub(crate) const fn new(name: &'static str, query: &'static str, xml: &'static str, shape: u16) -> Self {
        Self { name, query, xml, shape }
    }
}

impl Model {
    /// The operation of that name.
    pub fn operation(&self, name: &str) -> Option<&'static Operation> {
        self.operations.binary_search_by(|operation| operation.name.cmp(name)).ok().map(|found| &self.operations[found])
    }

    /// The shape of that number.
    pub fn shape(&self, number: u16) -> &'static Shape {
        // Numbers come only from the same generated table.
        &self.shapes[usize::from(number)]
    }
}
