//! Managed prefix lists: what a rule or a route that names one stands for.

use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::{Network, PrefixList, PrefixListId, Region};

/// The lists that something was compiled of, so that a change of one of them is noticed. AWS's own lists never change.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists(Vec<(PrefixListId, Option<Arc<PrefixList>>)>);

impl Lists {
    /// The blocks of a list as they are now, for a rule or a route of that region.
    pub fn blocks(&mut self, id: PrefixListId, network: &Network, region: &Region) -> Vec<IpNet> {
        self.0.push((id, network.prefix_lists.get(&id).cloned()));
        network.prefix_list_blocks(region, id)
    }

    /// Whether none of the lists was written, made or removed since.
    pub fn is_current(&self, network: &Network) -> bool {
        self.0.iter().all(|(id, list)| match (list, network.prefix_lists.get(id)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        })
    }
}
