//! Parameters of Systems Manager: an account's own, and those that AWS publishes.
//! See "AWS Systems Manager Parameter Store" in the Systems Manager User Guide.

use openvpc_model::{Owner, Parameter, Tags};

use crate::{ControlError, Tx};

const TAGS: usize = 50;
const STANDARD_VALUE: usize = 4096;
const ADVANCED_VALUE: usize = 8192;
const LEVELS: usize = 15;

/// Names that AWS publishes images under. All stand for the one image that every image is here.
const IMAGES: &[&str] = &[
    "al2023-ami-kernel-6.1-arm64",
    "al2023-ami-kernel-6.1-x86_64",
    "al2023-ami-kernel-default-arm64",
    "al2023-ami-kernel-default-x86_64",
    "al2023-ami-minimal-kernel-6.1-arm64",
    "al2023-ami-minimal-kernel-6.1-x86_64",
    "al2023-ami-minimal-kernel-default-arm64",
    "al2023-ami-minimal-kernel-default-x86_64",
    "amzn2-ami-hvm-arm64-gp2",
    "amzn2-ami-hvm-x86_64-ebs",
    "amzn2-ami-hvm-x86_64-gp2",
    "amzn2-ami-kernel-5.10-hvm-arm64-gp2",
    "amzn2-ami-kernel-5.10-hvm-x86_64-ebs",
    "amzn2-ami-kernel-5.10-hvm-x86_64-gp2",
    "amzn2-ami-minimal-hvm-x86_64-ebs",
];
const IMAGES_PATH: &str = "/aws/service/ami-amazon-linux-latest/";

/// What PutParameter is asked for.
#[derive(Clone, Debug)]
pub struct PutParameter {
    /// Its name.
    pub name: String,
    /// `String`, `StringList` or `SecureString`; none for what it is.
    pub kind: Option<String>,
    /// Its value.
    pub value: String,
    /// The user's text.
    pub description: Option<String>,
    /// What values must match; kept for clients.
    pub allowed_pattern: Option<String>,
    /// The key of a `SecureString`.
    pub key_id: Option<String>,
    /// `Standard`, `Advanced` or `Intelligent-Tiering`.
    pub tier: Option<String>,
    /// `text`, `aws:ec2:image` or `aws:ssm:integration`.
    pub data_type: Option<String>,
    /// Whether it may be there.
    pub overwrite: bool,
    /// Tags of a new one.
    pub tags: Tags,
}

/// Writes a parameter.
///
/// # Errors
/// `ValidationException`, `ParameterAlreadyExists`, `HierarchyLevelLimitExceededException`, `ParameterLimitExceeded`,
/// `UnsupportedParameterType`, `TooManyTagsError`.
pub fn put(tx: &mut Tx, request: PutParameter) -> Result<Parameter, ControlError> {
    check_name(&request.name)?;
    check_tags(&request.tags)?;
    let present = tx.network().parameters.get(&(tx.owner().clone(), request.name.clone())).cloned();
    if present.is_some() && !request.overwrite {
        return Err(ControlError::new(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        ));
    }
    if present.is_some() && !request.tags.is_empty() {
        let message = "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag.";
        return Err(invalid(message));
    }
    let kind = request.kind.or_else(|| present.as_ref().map(|present| present.kind.clone()));
    let kind = kind.ok_or_else(|| invalid("A parameter type is required when you create a parameter."))?;
    if !matches!(&*kind, "String" | "StringList" | "SecureString") {
        return Err(ControlError::new("UnsupportedParameterType", format!("The parameter type {kind} is not supported.")));
    }
    let tier = request.tier.or_else(|| present.as_ref().map(|present| present.tier.clone()));
    let tier = match tier.as_deref() {
        None | Some("Standard") => "Standard",
        Some("Intelligent-Tiering") if request.value.len() <= STANDARD_VALUE => "Standard",
        Some("Advanced" | "Intelligent-Tiering") => "Advanced",
        Some(other) => return Err(invalid(&format!("The tier {other} is not one of Standard, Advanced, Intelligent-Tiering."))),
    };
    let most = if tier == "Standard" { STANDARD_VALUE } else { ADVANCED_VALUE };
    if request.value.is_empty() || request.value.len() > most {
        return Err(invalid(&format!("The value of a parameter of tier {tier} has 1 to {most} characters.")));
    }
    let data_type = request.data_type.unwrap_or_else(|| "text".to_owned());
    if !matches!(&*data_type, "text" | "aws:ec2:image" | "aws:ssm:integration") {
        return Err(invalid(&format!("The data type {data_type} is not supported.")));
    }
    if data_type == "aws:ec2:image" && !request.value.starts_with("ami-") {
        return Err(invalid("The value of a parameter of data type aws:ec2:image is an image's id."));
    }
    let limit = tx.quotas().parameters;
    if present.is_none() && tx.owned::<Parameter>().count() >= limit {
        let message = format!("You have exceeded the number of parameters for this account: {limit}.");
        return Err(ControlError::new("ParameterLimitExceeded", message));
    }
    let before = present.as_deref();
    let parameter = Parameter {
        owner: tx.owner().clone(),
        name: request.name,
        kind,
        value: request.value,
        version: before.map_or(0, |present| present.version) + 1,
        description: request.description.or_else(|| before.and_then(|present| present.description.clone())),
        allowed_pattern: request.allowed_pattern,
        key_id: request.key_id,
        tier: tier.to_owned(),
        data_type,
        updated_at: tx.now(),
        tags: before.map_or(request.tags, |present| present.tags.clone()),
    };
    tx.put(parameter.clone());
    Ok(parameter)
}

