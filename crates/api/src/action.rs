//! An action: a function from a typed request to a typed response, and what it runs with.

use std::cell::RefCell;
use std::sync::Arc;

use openvpc_control::{Caller, Control, ControlError, Missing, Pending, Tx};
use openvpc_model::{Id, Network, Owner};
use serde::Serialize;

use crate::error::ApiError;
use crate::host::Host;
use crate::ids;
use crate::json::{self, JsonRequest};
use crate::query::{FromQuery, Node};
use crate::xml::WriteXml;

/// An operation of the service model.
pub trait Operation {
    /// Its name on the wire.
    const NAME: &'static str;
    /// The structure of its request.
    type Request;
    /// The structure of its response.
    type Response;
}

/// An operation that is served, of a service that speaks the query protocol or EC2's form of it.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// The operation's name on the wire.
    pub name: &'static str,
    /// Parses the request, runs the handler and gives what the envelope is to hold.
    pub run: fn(&Ctx<'_>, Node) -> Outcome,
}

/// What the envelope of an answer is to hold, or why there is only an error.
pub type Outcome = Result<Box<dyn WriteXml>, ApiError>;

/// An operation that is served, of a service that speaks JSON.
#[derive(Clone, Copy, Debug)]
pub struct JsonAction {
    /// The operation's name on the wire.
    pub name: &'static str,
    /// Reads the body, runs the handler and gives the body of the answer. The text is the service's word for a request
    /// whose members aren't right.
    pub run: fn(&Ctx<'_>, &[u8], &'static str) -> Result<String, ApiError>,
}

/// Ties a handler to an operation, of EC2 or of the service named: `action!(CreateVpc, create_vpc)`,
/// `action!(iam::CreateRole, create_role)`. The handler's types are checked against the model.
#[macro_export]
macro_rules! action {
    ($service:ident::$operation:ident, $handler:path) => {
        $crate::action::Action {
            name: <$crate::generated::$service::operations::$operation as $crate::action::Operation>::NAME,
            run: |ctx, request| {
                $crate::action::run::<$crate::generated::$service::operations::$operation>(ctx, request, $handler)
            },
        }
    };
    ($operation:ident, $handler:path) => {
        $crate::action!(ec2::$operation, $handler)
    };
}

/// As [`action!`], for services that speak JSON: `json_action!(directconnect::CreateLag, create_lag)`.
#[macro_export]
macro_rules! json_action {
    ($service:ident::$operation:ident, $handler:path) => {
        $crate::action::JsonAction {
            name: <$crate::generated::$service::operations::$operation as $crate::action::Operation>::NAME,
            run: |ctx, body, validation_error| {
                $crate::action::run_json::<$crate::generated::$service::operations::$operation>(
                    ctx,
                    body,
                    validation_error,
                    $handler,
                )
            },
        }
    };
}

