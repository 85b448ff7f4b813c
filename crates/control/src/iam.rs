//! Roles, [`policies`] and instance profiles of IAM, kept as data: openvpc asks nobody for permission.
//! See "IAM roles" in the IAM User Guide.

mod documents;
mod policies;
mod profiles;

use std::collections::BTreeMap;
use std::sync::Arc;

use openvpc_model::{AccountId, IamName, InstanceProfile, ManagedPolicy, Network, Owner, Role, Tags};

use crate::{ControlError, Tx};

pub use policies::{
    CreatePolicy, add_version, create_policy, delete_policy, delete_version, is_aws_managed, policy, tag_policy, untag_policy,
};
pub use profiles::{add_role, create_profile, delete_profile, profile, remove_role};

/// Limits of IAM that accounts can't change here. See "IAM and AWS STS quotas".
const ATTACHED: usize = 20;
const TAGS: usize = 50;
const TRUST_SIZE: usize = 4096;
const INLINE_SIZE: usize = 10_240;
/// The path of roles that services make for themselves.
const LINKED: &str = "/aws-service-role/";

/// What CreateRole is asked for.
#[derive(Clone, Debug)]
pub struct CreateRole {
    /// Its name.
    pub name: String,
    /// `/`, or `/a/b/`.
    pub path: String,
    /// Who may take it: a policy document.
    pub trust: String,
    /// The user's text.
    pub description: Option<String>,
    /// In seconds; none for an hour.
    pub max_session_duration: Option<i32>,
    /// The ARN of the policy that bounds it.
    pub permissions_boundary: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// Makes a role.
///
/// # Errors
/// `ValidationError`, `MalformedPolicyDocument`, `EntityAlreadyExists`, `LimitExceeded`.
pub fn create_role(tx: &mut Tx, request: CreateRole) -> Result<Arc<Role>, ControlError> {
    check_name("roleName", &request.name, 64)?;
    check_path(&request.path)?;
    if request.path.starts_with(LINKED) {
        return Err(ControlError::new("ValidationError", "The path /aws-service-role/ is for roles of services."));
    }
    documents::check_trust(&request.trust, TRUST_SIZE)?;
    let max_session_duration = request.max_session_duration.map_or(Ok(3600), session_duration)?;
    put_role(tx, request, max_session_duration)
}

/// Makes the role that a service acts with in the account.
///
/// # Errors
/// `InvalidInput` when it is there or the service isn't one; `ValidationError`.
pub fn create_linked_role(
    tx: &mut Tx,
    service: &str,
    suffix: Option<&str>,
    description: Option<String>,
) -> Result<Arc<Role>, ControlError> {
    let name = linked_name(service, suffix)?;
    if tx.network().roles.contains_key(&key(tx, &name)) {
        let message = format!("Service role name {name} has been taken in this account, please try a different suffix.");
        return Err(ControlError::new("InvalidInput", message));
    }
    let trust = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "Service": [service] }, "Action": ["sts:AssumeRole"] }],
    });
    let request = CreateRole {
        name,
        path: format!("{LINKED}{service}/"),
        trust: trust.to_string(),
        description,
        max_session_duration: None,
        permissions_boundary: None,
        tags: Tags::new(),
    };
    put_role(tx, request, 3600)
}

fn put_role(tx: &mut Tx, request: CreateRole, max_session_duration: u32) -> Result<Arc<Role>, ControlError> {
    check_tags(&request.tags)?;
    let key = key(tx, &request.name);
    if tx.network().roles.contains_key(&key) {
        return Err(exists("Role", &request.name));
    }
    let limit = tx.quotas().roles;
    if tx.network().all::<Role>().filter(|role| role.owner.account == tx.owner().account).count() >= limit {
        return Err(over("RolesPerAccount", limit));
    }
    let role = Role {
        owner: tx.owner().clone(),
        name: request.name,
        path: request.path,
        id: unique_id(tx, "AROA"),
        trust: request.trust,
        description: request.description,
        max_session_duration,
        permissions_boundary: request.permissions_boundary,
        inline: BTreeMap::new(),
        attached: Vec::new(),
        created_at: tx.now(),
        tags: request.tags,
    };
    tx.put(role.clone());
    Ok(Arc::new(role))
}

/// Deletes a role that holds nothing and that nothing holds.
///
/// # Errors
/// `NoSuchEntity`, `DeleteConflict`, `UnmodifiableEntity` for a service's own.
pub fn delete_role(tx: &mut Tx, name: &str) -> Result<(), ControlError> {
    let role = own_role(tx, name)?;
    let conflict = |what: &str| Err(ControlError::new("DeleteConflict", format!("Cannot delete entity, must {what} first.")));
    if profiles_of(tx.network(), &role).next().is_some() {
        return conflict("remove roles from instance profile");
    }
    if !role.inline.is_empty() {
        return conflict("delete policies");
    }
    if !role.attached.is_empty() {
        return conflict("detach all policies");
    }
    let key = key(tx, name);
    tx.remove::<Role>(&key);
    Ok(())
}

