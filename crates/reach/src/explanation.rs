//! The answer, in the form that `openvpc explain --json` prints.

use openvpc_pipeline::{Hop, ResourceId, RuleId};
use serde::Serialize;

/// Whether X reaches Y and the answer comes back.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The round trip.
    pub reachable: bool,
    /// The packet's way.
    pub forward: Way,
    /// The answer's way; empty and unreachable when the packet itself doesn't arrive.
    #[serde(rename = "return")]
    pub back: Way,
}

/// One direction.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Way {
    /// Whether the packet arrives.
    pub reachable: bool,
    /// What it meets, in order.
    pub hops: Vec<HopView>,
    /// What stops it; more than one thing may.
    pub blockers: Vec<Blocker>,
}

/// One thing that a packet meets.
#[derive(Clone, Debug, Serialize)]
pub struct HopView {
    /// The kind, in plain words.
    pub component: &'static str,
    /// Its id.
    pub resource_id: String,
    /// The rule that decided; empty when none did.
    pub rule: String,
    /// `allow`, `deny`, `forward`, `translate` or `deliver`.
    pub action: &'static str,
    /// The explanation code of a denial; empty otherwise.
    pub code: &'static str,
    /// `ingress`, `egress`, or empty.
    pub direction: &'static str,
    /// The hop as the pipeline reported it.
    #[serde(skip)]
    pub hop: Hop,
}

/// One thing that stops a packet.
#[derive(Clone, Debug, Serialize)]
pub struct Blocker {
    /// The kind, in plain words.
    pub component: &'static str,
    /// Its id.
    pub resource_id: String,
    /// The rule that decided; empty when none did.
    pub rule: String,
    /// The explanation code.
    pub code: &'static str,
    /// What is wrong, in a sentence.
    pub message: String,
    /// `ingress`, `egress`, or empty.
    pub direction: &'static str,
    /// The resource.
    #[serde(skip)]
    pub resource: ResourceId,
    /// The rule.
    #[serde(skip)]
    pub rule_id: Option<RuleId>,
}
