//! IAM, as far as tools read and write it around a network: the API side. Roles here; [`policies`], [`profiles`].

mod policies;
mod profiles;

#[cfg(test)]
mod tests;

use openvpc_control::iam::{self, CreateRole};
use openvpc_model::{Role, Tags, UnixMillis};

use super::list;
use super::prelude::*;
use crate::generated::iam::shapes;

/// The operations of this service.
pub const ACTIONS: &[Action] = &[
    action!(iam::AddRoleToInstanceProfile, profiles::add_role),
    action!(iam::AttachRolePolicy, attach_role_policy),
    action!(iam::CreateInstanceProfile, profiles::create),
    action!(iam::CreatePolicy, policies::create),
    action!(iam::CreatePolicyVersion, policies::create_version),
    action!(iam::CreateRole, create_role),
    action!(iam::CreateServiceLinkedRole, create_service_linked_role),
    action!(iam::DeleteInstanceProfile, profiles::delete),
    action!(iam::DeletePolicy, policies::delete),
    action!(iam::DeletePolicyVersion, policies::delete_version),
    action!(iam::DeleteRole, delete_role),
    action!(iam::DeleteRolePolicy, delete_role_policy),
    action!(iam::DetachRolePolicy, detach_role_policy),
    action!(iam::GetInstanceProfile, profiles::get),
    action!(iam::GetPolicy, policies::get),
    action!(iam::GetPolicyVersion, policies::get_version),
    action!(iam::GetRole, get_role),
    action!(iam::GetRolePolicy, get_role_policy),
    action!(iam::GetUser, get_user),
    action!(iam::ListAccountAliases, list_account_aliases),
    action!(iam::ListAttachedRolePolicies, list_attached_role_policies),
    action!(iam::ListInstanceProfiles, profiles::list_profiles),
    action!(iam::ListInstanceProfilesForRole, profiles::list_for_role),
    action!(iam::ListPolicies, policies::list_policies),
    action!(iam::ListPolicyTags, policies::list_tags),
    action!(iam::ListPolicyVersions, policies::list_versions),
    action!(iam::ListRolePolicies, list_role_policies),
    action!(iam::ListRoleTags, list_role_tags),
    action!(iam::ListRoles, list_roles),
    action!(iam::ListUsers, list_users),
    action!(iam::PutRolePolicy, put_role_policy),
    action!(iam::RemoveRoleFromInstanceProfile, profiles::remove_role),
    action!(iam::TagPolicy, policies::tag),
    action!(iam::TagRole, tag_role),
    action!(iam::UntagPolicy, policies::untag),
    action!(iam::UntagRole, untag_role),
    action!(iam::UpdateAssumeRolePolicy, update_assume_role_policy),
    action!(iam::UpdateRole, update_role),
    action!(iam::UpdateRoleDescription, update_role_description),
];

/// How many items a page has unless the request says it, and at most.
const PAGE: i32 = 100;
const LONGEST_PAGE: usize = 1000;

fn create_role(ctx: &Ctx<'_>, request: shapes::CreateRoleRequest) -> Result<shapes::CreateRoleResponse, ApiError> {
    let create = CreateRole {
        name: request.role_name.unwrap_or_default(),
        path: path(request.path),
        trust: request.assume_role_policy_document.unwrap_or_default(),
        description: request.description,
        max_session_duration: request.max_session_duration,
        permissions_boundary: request.permissions_boundary,
        tags: tags(&request.tags)?,
    };
    let role = ctx.mutate(|tx| iam::create_role(tx, create))?;
    Ok(shapes::CreateRoleResponse { role: Some(role_shape(&role)) })
}

fn create_service_linked_role(
    ctx: &Ctx<'_>,
    request: shapes::CreateServiceLinkedRoleRequest,
) -> Result<shapes::CreateServiceLinkedRoleResponse, ApiError> {
    let service = request.aws_service_name.unwrap_or_default();
    let suffix = request.custom_suffix.as_deref().filter(|suffix| !suffix.is_empty());
    let role = ctx.mutate(|tx| iam::create_linked_role(tx, &service, suffix, request.description))?;
    Ok(shapes::CreateServiceLinkedRoleResponse { role: Some(role_shape(&role)) })
}

fn get_role(ctx: &Ctx<'_>, request: shapes::GetRoleRequest) -> Result<shapes::GetRoleResponse, ApiError> {
    let network = ctx.network()?;
    let role = role(ctx, &network, &request.role_name)?;
    // AWS gives an element that is empty as long as nobody used the role.
    let unused = Some(shapes::RoleLastUsed::default());
    Ok(shapes::GetRoleResponse { role: Some(shapes::Role { role_last_used: unused, ..role_shape(role) }) })
}

fn list_roles(ctx: &Ctx<'_>, request: shapes::ListRolesRequest) -> Result<shapes::ListRolesResponse, ApiError> {
    let network = ctx.network()?;
    let prefix = request.path_prefix.as_deref().unwrap_or("/");
    let own = network.all::<Role>().filter(|role| role.owner.account == ctx.owner().account && role.path.starts_with(prefix));
    // Lists leave tags out, as AWS's do.
    let roles = own.map(|role| shapes::Role { tags: Vec::new(), ..role_shape(role) }).collect();
    let (roles, marker) = cut(roles, request.max_items, &request.marker)?;
    Ok(shapes::ListRolesResponse { roles, is_truncated: Some(marker.is_some()), marker })
}