/// Changes who may take a role.
///
/// # Errors
/// `NoSuchEntity`, `MalformedPolicyDocument`, `UnmodifiableEntity`.
pub fn set_trust(tx: &mut Tx, name: &str, document: &str) -> Result<(), ControlError> {
    own_role(tx, name)?;
    documents::check_trust(document, TRUST_SIZE)?;
    change_role(tx, name, |role| document.clone_into(&mut role.trust)).map(drop)
}

/// Changes a role's description and, where given, the length of its sessions.
///
/// # Errors
/// `NoSuchEntity`, `ValidationError`, `UnmodifiableEntity`.
pub fn update_role(
    tx: &mut Tx,
    name: &str,
    description: Option<String>,
    max_session_duration: Option<i32>,
) -> Result<Arc<Role>, ControlError> {
    own_role(tx, name)?;
    let seconds = max_session_duration.map(session_duration).transpose()?;
    change_role(tx, name, |role| {
        if description.is_some() {
            role.description = description;
        }
        role.max_session_duration = seconds.unwrap_or(role.max_session_duration);
    })
}

/// Gives a role a policy of its own, in the place of one of that name.
///
/// # Errors
/// `NoSuchEntity`, `ValidationError`, `MalformedPolicyDocument`, `LimitExceeded`, `UnmodifiableEntity`.
pub fn put_inline(tx: &mut Tx, role: &str, name: &str, document: &str) -> Result<(), ControlError> {
    let found = own_role(tx, role)?;
    check_name("policyName", name, 128)?;
    documents::check_policy(document)?;
    let others = found.inline.iter().filter(|(other, _)| *other != name).map(|(_, document)| documents::size(document));
    if others.sum::<usize>() + documents::size(document) > INLINE_SIZE {
        let message = format!("Maximum policy size of {INLINE_SIZE} bytes exceeded for role {role}");
        return Err(ControlError::new("LimitExceeded", message));
    }
    change_role(tx, role, |role| role.inline.insert(name.to_owned(), document.to_owned())).map(drop)
}

/// Takes a role's own policy away.
///
/// # Errors
/// `NoSuchEntity`, `UnmodifiableEntity`.
pub fn delete_inline(tx: &mut Tx, role: &str, name: &str) -> Result<(), ControlError> {
    if !own_role(tx, role)?.inline.contains_key(name) {
        return Err(no_inline(name));
    }
    change_role(tx, role, |role| role.inline.remove(name)).map(drop)
}

/// Attaches a managed policy, the caller's or one of AWS's. One that is attached stays so.
///
/// # Errors
/// `NoSuchEntity`, `InvalidInput`, `LimitExceeded`, `UnmodifiableEntity`.
pub fn attach(tx: &mut Tx, role: &str, arn: &str) -> Result<(), ControlError> {
    let found = own_role(tx, role)?;
    if !is_aws_managed(arn, tx.owner()) {
        policy(tx, arn)?;
    }
    if found.attached.iter().any(|attached| attached == arn) {
        return Ok(());
    }
    if found.attached.len() >= ATTACHED {
        return Err(over("PoliciesPerRole", ATTACHED));
    }
    change_role(tx, role, |role| role.attached.push(arn.to_owned())).map(drop)
}

/// Detaches a managed policy.
///
/// # Errors
/// `NoSuchEntity`, `UnmodifiableEntity`.
pub fn detach(tx: &mut Tx, role: &str, arn: &str) -> Result<(), ControlError> {
    if !own_role(tx, role)?.attached.iter().any(|attached| attached == arn) {
        return Err(ControlError::new("NoSuchEntity", format!("Policy {arn} was not found.")));
    }
    change_role(tx, role, |role| role.attached.retain(|attached| attached != arn)).map(drop)
}

/// Adds tags to a role, or overwrites those with the same keys.
///
/// # Errors
/// `NoSuchEntity`, `LimitExceeded`.
pub fn tag_role(tx: &mut Tx, name: &str, tags: Tags) -> Result<(), ControlError> {
    let role = change_role(tx, name, |role| role.tags.extend(tags))?;
    check_tags(&role.tags)
}

/// Removes tags from a role.
///
/// # Errors
/// `NoSuchEntity`.
pub fn untag_role(tx: &mut Tx, name: &str, keys: &[String]) -> Result<(), ControlError> {
    change_role(tx, name, |role| role.tags.retain(|key, _| !keys.contains(key))).map(drop)
}

/// A role of an account.
///
/// # Errors
/// `NoSuchEntity`.
pub fn role<'a>(network: &'a Network, owner: &Owner, name: &str) -> Result<&'a Arc<Role>, ControlError> {
    network.roles.get(&IamName::new(owner.account, name)).ok_or_else(|| missing("role with name", name))
}

/// Whether a role's trust names an account.
pub fn trusts(role: &Role, account: AccountId) -> bool {
    documents::names_account(&role.trust, account)
}

