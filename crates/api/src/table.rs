//! The service model as data: what a client needs to write requests and read answers without typed structures.

pub use crate::generated::table::{OPERATIONS, SHAPES};

/// An operation and the numbers of its shapes in [`SHAPES`].
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

/// The operation of that name.
pub fn operation(name: &str) -> Option<&'static Operation> {
    OPERATIONS.binary_search_by(|operation| operation.name.cmp(name)).ok().map(|found| &OPERATIONS[found])
}

/// The shape of that number.
pub fn shape(number: u16) -> &'static Shape {
    // Numbers come only from the same generated table.
    &SHAPES[usize::from(number)]
}