fn delete_role(ctx: &Ctx<'_>, request: shapes::DeleteRoleRequest) -> Result<Nothing, ApiError> {
    ctx.mutate(|tx| iam::delete_role(tx, &request.role_name.unwrap_or_default()))?;
    Ok(Nothing)
}

fn update_role(ctx: &Ctx<'_>, request: shapes::UpdateRoleRequest) -> Result<shapes::UpdateRoleResponse, ApiError> {
    let name = request.role_name.unwrap_or_default();
    ctx.mutate(|tx| iam::update_role(tx, &name, request.description, request.max_session_duration))?;
    Ok(shapes::UpdateRoleResponse {})
}

fn update_role_description(
    ctx: &Ctx<'_>,
    request: shapes::UpdateRoleDescriptionRequest,
) -> Result<shapes::UpdateRoleDescriptionResponse, ApiError> {
    let name = request.role_name.unwrap_or_default();
    let role = ctx.mutate(|tx| iam::update_role(tx, &name, request.description, None))?;
    Ok(shapes::UpdateRoleDescriptionResponse { role: Some(role_shape(&role)) })
}

fn update_assume_role_policy(ctx: &Ctx<'_>, request: shapes::UpdateAssumeRolePolicyRequest) -> Result<Nothing, ApiError> {
    let (name, document) = (request.role_name.unwrap_or_default(), request.policy_document.unwrap_or_default());
    ctx.mutate(|tx| iam::set_trust(tx, &name, &document))?;
    Ok(Nothing)
}

fn put_role_policy(ctx: &Ctx<'_>, request: shapes::PutRolePolicyRequest) -> Result<Nothing, ApiError> {
    let (role, name) = (request.role_name.unwrap_or_default(), request.policy_name.unwrap_or_default());
    ctx.mutate(|tx| iam::put_inline(tx, &role, &name, &request.policy_document.unwrap_or_default()))?;
    Ok(Nothing)
}

fn get_role_policy(ctx: &Ctx<'_>, request: shapes::GetRolePolicyRequest) -> Result<shapes::GetRolePolicyResponse, ApiError> {
    let network = ctx.network()?;
    let role = role(ctx, &network, &request.role_name)?;
    let name = request.policy_name.unwrap_or_default();
    let document = role.inline.get(&name).ok_or_else(|| iam::no_inline(&name))?;
    Ok(shapes::GetRolePolicyResponse {
        role_name: Some(role.name.clone()),
        policy_document: Some(encode(document)),
        policy_name: Some(name),
    })
}

fn delete_role_policy(ctx: &Ctx<'_>, request: shapes::DeleteRolePolicyRequest) -> Result<Nothing, ApiError> {
    let (role, name) = (request.role_name.unwrap_or_default(), request.policy_name.unwrap_or_default());
    ctx.mutate(|tx| iam::delete_inline(tx, &role, &name))?;
    Ok(Nothing)
}

fn list_role_policies(
    ctx: &Ctx<'_>,
    request: shapes::ListRolePoliciesRequest,
) -> Result<shapes::ListRolePoliciesResponse, ApiError> {
    let network = ctx.network()?;
    let names = role(ctx, &network, &request.role_name)?.inline.keys().cloned().collect();
    let (policy_names, marker) = cut(names, request.max_items, &request.marker)?;
    Ok(shapes::ListRolePoliciesResponse { policy_names, is_truncated: Some(marker.is_some()), marker })
}

fn attach_role_policy(ctx: &Ctx<'_>, request: shapes::AttachRolePolicyRequest) -> Result<Nothing, ApiError> {
    let (role, arn) = (request.role_name.unwrap_or_default(), request.policy_arn.unwrap_or_default());
    ctx.mutate(|tx| iam::attach(tx, &role, &arn))?;
    Ok(Nothing)
}

fn detach_role_policy(ctx: &Ctx<'_>, request: shapes::DetachRolePolicyRequest) -> Result<Nothing, ApiError> {
    let (role, arn) = (request.role_name.unwrap_or_default(), request.policy_arn.unwrap_or_default());
    ctx.mutate(|tx| iam::detach(tx, &role, &arn))?;
    Ok(Nothing)
}

fn list_attached_role_policies(
    ctx: &Ctx<'_>,
    request: shapes::ListAttachedRolePoliciesRequest,
) -> Result<shapes::ListAttachedRolePoliciesResponse, ApiError> {
    let network = ctx.network()?;
    let prefix = request.path_prefix.as_deref().unwrap_or("/");
    // The path is what stands between `:policy` and the name.
    let path_and_name = |arn: &str| arn.split_once(":policy").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    let attached = role(ctx, &network, &request.role_name)?.attached.iter();
    let attached = attached.filter(|arn| path_and_name(arn).starts_with(prefix)).map(|arn| shapes::AttachedPolicy {
        policy_name: arn.rsplit('/').next().map(str::to_owned),
        policy_arn: Some(arn.clone()),
    });
    let (attached_policies, marker) = cut(attached.collect(), request.max_items, &request.marker)?;
    Ok(shapes::ListAttachedRolePoliciesResponse { attached_policies, is_truncated: Some(marker.is_some()), marker })
}