/// The instance profiles that hold a role.
pub fn profiles_of<'a>(network: &'a Network, role: &'a Role) -> impl Iterator<Item = &'a Arc<InstanceProfile>> {
    let holds = |profile: &InstanceProfile| {
        profile.owner.account == role.owner.account
            && profile.role.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&role.name))
    };
    network.all::<InstanceProfile>().filter(move |profile| holds(profile))
}

/// How many roles a policy is attached to.
pub fn attachments(network: &Network, policy: &ManagedPolicy) -> usize {
    let arn = policy.arn();
    network.all::<Role>().filter(|role| role.attached.contains(&arn)).count()
}

/// The error for a policy that a role doesn't have.
pub fn no_inline(name: &str) -> ControlError {
    ControlError::new("NoSuchEntity", format!("The role policy with name {name} cannot be found."))
}

fn own_role(tx: &Tx, name: &str) -> Result<Arc<Role>, ControlError> {
    let role = Arc::clone(role(tx.network(), tx.owner(), name)?);
    if role.path.starts_with(LINKED) {
        let message =
            format!("Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS");
        return Err(ControlError::new("UnmodifiableEntity", message));
    }
    Ok(role)
}

fn change_role<T>(tx: &mut Tx, name: &str, change: impl FnOnce(&mut Role) -> T) -> Result<Arc<Role>, ControlError> {
    let mut role = (**role(tx.network(), tx.owner(), name)?).clone();
    change(&mut role);
    tx.put(role.clone());
    Ok(Arc::new(role))
}

/// The names of the roles of the services around a network; others are called after their service.
fn linked_name(service: &str, suffix: Option<&str>) -> Result<String, ControlError> {
    let label = service.strip_suffix(".amazonaws.com").filter(|label| !label.is_empty());
    let label = label.filter(|label| label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.'));
    let label = label.ok_or_else(|| {
        ControlError::new("InvalidInput", format!("'{service}' is not a service; give a name such as ec2.amazonaws.com."))
    })?;
    let title = match label {
        "clientvpn" => "ClientVPN".to_owned(),
        "clientvpn-connections" => "ClientVPNConnections".to_owned(),
        "elasticloadbalancing" => "ElasticLoadBalancing".to_owned(),
        "reachabilityanalyzer.networkinsights" => "ReachabilityAnalyzer".to_owned(),
        "s2svpn" => "VPCS2SVPN".to_owned(),
        "transitgateway" => "VPCTransitGateway".to_owned(),
        other => {
            let first = other.split('.').next().unwrap_or(other);
            first.split('-').filter(|word| !word.is_empty()).map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
        }
    };
    let suffix = suffix.map(|suffix| format!("_{suffix}")).unwrap_or_default();
    let name = format!("AWSServiceRoleFor{title}{suffix}");
    check_name("roleName", &name, 64)?;
    Ok(name)
}

fn key(tx: &Tx, name: &str) -> IamName {
    IamName::new(tx.owner().account, name)
}

/// A prefix that says the kind, and seventeen letters and digits.
fn unique_id(tx: &Tx, prefix: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits = u128::from(tx.random()) << 64 | u128::from(tx.random());
    let letter = |place: u32| char::from(ALPHABET[(bits >> (5 * place) & 31) as usize]);
    prefix.chars().chain((0..17).map(letter)).collect()
}

fn session_duration(seconds: i32) -> Result<u32, ControlError> {
    u32::try_from(seconds).ok().filter(|seconds| (3600..=43_200).contains(seconds)).ok_or_else(|| {
        ControlError::new(
            "ValidationError",
            format!("Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: from 3600 to 43200 seconds"),
        )
    })
}

fn check_name(parameter: &str, name: &str, most: usize) -> Result<(), ControlError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    if (1..=most).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(ControlError::new(
        "ValidationError",
        format!(
            "The specified value for {parameter} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_- and have at most {most} of them"
        ),
    ))
}

fn check_path(path: &str) -> Result<(), ControlError> {
    let allowed = |b: u8| (0x21..=0x7e).contains(&b);
    if path.len() <= 512 && path.starts_with('/') && path.ends_with('/') && path.bytes().all(allowed) {
        return Ok(());
    }
    Err(ControlError::new(
        "ValidationError",
        "The specified value for path is invalid. It must begin and end with / and contain only printable characters",
    ))
}

fn check_tags(tags: &Tags) -> Result<(), ControlError> {
    if tags.len() > TAGS {
        return Err(over("TagsPerResource", TAGS));
    }
    Ok(())
}

fn exists(kind: &str, name: &str) -> ControlError {
    ControlError::new("EntityAlreadyExists", format!("{kind} with name {name} already exists."))
}

fn missing(what: &str, name: &str) -> ControlError {
    ControlError::new("NoSuchEntity", format!("The {what} {name} cannot be found."))
}

fn over(quota: &str, limit: usize) -> ControlError {
    ControlError::new("LimitExceeded", format!("Cannot exceed quota for {quota}: {limit}"))
}
