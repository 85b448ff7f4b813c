//! Which flow logs cover an interface.

use std::collections::BTreeMap;
use std::sync::Arc;

use openvpc_model::{FileFormat, FlowLog, FlowLogDestination, FlowLogId, FlowLogTarget, Network, NetworkInterface, Table};

use crate::format::Format;

/// The flow logs of a network, found by what they cover. No level wins: an interface with a flow log of its own, in a
/// subnet with one, in a VPC with one, is recorded three times.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    by_target: BTreeMap<FlowLogTarget, Vec<Arc<Subscription>>>,
    seen: Table<FlowLog>,
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
    /// Takes over the flow logs of a network that deliver text to a bucket. Answers what those cover that changed.
    pub fn refresh(&mut self, network: &Network) -> Vec<FlowLogTarget> {
        let older = std::mem::replace(&mut self.seen, network.flow_logs.clone());
        let mut targets = Vec::new();
        for id in network.flow_logs.changed_since(&older) {
            if let Some(before) = older.get(&id) {
                targets.push(before.target);
                self.remove(before);
            }
            if let Some(now) = network.flow_logs.get(&id) {
                targets.push(now.target);
                self.add(now);
            }
        }
        targets
    }

    fn remove(&mut self, flow_log: &FlowLog) {
        if let Some(covering) = self.by_target.get_mut(&flow_log.target) {
            covering.retain(|subscription| subscription.id() != flow_log.id);
            if covering.is_empty() {
                self.by_target.remove(&flow_log.target);
            }
        }
    }

    fn add(&mut self, flow_log: &Arc<FlowLog>) {
        if !matches!(flow_log.destination, FlowLogDestination::S3 { file_format: FileFormat::PlainText, .. }) {
            return;
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