fn tag_role(ctx: &Ctx<'_>, request: shapes::TagRoleRequest) -> Result<Nothing, ApiError> {
    let tags = tags(&request.tags)?;
    ctx.mutate(|tx| iam::tag_role(tx, &request.role_name.unwrap_or_default(), tags))?;
    Ok(Nothing)
}

fn untag_role(ctx: &Ctx<'_>, request: shapes::UntagRoleRequest) -> Result<Nothing, ApiError> {
    ctx.mutate(|tx| iam::untag_role(tx, &request.role_name.unwrap_or_default(), &request.tag_keys))?;
    Ok(Nothing)
}

fn list_role_tags(ctx: &Ctx<'_>, request: shapes::ListRoleTagsRequest) -> Result<shapes::ListRoleTagsResponse, ApiError> {
    let network = ctx.network()?;
    let tags = tag_shapes(&role(ctx, &network, &request.role_name)?.tags);
    let (tags, marker) = cut(tags, request.max_items, &request.marker)?;
    Ok(shapes::ListRoleTagsResponse { tags, is_truncated: Some(marker.is_some()), marker })
}

/// The account's root, who every caller is: openvpc keeps no users.
fn get_user(ctx: &Ctx<'_>, request: shapes::GetUserRequest) -> Result<shapes::GetUserResponse, ApiError> {
    if let Some(name) = request.user_name.filter(|name| !name.is_empty()) {
        return Err(ApiError::new("NoSuchEntity", format!("The user with name {name} cannot be found.")));
    }
    let account = ctx.owner().account.to_string();
    let user = shapes::User {
        path: Some("/".to_owned()),
        user_name: Some("root".to_owned()),
        user_id: Some(account.clone()),
        arn: Some(format!("arn:{}:iam::{account}:root", ctx.owner().region.partition())),
        // Accounts are there as soon as somebody calls for them; they have no beginning.
        create_date: Some(UnixMillis(0)),
        ..Default::default()
    };
    Ok(shapes::GetUserResponse { user: Some(user) })
}

fn list_users(_ctx: &Ctx<'_>, request: shapes::ListUsersRequest) -> Result<shapes::ListUsersResponse, ApiError> {
    let (users, marker) = cut(Vec::new(), request.max_items, &request.marker)?;
    Ok(shapes::ListUsersResponse { users, is_truncated: Some(false), marker })
}

fn list_account_aliases(
    _ctx: &Ctx<'_>,
    request: shapes::ListAccountAliasesRequest,
) -> Result<shapes::ListAccountAliasesResponse, ApiError> {
    let (account_aliases, marker) = cut(Vec::new(), request.max_items, &request.marker)?;
    Ok(shapes::ListAccountAliasesResponse { account_aliases, is_truncated: Some(false), marker })
}

fn role<'a>(ctx: &Ctx<'_>, network: &'a Network, name: &Option<String>) -> Result<&'a Role, ApiError> {
    Ok(iam::role(network, ctx.owner(), name.as_deref().unwrap_or_default())?)
}

fn role_shape(role: &Role) -> shapes::Role {
    shapes::Role {
        path: Some(role.path.clone()),
        role_name: Some(role.name.clone()),
        role_id: Some(role.id.clone()),
        arn: Some(role.arn()),
        create_date: Some(role.created_at),
        assume_role_policy_document: Some(encode(&role.trust)),
        description: role.description.clone(),
        max_session_duration: i32::try_from(role.max_session_duration).ok(),
        permissions_boundary: role.permissions_boundary.clone().map(|arn| shapes::AttachedPermissionsBoundary {
            permissions_boundary_type: Some("Policy".to_owned()),
            permissions_boundary_arn: Some(arn),
        }),
        tags: tag_shapes(&role.tags),
        role_last_used: None,
    }
}

/// Percent-encoded as in RFC 3986, as IAM shows documents.
fn encode(document: &str) -> String {
    let mut text = String::with_capacity(document.len() * 2);
    for byte in document.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

fn path(given: Option<String>) -> String {
    given.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned())
}

fn cut<T>(items: Vec<T>, size: Option<i32>, marker: &Option<String>) -> Result<(Vec<T>, Option<String>), ApiError> {
    let codes = ("ValidationError", "ValidationError");
    list::cut(items, Some(size.unwrap_or(PAGE)), LONGEST_PAGE, marker.as_deref(), codes)
}

fn tags(given: &[shapes::Tag]) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in given {
        let (key, value) = (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:") {
            return Err(ApiError::new("ValidationError", format!("The tag '{key}' is not valid.")));
        }
        if tags.insert(key, value).is_some() {
            return Err(ApiError::new(
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
    }
    Ok(tags)
}

fn tag_shapes(tags: &Tags) -> Vec<shapes::Tag> {
    tags.iter().map(|(key, value)| shapes::Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}
