//! Answers as XML: structures member by member, and the envelopes around them.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openvpc_model::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// Something that an element can hold.
pub trait WriteXml {
    /// Writes what stands between the element's tags.
    fn write_xml(&self, w: &mut XmlWriter);

    /// What the `Location` header of an answer says, in protocols of REST.
    fn location(&self) -> Option<&str> {
        None
    }
}

/// Builds the text of an answer.
#[derive(Debug, Default)]
pub struct XmlWriter {
    out: String,
}

impl XmlWriter {
    /// A member that may be absent: nothing is written then, because clients take an empty element for a value.
    pub fn member<T: WriteXml>(&mut self, name: &str, value: &Option<T>) {
        if let Some(value) = value {
            self.element(name, value);
        }
    }

    /// A list: always written, empty as an empty element, because clients iterate over it.
    pub fn list<T: WriteXml>(&mut self, name: &str, item: &str, values: &[T]) {
        if values.is_empty() {
            self.push(&["<", name, "/>"]);
            return;
        }
        self.push(&["<", name, ">"]);
        for value in values {
            self.element(item, value);
        }
        let _ = write!(self.out, "</{name}>");
    }

    /// A list that may be absent: nothing is written for an empty one.
    pub fn filled_list<T: WriteXml>(&mut self, name: &str, item: &str, values: &[T]) {
        if !values.is_empty() {
            self.list(name, item, values);
        }
    }

    /// A map: always written, as a list of entries.
    pub fn map<T: WriteXml>(&mut self, name: &str, values: &BTreeMap<String, T>) {
        let _ = write!(self.out, "<{name}>");
        for (key, value) in values {
            self.out.push_str("<entry>");
            self.element("key", key);
            self.element("value", value);
            self.out.push_str("</entry>");
        }
        self.push(&["</", name, ">"]);
    }

    /// An element with that content.
    pub fn element<T: WriteXml + ?Sized>(&mut self, name: &str, value: &T) {
        self.push(&["<", name, ">"]);
        value.write_xml(self);
        self.push(&["</", name, ">"]);
    }

    /// Text with the characters that XML reserves escaped. Characters that XML can't carry at all become U+FFFD.
    pub fn text(&mut self, text: &str) {
        // Nearly all texts are ids and the like.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'&' | b'<' | b'>' | b'"') || byte == b' ';
        if text.bytes().all(is_plain) {
            self.out.push_str(text);
            return;
        }
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                // A reader turns a bare carriage return into a line feed.
                '\r' => self.out.push_str("&#xD;"),
                '\t' | '\n' => self.out.push(c),
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => self.out.push(char::REPLACEMENT_CHARACTER),
                _ => self.out.push(c),
            }
        }
    }

    fn push(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.out.push_str(part));
    }

    fn document() -> Self {
        Self { out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") }
    }
}

/// EC2's answer to a call that succeeded: `<ActionResponse><requestId>…`.
pub fn ec2_response(action: &str, version: &str, request_id: &str, response: &dyn WriteXml) -> String {
    let mut w = XmlWriter::document();
    let _ = write!(w.out, "<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/{version}/\">");
    w.element("requestId", request_id);
    response.write_xml(&mut w);
    let _ = write!(w.out, "</{action}Response>");
    w.out
}

/// EC2's answer to a call that failed. It spells `RequestID`, unlike a success.
pub fn ec2_error(error: &ApiError, request_id: &str) -> String {
    let mut w = XmlWriter::document();
    w.out.push_str("<Response><Errors><Error>");
    w.element("Code", &*error.code);
    w.element("Message", &*error.message);
    w.out.push_str("</Error></Errors>");
    w.element("RequestID", request_id);
    w.out.push_str("</Response>");
    w.out
}

/// The Query protocol's answer to a call that succeeded: the result in a wrapper named after the action.
pub fn query_response(namespace: &str, action: &str, request_id: &str, response: &dyn WriteXml) -> String {
    let mut w = XmlWriter::document();
    let _ = write!(w.out, "<{action}Response xmlns=\"{namespace}\"><{action}Result>");
    response.write_xml(&mut w);
    let _ = write!(w.out, "</{action}Result><ResponseMetadata>");
    w.element("RequestId", request_id);
    let _ = write!(w.out, "</ResponseMetadata></{action}Response>");
    w.out
}

/// The answer of a REST service to a call that succeeded.
pub fn rest_response(namespace: &str, action: &str, response: &dyn WriteXml) -> String {
    let mut w = XmlWriter::document();
    let _ = write!(w.out, "<{action}Response xmlns=\"{namespace}\">");
    response.write_xml(&mut w);
    let _ = write!(w.out, "</{action}Response>");
    w.out
}

