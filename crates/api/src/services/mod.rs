//! The services that are served, and which of them a request is for.

use crate::action::{Action, JsonAction};
use crate::actions;
use crate::generated;
use crate::table::Model;

mod acm;
mod directconnect;
mod elbv2;
mod iam;
mod list;
mod logs;
mod route53;
mod ssm;
mod sts;

/// What an action module of a service other than EC2 needs; its shapes are `crate::generated::SERVICE::shapes`.
pub mod prelude {
    pub use openvpc_model::Network;

    pub use crate::action::{Action, Ctx, JsonAction};
    pub use crate::error::ApiError;
    pub use crate::xml::{Blob, Nothing};
    pub use crate::{action, json, json_action};
}

/// A service that is served.
#[derive(Debug)]
pub struct Service {
    /// Its names, version, protocol and shapes.
    pub model: &'static Model,
    /// The oldest version of the API that is understood. Dates in this form sort as texts.
    pub oldest_version: &'static str,
    /// What it calls a request whose members aren't right.
    pub validation_error: &'static str,
    actions: Actions,
}

#[derive(Debug)]
enum Actions {
    Query(&'static [&'static [Action]]),
    Json(&'static [JsonAction]),
}

/// All of them.
pub static SERVICES: &[Service] = &[
    Service {
        model: &generated::ec2::table::MODEL,
        oldest_version: "2014-09-01",
        validation_error: "InvalidParameterValue",
        actions: Actions::Query(actions::EC2),
    },
    Service {
        model: &generated::sts::table::MODEL,
        oldest_version: "2011-06-15",
        validation_error: "ValidationError",
        actions: Actions::Query(&[sts::ACTIONS]),
    },
    Service {
        model: &generated::iam::table::MODEL,
        oldest_version: "2010-05-08",
        validation_error: "ValidationError",
        actions: Actions::Query(&[iam::ACTIONS]),
    },
    Service {
        model: &generated::elbv2::table::MODEL,
        oldest_version: "2015-12-01",
        validation_error: "ValidationError",
        actions: Actions::Query(&[elbv2::ACTIONS]),
    },
    Service {
        model: &generated::acm::table::MODEL,
        oldest_version: "2015-12-08",
        validation_error: "ValidationException",
        actions: Actions::Json(acm::ACTIONS),
    },
    Service {
        model: &generated::directconnect::table::MODEL,
        oldest_version: "2012-10-25",
        validation_error: "DirectConnectClientException",
        actions: Actions::Json(directconnect::ACTIONS),
    },
    Service {
        model: &generated::logs::table::MODEL,
        oldest_version: "2014-03-28",
        validation_error: "InvalidParameterException",
        actions: Actions::Json(logs::ACTIONS),
    },
    Service {
        model: &generated::route53::table::MODEL,
        oldest_version: "2013-04-01",
        validation_error: "InvalidInput",
        actions: Actions::Query(&[route53::ACTIONS]),
    },
    Service {
        model: &generated::ssm::table::MODEL,
        oldest_version: "2014-11-06",
        validation_error: "ValidationException",
        actions: Actions::Json(ssm::ACTIONS),
    },
];

impl Service {
    /// The service with that short name: `ec2`, `elbv2`.
    pub fn named(name: &str) -> Option<&'static Self> {
        SERVICES.iter().find(|service| service.model.name == name)
    }

    /// The service that is called so in signatures: `ec2`, `elasticloadbalancing`.
    pub fn signed_as(name: &str) -> Option<&'static Self> {
        SERVICES.iter().find(|service| service.model.signing_name == name)
    }

    /// The service and operation that an `X-Amz-Target` header names.
    pub fn targeted(target: &str) -> Option<(&'static Self, &str)> {
        let (prefix, operation) = target.rsplit_once('.')?;
        let found = SERVICES.iter().find(|service| !prefix.is_empty() && service.model.target_prefix == prefix)?;
        Some((found, operation))
    }

    /// The action of that name, of a service that speaks the query protocol.
    pub fn query_action(&self, name: &str) -> Option<&'static Action> {
        match self.actions {
            Actions::Query(families) => families.iter().copied().flatten().find(|action| action.name == name),
            Actions::Json(_) => None,
        }
    }

    /// The action of that name, of a service that speaks JSON.
    pub fn json_action(&self, name: &str) -> Option<&'static JsonAction> {
        match self.actions {
            Actions::Query(_) => None,
            Actions::Json(actions) => actions.iter().find(|action| action.name == name),
        }
    }

    /// Whether an action of that name is served.
    pub fn serves(&self, name: &str) -> bool {
        self.query_action(name).is_some() || self.json_action(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_action_is_served_twice() {
        for service in SERVICES {
            let names: Vec<&str> = match service.actions {
                Actions::Query(families) => families.iter().copied().flatten().map(|action| action.name).collect(),
                Actions::Json(actions) => actions.iter().map(|action| action.name).collect(),
            };
            let distinct: BTreeSet<&str> = names.iter().copied().collect();
            assert_eq!(names.len(), distinct.len(), "{}: {names:?}", service.model.name);
        }
    }

    #[test]
    fn every_listed_operation_has_a_handler() {
        let lines = include_str!("../../model/operations.txt").lines().map(str::trim);
        let listed = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let served = |line: &str| {
            let (service, name) = line.split_once(':')?;
            Some(Service::named(service)?.serves(name))
        };
        let missing: Vec<&str> = listed.filter(|line| served(line) != Some(true)).collect();
        assert!(missing.is_empty(), "listed in operations.txt but not served: {missing:?}");
    }
}
