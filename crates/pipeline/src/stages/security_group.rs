//! Security groups: rules that allow, and the memory of what they allowed.

use std::net::IpAddr;

use openvpc_model::Direction;

use crate::compile::{Admission, ClassId, EniEntry, EniIndex, SecurityGroups};
use crate::flow::{AllowanceExceeded, Flow, FlowKey, FlowState, Standing};
use crate::time::Nanos;
use crate::trace::HeaderView;
use crate::verdict::{Code, ResourceId, RuleId};
use crate::wire::{InnerHeader, TcpInfo, Transport, UDP};

/// A packet at an interface's security groups.
pub(crate) struct Question<'a> {
    pub eni: &'a EniEntry,
    pub groups: &'a SecurityGroups,
    pub index: EniIndex,
    pub direction: Direction,
    pub packet: &'a HeaderView,
    pub tcp: Option<TcpInfo>,
    /// What an ICMP error is about.
    pub inner: Option<&'a InnerHeader>,
    /// The groups that the other side carries, as far as they are known at this interface.
    pub peer_classes: &'a [ClassId],
    pub now: Nanos,
    /// Whether flows are tracked whatever the rules are: those through NAT and egress-only gateways.
    pub tracks_always: bool,
    /// Whether state may change; not when the packet was dropped before and is traced on, and not in a preview.
    pub commit: bool,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The group of the rule that admits; else the interface's first group, which stands for all of them.
    pub resource: ResourceId,
    pub rule: Option<RuleId>,
    pub denied: Option<Code>,
    /// The tracked flow that the packet belongs to, or has opened.
    pub flow: Option<FlowKey>,
    /// Whether the next packet of the flow gets the same answer, as long as rules and `flow` stay as they are.
    pub lasts: bool,
}

/// Judges a packet: first by the flows that are tracked, then by the rules of all groups together.
pub(crate) fn judge(flows: &mut FlowState, question: &Question<'_>) -> Answer {
    let Question { eni, groups, index, direction, packet, .. } = *question;
    let settings = &eni.eni.tracking;
    let tracked = Answer { rule: Some(RuleId::TrackedConnection), ..question.answer(None) };
    if let Some(quoted) = question.inner.and_then(|inner| Flow::quoted(index, direction, inner))
        && flows.peek(&quoted, settings, question.now) == Standing::Tracked
    {
        return Answer { lasts: false, ..tracked };
    }
    let flow = Flow::of(index, direction, packet, question.tcp);
    let standing = match &flow {
        Some(flow) if question.commit => flows.meet(flow, settings, question.now),
        Some(flow) => flows.peek(flow, settings, question.now),
        None => Standing::Unknown,
    };
    match standing {
        Standing::Tracked => return Answer { flow: flow.map(|flow| flow.key), ..tracked },
        Standing::Closed => return Answer { denied: Some(Code::ConnectionClosed), lasts: false, ..tracked },
        Standing::Reopened | Standing::Unknown => {}
    }
    let Some(admission) = question.admit() else {
        let bare = groups.has_no_rules(direction);
        return question.answer(Some(if bare { Code::SgHasNoRules } else { Code::EniSgRulesMismatch }));
    };
    let admitted = Answer {
        resource: ResourceId::SecurityGroup(admission.group),
        rule: Some(RuleId::SecurityGroupRule(admission.rule)),
        denied: None,
        flow: None,
        lasts: question.inner.is_none(),
    };
    let Some(flow) = flow.filter(|flow| flow.opens) else { return admitted };
    let untracked = !question.tracks_always && question.is_untracked(admission);
    if !question.commit {
        return Answer { lasts: untracked && admitted.lasts, ..admitted };
    }
    if untracked {
        if standing == Standing::Reopened {
            flows.forget(&flow);
        }
        return admitted;
    }
    match flows.open(&flow, settings, question.now) {
        Ok(()) => Answer { flow: Some(flow.key), ..admitted },
        Err(AllowanceExceeded) => Answer { lasts: false, ..question.answer(Some(Code::ConntrackFull)) },
    }
}

impl Question<'_> {
    fn admit(&self) -> Option<Admission> {
        let HeaderView { protocol, transport, .. } = self.packet;
        self.groups.admit(self.direction, self.peer(), self.peer_classes, *protocol, transport)
    }

    /// Whether the flow that the packet would open needs no state: the rule that admits it is for everyone, and the other
    /// direction allows all answers to everyone. A UDP packet may itself be an answer to such a flow; tracking it would let
    /// the flow go on after its rule was removed.
    fn is_untracked(&self, admission: Admission) -> bool {
        let (protocol, peer, answers) = (self.packet.protocol, self.peer(), self.direction.reverse());
        if admission.open && self.groups.allows_everything(answers, protocol, peer) {
            return true;
        }
        let Transport::Ports { src, dst } = self.packet.transport else { return false };
        protocol == UDP && self.groups.allows_everything(self.direction, protocol, peer) && {
            let request = Transport::Ports { src: dst, dst: src };
            let asked = self.groups.admit(answers, peer, self.peer_classes, protocol, &request);
            asked.is_some_and(|admission| admission.open)
        }
    }

    fn peer(&self) -> IpAddr {
        match self.direction {
            Direction::Ingress => self.packet.source,
            Direction::Egress => self.packet.destination,
        }
    }

    fn answer(&self, denied: Option<Code>) -> Answer {
        let resource = self.groups.first.map_or(ResourceId::Eni(self.eni.eni.id), ResourceId::SecurityGroup);
        Answer { resource, rule: None, denied, flow: None, lasts: self.inner.is_none() }
    }
}
