//! CBOR (RFC 8949), which newer SDKs speak to services of JSON: Smithy's `rpc-v2-cbor`. Requests become JSON, and answers of
//! JSON become CBOR by the model's shapes, so that one handler serves both.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use crate::http::Request;
use crate::table::{Model, Shape};

/// The `Content-Type` of the protocol.
pub const CONTENT_TYPE: &str = "application/cbor";

/// How deep a value may be nested.
const DEEPEST: usize = 64;

/// Service and operation of a request in this protocol, as `X-Amz-Target` would name them. Its path is
/// `/service/SERVICE/operation/OPERATION`.
pub fn target(request: &Request) -> Option<String> {
    request.header("smithy-protocol").filter(|protocol| protocol.eq_ignore_ascii_case("rpc-v2-cbor"))?;
    let (service, operation) = request.path.strip_prefix("/service/")?.split_once("/operation/")?;
    // Smithy lets a namespace stand before the service's name.
    let service = service.rsplit('.').next().unwrap_or(service);
    Some(format!("{service}.{}", operation.trim_end_matches('/')))
}

/// Reads a value; nothing at all is an empty structure.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode(bytes: &[u8]) -> Result<Value, &'static str> {
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err("there is something behind the value") }
}

/// Writes a value of a shape, or one without.
pub fn encode(value: &Value, model: &Model, shape: Option<u16>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, value, model, shape.map(|number| model.shape(number)));
    bytes
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, &'static str> {
        if depth > DEEPEST {
            return Err("the value is nested too deep");
        }
        let first = self.byte()?;
        let (major, info) = (first >> 5, first & 0x1f);
        if major == 7 {
            return self.simple(info);
        }
        if info == 31 {
            return self.indefinite(major, depth);
        }
        let length = self.argument(info)?;
        match major {
            0 => Ok(Value::from(length)),
            // -1 - n; what doesn't fit in 64 bits is none of AWS's numbers.
            1 => i64::try_from(length).map(|n| Value::from(-1 - n)).map_err(|_| "a number is too small"),
            2 => Ok(Value::String(STANDARD.encode(self.take(length)?))),
            3 => self.text(length).map(Value::String),
            4 => {
                let mut items = Vec::new();
                for _ in 0..length {
                    items.push(self.value(depth + 1)?);
                }
                Ok(Value::Array(items))
            }
            5 => {
                let mut members = Map::new();
                for _ in 0..length {
                    self.member(&mut members, depth)?;
                }
                Ok(Value::Object(members))
            }
            // A tag says what a value means; a time is a number in JSON too.
            _ => self.value(depth + 1),
        }
    }

    fn indefinite(&mut self, major: u8, depth: usize) -> Result<Value, &'static str> {
        match major {
            2 | 3 => {
                let mut whole = Vec::new();
                while !self.breaks() {
                    let first = self.byte()?;
                    if first >> 5 != major || first & 0x1f == 31 {
                        return Err("a chunk is of another kind");
                    }
                    let length = self.argument(first & 0x1f)?;
                    whole.extend_from_slice(self.take(length)?);
                }
                match major {
                    2 => Ok(Value::String(STANDARD.encode(whole))),
                    _ => String::from_utf8(whole).map(Value::String).map_err(|_| "a text is not UTF-8"),
                }
            }
            4 => {
                let mut items = Vec::new();
                while !self.breaks() {
                    items.push(self.value(depth + 1)?);
                }
                Ok(Value::Array(items))
            }
            5 => {
                let mut members = Map::new();
                while !self.breaks() {
                    self.member(&mut members, depth)?;
                }
                Ok(Value::Object(members))
            }
            _ => Err("a number has no length"),
        }
    }

    fn member(&mut self, members: &mut Map<String, Value>, depth: usize) -> Result<(), &'static str> {
        let Value::String(name) = self.value(depth + 1)? else { return Err("a name is not a text") };
        let value = self.value(depth + 1)?;
        members.insert(name, value);
        Ok(())
    }

    fn simple(&mut self, info: u8) -> Result<Value, &'static str> {
        let number = |value: f64| Number::from_f64(value).map(Value::Number).ok_or("a number is not finite");
        match info {
            20 => Ok(Value::Bool(false)),
            21 => Ok(Value::Bool(true)),
            22 | 23 => Ok(Value::Null),
            25 => number(half(self.array().map(u16::from_be_bytes)?)),
            26 => number(f32::from_be_bytes(self.array()?).into()),
            27 => number(f64::from_be_bytes(self.array()?)),
            _ => Err("a value is of no known kind"),
        }
    }

    /// Whether the end of something without a length comes; skips it.
    fn breaks(&mut self) -> bool {
        let ends = self.rest.first() == Some(&0xff);
        if ends {
            self.rest = &self.rest[1..];
        }
        ends
    }

    fn argument(&mut self, info: u8) -> Result<u64, &'static str> {
        match info {
            0..=23 => Ok(info.into()),
            24 => self.byte().map(u64::from),
            25 => self.array().map(|bytes| u16::from_be_bytes(bytes).into()),
            26 => self.array().map(|bytes| u32::from_be_bytes(bytes).into()),
            27 => self.array().map(u64::from_be_bytes),
            _ => Err("a length is of no known kind"),
        }
    }

    fn text(&mut self, length: u64) -> Result<String, &'static str> {
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "a text is not UTF-8")
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(SHORT)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn take(&mut self, length: u64) -> Result<&[u8], &'static str> {
        let length = usize::try_from(length).map_err(|_| SHORT)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(SHORT)?;
        self.rest = rest;
        Ok(taken)
    }
}