/// The Query protocol's answer to a call that failed.
pub fn query_error(namespace: &str, error: &ApiError, request_id: &str) -> String {
    let mut w = XmlWriter::document();
    let _ = write!(w.out, "<ErrorResponse xmlns=\"{namespace}\"><Error>");
    w.element("Type", if error.status < 500 { "Sender" } else { "Receiver" });
    w.element("Code", &*error.code);
    w.element("Message", &*error.message);
    w.out.push_str("</Error>");
    w.element("RequestId", request_id);
    w.out.push_str("</ErrorResponse>");
    w.out
}

/// The response of an operation that has none in the model: `<return>true</return>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done;

impl WriteXml for Done {
    fn write_xml(&self, w: &mut XmlWriter) {
        w.element("return", &true);
    }
}

/// The response of an operation of the Query protocol that has none in the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nothing;

impl WriteXml for Nothing {
    fn write_xml(&self, _w: &mut XmlWriter) {}
}

/// Bytes, written as base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Blob(pub Vec<u8>);

impl TryFrom<String> for Blob {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_base64(&text).ok_or("expected base64")
    }
}

impl From<Blob> for String {
    fn from(blob: Blob) -> Self {
        blob.to_base64()
    }
}

impl Blob {
    /// Reads base64; line breaks, which some clients put in, are skipped.
    pub fn from_base64(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        STANDARD.decode(text).ok().map(Self)
    }

    /// The bytes as base64.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

impl WriteXml for Blob {
    fn write_xml(&self, w: &mut XmlWriter) {
        w.out.push_str(&self.to_base64());
    }
}

impl WriteXml for str {
    fn write_xml(&self, w: &mut XmlWriter) {
        w.text(self);
    }
}

impl WriteXml for String {
    fn write_xml(&self, w: &mut XmlWriter) {
        w.text(self);
    }
}

macro_rules! displayed {
    ($($ty:ty)*) => {$(
        impl WriteXml for $ty {
            fn write_xml(&self, w: &mut XmlWriter) {
                let _ = write!(w.out, "{self}");
            }
        }
    )*};
}

displayed! { bool i32 i64 f64 UnixMillis }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes;

    fn body(response: &dyn WriteXml) -> String {
        let mut w = XmlWriter::default();
        response.write_xml(&mut w);
        w.out
    }

    #[test]
    fn absent_scalars_are_left_out_and_empty_lists_are_empty_elements() {
        let vpc = shapes::Vpc { vpc_id: Some("vpc-1".into()), is_default: Some(false), ..Default::default() };
        assert_eq!(
            body(&vpc),
            "<ipv6CidrBlockAssociationSet/><cidrBlockAssociationSet/><isDefault>false</isDefault><tagSet/><vpcId>vpc-1</vpcId>"
        );
    }

    #[test]
    fn an_answer_is_wrapped_in_its_action_and_carries_the_request_id() {
        let response = shapes::CreateVpcResult { vpc: Some(shapes::Vpc { vpc_id: Some("vpc-1".into()), ..Default::default() }) };
        assert_eq!(
            ec2_response("CreateVpc", "2016-11-15", "r-1", &response),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CreateVpcResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r-1</requestId>\
             <vpc><ipv6CidrBlockAssociationSet/><cidrBlockAssociationSet/><tagSet/><vpcId>vpc-1</vpcId></vpc></CreateVpcResponse>"
        );
        assert_eq!(
            ec2_response("DeleteVpc", "2016-11-15", "r-1", &Done),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DeleteVpcResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r-1</requestId>\
             <return>true</return></DeleteVpcResponse>"
        );
    }

    #[test]
    fn an_error_spells_request_id_its_own_way() {
        assert_eq!(
            ec2_error(&ApiError::missing("VpcId"), "r-1"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>MissingParameter</Code><Message>The request must contain the parameter VpcId\
             </Message></Error></Errors><RequestID>r-1</RequestID></Response>"
        );
    }

    #[test]
    fn text_that_would_break_the_document_is_escaped() {
        assert_eq!(body(&"a<b>&\"\r\n\u{0}\u{1b}é".to_owned()), "a&lt;b&gt;&amp;&quot;&#xD;\n\u{fffd}\u{fffd}é");
    }

    #[test]
    fn timestamps_and_blobs_have_their_own_forms() {
        assert_eq!(body(&UnixMillis(1_790_000_042_007)), "2026-09-21T14:14:02.007Z");
        assert_eq!(body(&Blob(b"hello".to_vec())), "aGVsbG8=");
        assert_eq!(Blob::from_base64("aGVs\nbG8="), Some(Blob(b"hello".to_vec())));
    }
}
