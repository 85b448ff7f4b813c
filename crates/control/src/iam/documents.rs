//! Policy documents: their grammar, not their meaning.
//! See "Grammar of the IAM JSON policy language" in the IAM User Guide.

use openvpc_model::AccountId;
use serde_json::{Map, Value};

use crate::ControlError;

/// The characters of a document that count against limits: all but white space.
pub(super) fn size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// A document of an identity: it says what may be done, and the identity is who.
pub(super) fn check_policy(document: &str) -> Result<(), ControlError> {
    for statement in statements(document)? {
        if statement.contains_key("Principal") || statement.contains_key("NotPrincipal") {
            return Err(malformed("Policy document should not specify a principal."));
        }
        if !statement.contains_key("Resource") && !statement.contains_key("NotResource") {
            return Err(malformed("Policy statement must contain resources."));
        }
    }
    Ok(())
}

/// A document that says who may take a role.
pub(super) fn check_trust(document: &str, most: usize) -> Result<(), ControlError> {
    if size(document) > most {
        return Err(ControlError::new("LimitExceeded", format!("Cannot exceed quota for ACLSizePerRole: {most}")));
    }
    for statement in statements(document)? {
        if statement.contains_key("Resource") || statement.contains_key("NotResource") {
            return Err(malformed("Has prohibited field Resource"));
        }
        if !statement.contains_key("Principal") && !statement.contains_key("NotPrincipal") {
            return Err(malformed("Missing required field Principal"));
        }
    }
    Ok(())
}

/// The statements of a document, each with an effect and an action.
fn statements(document: &str) -> Result<Vec<Map<String, Value>>, ControlError> {
    let document: Value = serde_json::from_str(document).map_err(|_| malformed("This policy contains invalid Json"))?;
    let Value::Object(document) = document else { return Err(malformed("Syntax errors in policy.")) };
    if let Some(unknown) = document.keys().find(|key| !matches!(key.as_str(), "Id" | "Statement" | "Version")) {
        return Err(malformed(&format!("Syntax errors in policy: {unknown} is not an element of a policy.")));
    }
    if !matches!(document.get("Version").map(Value::as_str), None | Some(Some("2012-10-17" | "2008-10-17"))) {
        return Err(malformed("The policy must contain a valid version string."));
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(statement @ Value::Object(_)) => vec![statement.clone()],
        _ => return Err(malformed("Syntax errors in policy.")),
    };
    if statements.is_empty() {
        return Err(malformed("Policy document must contain at least one statement."));
    }
    statements.into_iter().map(checked_statement).collect()
}

fn checked_statement(statement: Value) -> Result<Map<String, Value>, ControlError> {
    let Value::Object(statement) = statement else { return Err(malformed("Syntax errors in policy.")) };
    let known = |key: &str| {
        matches!(
            key,
            "Action" | "Condition" | "Effect" | "NotAction" | "NotPrincipal" | "NotResource" | "Principal" | "Resource" | "Sid"
        )
    };
    if let Some(unknown) = statement.keys().find(|key| !known(key)) {
        return Err(malformed(&format!("Syntax errors in policy: {unknown} is not an element of a statement.")));
    }
    if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
        return Err(malformed("Policy statement must have the effect Allow or Deny."));
    }
    if statement.contains_key("Action") == statement.contains_key("NotAction") {
        return Err(malformed("Policy statement must contain actions."));
    }
    for name in ["Action", "NotAction", "Resource", "NotResource"] {
        let is_texts = match statement.get(name) {
            None | Some(Value::String(_)) => true,
            Some(Value::Array(values)) => values.iter().all(Value::is_string),
            Some(_) => false,
        };
        if !is_texts {
            return Err(malformed(&format!("Syntax errors in policy: {name} is a text or a list of texts.")));
        }
    }
    if !statement.get("Condition").is_none_or(Value::is_object) {
        return Err(malformed("Syntax errors in policy: Condition is an object."));
    }
    Ok(statement)
}

fn malformed(message: &str) -> ControlError {
    ControlError::new("MalformedPolicyDocument", message)
}

/// Whether a statement that allows names an account: by its number, an ARN in it, or a star. A statement that denies and
/// names it wins.
pub(super) fn names_account(document: &str, account: AccountId) -> bool {
    let statements = statements(document).unwrap_or_default();
    let account = account.to_string();
    let is_it = |text: &str| text == "*" || text == account || text.split(':').nth(4) == Some(&account);
    let names = |statement: &&Map<String, Value>| match statement.get("Principal") {
        Some(Value::String(text)) => text == "*",
        Some(Value::Object(kinds)) => match kinds.get("AWS") {
            Some(Value::String(text)) => is_it(text),
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).any(is_it),
            _ => false,
        },
        _ => false,
    };
    let has_effect = |effect: &str| statements.iter().filter(names).any(|statement| statement["Effect"] == effect);
    has_effect("Allow") && !has_effect("Deny")
}
