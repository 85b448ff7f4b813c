//! The stages that a packet meets, one file and one question each. [`crate::walk`] puts them in order.

pub(crate) mod address;
pub(crate) mod egress_only;
pub(crate) mod internet_gateway;
pub(crate) mod nacl;
pub(crate) mod nat;
pub(crate) mod route;
pub(crate) mod security_group;
pub(crate) mod services;
pub(crate) mod source_check;
