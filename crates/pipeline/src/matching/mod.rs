//! Compiled matchers: what a rule list or a route table becomes, so that its length doesn't cost a packet anything.

mod port_map;
mod prefix_map;
mod rule_set;

pub use port_map::{PortMatch, ProtocolMatch, RuleMatch};
pub use prefix_map::{Chain, PrefixMap};
pub use rule_set::{PeerMatch, RuleSet};
