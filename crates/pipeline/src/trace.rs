//! Telling what every stage did with a packet.

use std::net::IpAddr;

use openvpc_model::Direction;

use crate::verdict::{Code, ResourceId, RuleId};
use crate::wire::Transport;

/// Hears of every stage that a packet meets, in order.
pub trait Tracer {
    /// Whether the walk goes on past a denial, so that all blockers are heard of. The verdict and its legs are those of the
    /// first denial either way; past it, no flow is tracked. What leaves nowhere to go (no route) ends the walk always.
    const KEEP_GOING: bool;
    /// Whether anybody listens; when not, hops aren't made up.
    const LISTENS: bool = true;

    /// One stage.
    fn hop(&mut self, hop: &Hop);
}

/// Nobody listens. Costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Tracer for NoTrace {
    const KEEP_GOING: bool = false;
    const LISTENS: bool = false;

    fn hop(&mut self, _: &Hop) {}
}

/// What one stage did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Who.
    pub resource: ResourceId,
    /// By which rule.
    pub rule: Option<RuleId>,
    /// What.
    pub action: HopAction,
    /// Why, when the action is a denial.
    pub code: Option<Code>,
    /// Towards an interface or away from it.
    pub direction: Option<Direction>,
    /// The packet as it came.
    pub inbound: HeaderView,
    /// The packet as it went on.
    pub outbound: HeaderView,
}

/// What a stage does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum HopAction {
    Allow,
    Deliver,
    Deny,
    Forward,
    Translate,
}

impl HopAction {
    /// The action in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deliver => "deliver",
            Self::Deny => "deny",
            Self::Forward => "forward",
            Self::Translate => "translate",
        }
    }
}

/// The part of a packet's header that stages look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct HeaderView {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub transport: Transport,
}
