//! Permissions of other accounts on network interfaces.

use serde::{Deserialize, Serialize};

use crate::{AccountId, EniId, InterfacePermissionId, Owner};

/// What another account may do with an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfacePermission {
    /// The permission's id.
    pub id: InterfacePermissionId,
    /// Account and region of the interface.
    pub owner: Owner,
    /// The interface.
    pub eni: EniId,
    /// Who may.
    pub account: AccountId,
    /// What it may.
    pub kind: InterfacePermissionKind,
}

/// A kind of permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InterfacePermissionKind {
    /// To attach the interface to an own instance.
    InstanceAttach,
    /// To associate an own Elastic IP.
    EipAssociate,
}

impl InterfacePermissionKind {
    /// The kind as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceAttach => "INSTANCE-ATTACH",
            Self::EipAssociate => "EIP-ASSOCIATE",
        }
    }
}