const SHORT: &str = "the value ends too early";

/// A number of 16 bits (RFC 8949, appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let value = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { value } else { -value }
}

fn write(bytes: &mut Vec<u8>, value: &Value, model: &Model, shape: Option<&Shape>) {
    let of = |number: u16| Some(model.shape(number));
    match (value, shape) {
        (Value::Null, _) => bytes.push(0xf6),
        (Value::Bool(value), _) => bytes.push(0xf4 + u8::from(*value)),
        (Value::Number(number), Some(Shape::Timestamp)) => {
            bytes.push(0xc1);
            write_double(bytes, number.as_f64().unwrap_or_default());
        }
        (Value::Number(number), _) => write_number(bytes, number),
        (Value::String(text), Some(Shape::Blob)) => match STANDARD.decode(text) {
            Ok(blob) => {
                write_head(bytes, 2, blob.len() as u64);
                bytes.extend(blob);
            }
            Err(_) => write_text(bytes, text),
        },
        (Value::String(text), _) => write_text(bytes, text),
        (Value::Array(items), _) => {
            let item = match shape {
                Some(Shape::List { item, .. }) => of(*item),
                _ => None,
            };
            write_head(bytes, 4, items.len() as u64);
            items.iter().for_each(|value| write(bytes, value, model, item));
        }
        (Value::Object(members), _) => {
            write_head(bytes, 5, members.len() as u64);
            for (name, value) in members {
                let member = match shape {
                    Some(Shape::Structure(known)) => known.iter().find(|m| m.name == name).and_then(|m| of(m.shape)),
                    Some(Shape::Map { value }) => of(*value),
                    _ => None,
                };
                write_text(bytes, name);
                write(bytes, value, model, member);
            }
        }
    }
}

fn write_number(bytes: &mut Vec<u8>, number: &Number) {
    if let Some(n) = number.as_u64() {
        write_head(bytes, 0, n);
    } else if let Some(n) = number.as_i64() {
        // A number below zero: -1 - n is not.
        write_head(bytes, 1, (-1 - n).unsigned_abs());
    } else {
        write_double(bytes, number.as_f64().unwrap_or_default());
    }
}

fn write_double(bytes: &mut Vec<u8>, value: f64) {
    bytes.push(0xfb);
    bytes.extend(value.to_be_bytes());
}

fn write_text(bytes: &mut Vec<u8>, text: &str) {
    write_head(bytes, 3, text.len() as u64);
    bytes.extend(text.as_bytes());
}

