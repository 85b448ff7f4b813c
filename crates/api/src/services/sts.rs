//! The part of STS that tools call at their start.

use openvpc_model::{AccessKey, Owner};

use super::prelude::*;
use crate::generated::sts::shapes;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[action!(sts::GetCallerIdentity, get_caller_identity)];

/// Callers are the roots of their accounts, but for those who assumed a role.
fn get_caller_identity(
    ctx: &Ctx<'_>,
    _request: shapes::GetCallerIdentityRequest,
) -> Result<shapes::GetCallerIdentityResponse, ApiError> {
    let Owner { account, region } = ctx.owner();
    let partition = region.partition();
    let network = ctx.control().snapshot();
    let session = network.get::<AccessKey>(&ctx.access_key).and_then(|key| key.session.clone());
    let (arn, user_id) = match session.filter(|session| session.principal != "root") {
        Some(session) => (format!("arn:{partition}:sts::{account}:{}", session.principal), session.user_id),
        None => (format!("arn:{partition}:iam::{account}:root"), account.to_string()),
    };
    Ok(shapes::GetCallerIdentityResponse { arn: Some(arn), user_id: Some(user_id), account: Some(account.to_string()) })
}