/// Deletes a parameter.
///
/// # Errors
/// `ParameterNotFound`.
pub fn delete(tx: &mut Tx, name: &str) -> Result<(), ControlError> {
    let key = (tx.owner().clone(), name.to_owned());
    if !tx.network().parameters.contains_key(&key) {
        return Err(not_found(name));
    }
    tx.remove::<Parameter>(&key);
    Ok(())
}

/// Changes the tags of a parameter.
///
/// # Errors
/// `InvalidResourceId`, `TooManyTagsError`.
pub fn change_tags(tx: &mut Tx, name: &str, change: impl FnOnce(&mut Tags)) -> Result<(), ControlError> {
    let found = tx.network().parameters.get(&(tx.owner().clone(), name.to_owned()));
    let missing = || ControlError::new("InvalidResourceId", format!("The resource ID \"{name}\" is not valid."));
    let mut parameter = (**found.ok_or_else(missing)?).clone();
    change(&mut parameter.tags);
    check_tags(&parameter.tags)?;
    tx.put(parameter);
    Ok(())
}

/// The parameters that AWS publishes, for an account in a region. Their names start with `/aws/`; `image` is the id that
/// all of the images' names have.
pub fn published(owner: &Owner, image: &str) -> Vec<Parameter> {
    let parameter = |name: &&str| Parameter {
        owner: owner.clone(),
        name: format!("{IMAGES_PATH}{name}"),
        kind: "String".to_owned(),
        value: image.to_owned(),
        version: 1,
        description: None,
        allowed_pattern: None,
        key_id: None,
        tier: "Standard".to_owned(),
        data_type: "text".to_owned(),
        updated_at: openvpc_model::UnixMillis(0),
        tags: Tags::new(),
    };
    IMAGES.iter().map(parameter).collect()
}

/// The error for a parameter that isn't there.
pub fn not_found(name: &str) -> ControlError {
    ControlError::new("ParameterNotFound", format!("Parameter {name} not found."))
}

fn check_name(name: &str) -> Result<(), ControlError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-/".contains(&b);
    if name.is_empty() || name.len() > 2048 || !name.bytes().all(allowed) || name.ends_with('/') || name.contains("//") {
        return Err(invalid(
            "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_",
        ));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(invalid("Parameter name must be a fully qualified name."));
    }
    let first = name.trim_start_matches('/').split('/').next().unwrap_or_default().to_ascii_lowercase();
    if first.starts_with("aws") || first.starts_with("ssm") {
        let code = if first.starts_with("aws") { "AccessDeniedException" } else { "ValidationException" };
        return Err(ControlError::new(code, format!("No access to reserved parameter name: {name}.")));
    }
    if name.matches('/').count() > LEVELS {
        let message = format!("Parameter hierarchies are limited to {LEVELS} levels.");
        return Err(ControlError::new("HierarchyLevelLimitExceededException", message));
    }
    Ok(())
}

fn check_tags(tags: &Tags) -> Result<(), ControlError> {
    if tags.len() > TAGS {
        return Err(ControlError::new("TooManyTagsError", format!("A parameter has at most {TAGS} tags.")));
    }
    Ok(())
}

fn invalid(message: &str) -> ControlError {
    ControlError::new("ValidationException", message)
}