/// The kind and a number, in as few bytes as it takes.
fn write_head(bytes: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    match number {
        0..=23 => bytes.push(major | number as u8),
        24..=0xff => bytes.extend([major | 24, number as u8]),
        0x100..=0xffff => {
            bytes.push(major | 25);
            bytes.extend((number as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            bytes.push(major | 26);
            bytes.extend((number as u32).to_be_bytes());
        }
        _ => {
            bytes.push(major | 27);
            bytes.extend(number.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;
    use crate::generated::directconnect::table::MODEL;
    use crate::testing::{api, signed};

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_examples_of_the_standard_are_read() {
        // RFC 8949, appendix A.
        for (bytes, value) in [
            ("00", json!(0)),
            ("1864", json!(100)),
            ("1b000000e8d4a51000", json!(1_000_000_000_000_u64)),
            ("20", json!(-1)),
            ("3903e7", json!(-1000)),
            ("f93c00", json!(1.0)),
            ("f93e00", json!(1.5)),
            ("f9c400", json!(-4.0)),
            ("fa47c35000", json!(100_000.0)),
            ("fb3ff199999999999a", json!(1.1)),
            ("f4", json!(false)),
            ("f5", json!(true)),
            ("f6", Value::Null),
            ("c11a514b67b0", json!(1_363_896_240)),
            ("4401020304", json!("AQIDBA==")),
            ("6449455446", json!("IETF")),
            ("8301820203820405", json!([1, [2, 3], [4, 5]])),
            ("a26161016162820203", json!({"a": 1, "b": [2, 3]})),
            ("7f657374726561646d696e67ff", json!("streaming")),
            ("9f018202039f0405ffff", json!([1, [2, 3], [4, 5]])),
            ("bf61610161629f0203ffff", json!({"a": 1, "b": [2, 3]})),
        ] {
            assert_eq!(decode(&hex(bytes)), Ok(value), "{bytes}");
        }
    }

    #[test]
    fn bad_bytes_are_refused_and_never_panic() {
        for bytes in
            ["18", "61", "9f01", "bf01ff", "a10102", "f97e00", "f97c00", "ff", "1f", "62c328", "5bffffffffffffffff", "0000"]
        {
            assert!(decode(&hex(bytes)).is_err(), "{bytes}");
        }
        assert!(decode(&[0x81].repeat(100_000)).is_err());
        for seed in 0..2_000_u32 {
            let bytes: Vec<u8> = (0..12).map(|at| (seed.wrapping_mul(2_654_435_761).rotate_left(at * 3) >> 7) as u8).collect();
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_shapes_tell_times_and_bytes() {
        let value = json!({"a": [0, 23, 24, 255, 256, 65535, 65536, 4_294_967_296_u64, -1, -25, 1.5, true, null, "text"]});
        assert_eq!(decode(&encode(&value, &MODEL, None)), Ok(value));
        let shape = |operation: &str| MODEL.operation(operation).unwrap().response;
        let connection = encode(&json!({"loaIssueTime": 1.5}), &MODEL, shape("CreateConnection"));
        assert!(connection.ends_with(&[0xc1, 0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]), "{connection:x?}");
        let loa = encode(&json!({"loaContent": "AQIDBA=="}), &MODEL, shape("DescribeLoa"));
        assert!(loa.ends_with(&[0x44, 1, 2, 3, 4]), "{loa:x?}");
    }

    #[test]
    fn an_operation_is_called_in_cbor() {
        let api = api();
        let call = |operation: &str, body: &Value| {
            let mut request = signed("test", "us-east-1", "directconnect", "");
            request.path = format!("/service/OvertureService/operation/{operation}");
            request.headers.retain(|(name, _)| name != "Content-Type");
            request.headers.push(("Smithy-Protocol".into(), "rpc-v2-cbor".into()));
            request.headers.push(("Content-Type".into(), CONTENT_TYPE.into()));
            request.body = encode(body, &MODEL, None);
            let answer = api.answer(&request).unwrap();
            assert_eq!(answer.content_type, CONTENT_TYPE);
            (answer.status, decode(&answer.into_bytes()).unwrap())
        };
        let (status, made) = call("CreateConnection", &json!({"location": "EqDC2", "bandwidth": "1Gbps", "connectionName": "c"}));
        assert_eq!((status, &made["connectionState"]), (200, &json!("pending")));
        let (status, shown) = call("DescribeConnections", &json!({}));
        assert_eq!((status, &shown["connections"][0]["connectionId"]), (200, &made["connectionId"]));
        let (status, error) = call("DescribeConnections", &json!({"connectionId": "dxcon-ffffffff"}));
        assert_eq!((status, &error["__type"]), (400, &json!("DirectConnectClientException")));
        let (status, error) = call("NoSuchThing", &json!({}));
        assert_eq!((status, &error["__type"]), (400, &json!("UnknownOperationException")));
    }
}
