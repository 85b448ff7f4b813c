//! The JSON protocols: requests and answers of services that don't speak the query protocol.

use openvpc_model::UnixMillis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::ApiError;

/// A request that comes as a JSON object.
pub trait JsonRequest: DeserializeOwned {
    /// The members that must be there, by their names on the wire.
    const REQUIRED: &'static [&'static str];
}

/// The request or response of an operation that has none in the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

impl JsonRequest for Empty {
    const REQUIRED: &'static [&'static str] = &[];
}

/// Reads a request; an empty body is an empty object. Members that the operation doesn't have are skipped, as AWS does.
///
/// # Errors
/// `SerializationException` for what is no JSON or of another type; `validation_error` for a member that is missing.
pub fn read<T: JsonRequest>(body: &[u8], validation_error: &'static str) -> Result<T, ApiError> {
    let malformed = |error: serde_json::Error| ApiError::new("SerializationException", error.to_string());
    let value: Value =
        if body.is_empty() { Value::Object(Default::default()) } else { serde_json::from_slice(body).map_err(malformed)? };
    let Value::Object(members) = &value else {
        return Err(ApiError::new("SerializationException", "The request must be a JSON object"));
    };
    if let Some(missing) = T::REQUIRED.iter().find(|name| members.get(**name).is_none_or(Value::is_null)) {
        let message = format!(
            "1 validation error detected: Value null at '{missing}' failed to satisfy constraint: Member must not be null"
        );
        return Err(ApiError::new(validation_error, message));
    }
    T::deserialize(value).map_err(malformed)
}

/// An error as the JSON protocols show it.
pub fn error(error: &ApiError) -> String {
    serde_json::json!({ "__type": error.code, "message": error.message, "Message": error.message }).to_string()
}

/// A list or map that is written as `null` is empty.
pub fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Points in time, as seconds since 1970 with a fraction.
pub mod time {
    use super::*;

    /// Writes a time as a number.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: serde::Serializer>(time: &Option<UnixMillis>, serializer: S) -> Result<S::Ok, S::Error> {
        // Thousandths of seconds are exact in a double for as long as calendars matter.
        time.map(|time| time.0 as f64 / 1000.0).serialize(serializer)
    }

    /// Reads a number of seconds, or a time as text.
    ///
    /// # Errors
    /// When it is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UnixMillis>, D::Error> {
        let bad = |value: &Value| serde::de::Error::custom(format!("{value} is no point in time"));
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(None),
            Value::Number(seconds) => {
                let millis = seconds.as_f64().map(|seconds| (seconds * 1000.0).round()).filter(|millis| *millis >= 0.0);
                // A cast from a finite double that isn't negative saturates.
                millis.map(|millis| Some(UnixMillis(millis as u64))).ok_or_else(|| bad(&Value::Number(seconds)))
            }
            Value::String(text) => crate::timestamp::parse(&text).map(Some).ok_or_else(|| bad(&Value::String(text))),
            other => Err(bad(&other)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::generated::directconnect::shapes::{Connection, CreateConnectionRequest};

    fn read_connection(body: &str) -> Result<CreateConnectionRequest, ApiError> {
        read(body.as_bytes(), "DirectConnectClientException")
    }

    #[test]
    fn a_request_is_read_by_its_names_on_the_wire() {
        let body = r#"{"location": "L", "bandwidth": "1Gbps", "connectionName": "c", "tags": null, "unknown": 1}"#;
        let request = read_connection(body).unwrap();
        assert_eq!((request.location.as_deref(), request.tags.len()), (Some("L"), 0));
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_refused_with_the_service_s_code() {
        for (body, code) in [
            ("", "DirectConnectClientException"),
            (r#"{"location": null}"#, "DirectConnectClientException"),
            ("[]", "SerializationException"),
            ("{", "SerializationException"),
            (r#"{"location": 1, "bandwidth": "1Gbps", "connectionName": "c"}"#, "SerializationException"),
        ] {
            assert_eq!(read_connection(body).unwrap_err().code, code, "{body}");
        }
    }

    #[test]
    fn times_are_seconds_and_absent_members_are_left_out() {
        let connection = Connection { loa_issue_time: Some(UnixMillis(1_500)), ..Default::default() };
        let value = serde_json::to_value(&connection).unwrap();
        assert_eq!(value["loaIssueTime"], 1.5);
        assert_eq!(value.get("location"), None);
        assert_eq!(serde_json::from_value::<Connection>(value).unwrap(), connection);
    }
}
