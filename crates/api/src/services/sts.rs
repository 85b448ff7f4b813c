//! The part of STS that tools call at their start.

use super::prelude::*;
use crate::generated::sts::shapes;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[action!(sts::GetCallerIdentity, get_caller_identity)];

/// Every caller is the root of its account: openvpc keeps no users.
fn get_caller_identity(
    ctx: &Ctx<'_>,
    _request: shapes::GetCallerIdentityRequest,
) -> Result<shapes::GetCallerIdentityResponse, ApiError> {
    let owner = ctx.owner();
    let account = owner.account.to_string();
    Ok(shapes::GetCallerIdentityResponse {
        arn: Some(format!("arn:{}:iam::{account}:root", owner.region.partition())),
        user_id: Some(account.clone()),
        account: Some(account),
    })
}
