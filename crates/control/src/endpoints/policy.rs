//! Policies of endpoints. See "Control access to VPC endpoints using endpoint policies" in the AWS PrivateLink Guide.

use openvpc_model::{EndpointType, VpcEndpoint};
use serde_json::Value;

use crate::ControlError;

/// The most characters of a policy, white space counted.
const LONGEST: usize = 20_480;

/// What a gateway endpoint has without a policy of its own: everything is allowed.
const GATEWAY_DEFAULT: &str =
    r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;
/// The same for an interface endpoint.
const INTERFACE_DEFAULT: &str = r#"{
  "Statement": [
    {
      "Action": "*", 
      "Effect": "Allow", 
      "Principal": "*", 
      "Resource": "*"
    }
  ]
}"#;

/// The policy that is in force; none for a type without policies.
pub fn of(endpoint: &VpcEndpoint) -> Option<&str> {
    let default = match endpoint.endpoint_type {
        EndpointType::Gateway => GATEWAY_DEFAULT,
        EndpointType::Interface => INTERFACE_DEFAULT,
        EndpointType::GatewayLoadBalancer => return None,
    };
    Some(endpoint.policy.as_deref().unwrap_or(default))
}

/// Checks that a text is a policy.
///
/// # Errors
/// `InvalidPolicyDocument`.
pub fn check(text: &str) -> Result<(), ControlError> {
    let refuse = |why: String| Err(ControlError::new("InvalidPolicyDocument", format!("The policy document is invalid: {why}")));
    let length = text.chars().count();
    if length > LONGEST {
        return refuse(format!("it has {length} characters, and {LONGEST} are the most"));
    }
    let policy: Value = match serde_json::from_str(text) {
        Ok(policy) => policy,
        Err(error) => return refuse(format!("it is not JSON: {error}")),
    };
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(statement @ Value::Object(_)) => vec![statement],
        _ => return refuse("it has no Statement".to_owned()),
    };
    if let Some(version) = policy.get("Version").filter(|version| *version != "2012-10-17" && *version != "2008-10-17") {
        return refuse(format!("{version} is no version of the policy language"));
    }
    let is_statement = |statement: &&Value| statement.get("Effect").is_some_and(|effect| effect == "Allow" || effect == "Deny");
    if !statements.iter().all(is_statement) {
        return refuse("each statement must have the Effect Allow or Deny".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_default_texts_are_policies() {
        assert_eq!(check(GATEWAY_DEFAULT), Ok(()));
        assert_eq!(check(INTERFACE_DEFAULT), Ok(()));
    }

    #[test]
    fn what_is_no_policy_or_too_long_is_refused() {
        let padded = |length: usize| format!("{GATEWAY_DEFAULT}{}", " ".repeat(length - GATEWAY_DEFAULT.len()));
        assert_eq!(check(&padded(LONGEST)), Ok(()));
        let texts = ["", "{", "[]", "{}", r#"{"Statement":"x"}"#, r#"{"Statement":[{"Effect":"Maybe"}]}"#, &padded(LONGEST + 1)];
        for text in texts.into_iter().chain([r#"{"Version":"2020-01-01","Statement":[]}"#]) {
            assert_eq!(check(text).map_err(|error| error.code), Err("InvalidPolicyDocument"), "{text:.40}");
        }
    }
}