/// Runs a handler. DryRun ends here: the handler has rehearsed what it would do, and that went well.
///
/// # Errors
/// The parser's and the handler's; `DryRunOperation`.
pub fn run<O: Operation>(
    ctx: &Ctx<'_>,
    request: Node,
    handler: fn(&Ctx<'_>, O::Request) -> Result<O::Response, ApiError>,
) -> Outcome
where
    O::Request: FromQuery,
    O::Response: WriteXml + 'static,
{
    let response = handler(ctx, O::Request::from_query(request)?)?;
    if ctx.dry_run {
        return Err(ApiError::dry_run());
    }
    Ok(Box::new(response))
}

/// Runs a handler of a service that speaks JSON.
///
/// # Errors
/// The parser's and the handler's.
pub fn run_json<O: Operation>(
    ctx: &Ctx<'_>,
    body: &[u8],
    validation_error: &'static str,
    handler: fn(&Ctx<'_>, O::Request) -> Result<O::Response, ApiError>,
) -> Result<String, ApiError>
where
    O::Request: JsonRequest,
    O::Response: Serialize,
{
    let response = handler(ctx, json::read(body, validation_error)?)?;
    serde_json::to_string(&response).map_err(ApiError::internal)
}

/// What an action runs with.
pub struct Ctx<'a> {
    /// On whose behalf it runs.
    pub caller: Caller,
    /// The access key that the request names.
    pub access_key: String,
    /// Whether only to say if it would succeed. [`Ctx::mutate`] minds it; other effects must.
    pub dry_run: bool,
    /// The id that the answer carries.
    pub request_id: String,
    pub(crate) control: &'a Control,
    /// What the answer has to wait for.
    pub(crate) pending: RefCell<Vec<Pending<'a>>>,
    pub(crate) host: &'a dyn Host,
}

impl Ctx<'_> {
    /// The calling account and region.
    pub fn owner(&self) -> &Owner {
        &self.caller.owner
    }

    /// The state of the network, with what the caller's region holds from the start in it.
    ///
    /// # Errors
    /// When the region had to be set up and that failed.
    pub fn network(&self) -> Result<Arc<Network>, ApiError> {
        if self.pending.borrow().is_empty() {
            return Ok(self.control.view(&self.caller)?);
        }
        // With what the request changed in it.
        let (network, pending) = self.control.newest();
        self.pending.borrow_mut().push(pending);
        Ok(network)
    }

    /// Changes the state; rehearses it only, when the request says DryRun.
    ///
    /// # Errors
    /// The change's own error.
    pub fn mutate<T>(&self, change: impl FnOnce(&mut Tx<'_>) -> Result<T, ControlError>) -> Result<T, ApiError> {
        if self.dry_run {
            return Ok(self.control.rehearse(&self.caller, change)?);
        }
        let (outcome, pending) = self.control.submit(&self.caller, change);
        self.pending.borrow_mut().push(pending);
        Ok(outcome?)
    }

    /// The caller's resources that a Describe names by id, or all of them when it names none; in the order of their ids.
    ///
    /// # Errors
    /// The kind's `….Malformed` and `….NotFound` errors.
    pub fn pick<R>(&self, network: &Network, ids: &[String]) -> Result<Vec<Arc<R>>, ApiError>
    where
        R: Missing,
        R::Key: Id,
    {
        if ids.is_empty() {
            return Ok(network.owned::<R>(self.owner()).cloned().collect());
        }
        let mut keys: Vec<R::Key> = ids::parse_all(ids)?;
        keys.sort();
        keys.dedup();
        let find = |key: &R::Key| {
            let found = network.get::<R>(key).filter(|resource| resource.owner() == self.owner());
            found.cloned().ok_or_else(|| R::missing(key).into())
        };
        keys.iter().map(find).collect()
    }

    /// The one writer of the state.
    pub fn control(&self) -> &Control {
        self.control
    }

    /// The machine that the network lives on.
    pub fn host(&self) -> &dyn Host {
        self.host
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use openvpc_model::{DhcpOptions, DhcpOptionsId, Tags};

    use super::*;
    use crate::testing::{control, ctx};

    const ALICE: &str = "111111111111";
    const BOB: &str = "222222222222";

    fn make(ctx: &Ctx<'_>) -> DhcpOptionsId {
        let make = |tx: &mut Tx<'_>| {
            let id = tx.new_id();
            tx.put(DhcpOptions { id, owner: tx.owner().clone(), options: Vec::new(), tags: Tags::new() });
            Ok(id)
        };
        ctx.mutate(make).unwrap()
    }

    fn code(ctx: &Ctx<'_>, id: &str) -> String {
        let network = ctx.network().unwrap();
        ctx.pick::<DhcpOptions>(&network, &[id.to_owned()]).unwrap_err().code.into_owned()
    }

    #[test]
    fn what_a_dry_run_makes_isn_t_there_afterwards() {
        let control = control();
        let id = make(&ctx(&control, ALICE, true));
        assert_eq!(code(&ctx(&control, ALICE, false), &id.to_string()), "InvalidDhcpOptionID.NotFound");
        let id = make(&ctx(&control, ALICE, false));
        assert!(control.snapshot().dhcp_options.contains_key(&id));
    }

    #[test]
    fn ids_pick_the_caller_s_own_resources_each_once() {
        let control = control();
        let (alice, bob) = (ctx(&control, ALICE, false), ctx(&control, BOB, false));
        let (one, two) = (make(&alice), make(&alice));
        let network = alice.network().unwrap();
        let pick = |ids: &[DhcpOptionsId]| -> Vec<DhcpOptionsId> {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            alice.pick::<DhcpOptions>(&network, &ids).unwrap().iter().map(|options| options.id).collect()
        };
        assert_eq!(pick(&[two, one, two]), [one, two]);
        assert!(pick(&[]).contains(&one) && pick(&[]).contains(&two));
        assert_eq!(code(&bob, &one.to_string()), "InvalidDhcpOptionID.NotFound");
        assert_eq!(code(&bob, "dopt-x"), "InvalidDhcpOptionID.Malformed");
    }
}
