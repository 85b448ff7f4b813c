//! Which flow logs cover an interface.

use std::collections::BTreeMap;
use std::sync::Arc;

use openvpc_model::{FileFormat, FlowLog, FlowLogDestination, FlowLogId, FlowLogTarget, Network, NetworkInterface};

use crate::format::Format;

/// The flow logs of a network, found by what they cover. No level wins: an interface with a flow log of its own, in a
/// subnet with one, in a VPC with one, is recorded three times.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    by_target: BTreeMap<FlowLogTarget, Vec<Arc<Subscription>>>,
    seen: Vec<Arc<FlowLog>>,
}

/// A flow log with its format parsed.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The flow log.
    pub flow_log: Arc<FlowLog>,
    /// Its format.
    pub format: Format,
}

impl Subscriptions {
    /// Takes over the flow logs of a network that deliver text to a bucket. Says whether anything changed.
    pub fn refresh(&mut self, network: &Network) -> bool {
        if network.flow_logs.values().map(Arc::as_ptr).eq(self.seen.iter().map(Arc::as_ptr)) {
            return false;
        }
        self.seen = network.flow_logs.values().cloned().collect();
        self.by_target.clear();
        for flow_log in &self.seen {
            if !matches!(flow_log.destination, FlowLogDestination::S3 { file_format: FileFormat::PlainText, .. }) {
                continue;
            }
            match flow_log.log_format.parse() {
                Ok(format) => {
                    let subscription = Subscription { flow_log: Arc::clone(flow_log), format };
                    self.by_target.entry(flow_log.target).or_default().push(Arc::new(subscription));
                }
                // Checked when the flow log was made; one that another version wrote must not stop the others.
                Err(error) => tracing::warn!(flow_log = %flow_log.id, %error, "flow log skipped"),
            }
        }
        true
    }

    /// The flow logs that cover an interface, in the order of their ids.
    pub fn covering(&self, eni: &NetworkInterface) -> Arc<[Arc<Subscription>]> {
        let targets = [FlowLogTarget::Vpc(eni.vpc), FlowLogTarget::Subnet(eni.subnet), FlowLogTarget::NetworkInterface(eni.id)];
        let mut covering: Vec<_> = targets.iter().filter_map(|target| self.by_target.get(target)).flatten().cloned().collect();
        covering.sort_by_key(|subscription| subscription.id());
        covering.into()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.by_target.values().flatten()
    }
}

impl Subscription {
    /// The flow log's id.
    pub fn id(&self) -> FlowLogId {
        self.flow_log.id
    }
}
