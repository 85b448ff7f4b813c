//! What the engine tells the kernel tier, and hears from it.

use std::net::IpAddr;

use openvpc_model::UnixMillis;
use openvpc_model::interface::MacAddress;
use openvpc_pipeline::verdict::{Drop, FlowSink, LegCounts, Outcome, ResourceId, Verdict};
use openvpc_pipeline::wire::link::Ethernet;
use openvpc_pipeline::wire::{ICMP, ICMPV6, TCP};
use openvpc_pipeline::{FlowState, HeaderView, Ingress, Nanos, PacketHeader, Rewrite, Tables, Transport, preview};

use super::core::{Connected, EngineCore, Now, Port, PortId, Stations, connected_mut};
use super::counters::LinkDrop;
use crate::DatapathError;
use crate::kernel::{Action, Entry, FastPath, FlowId, Report, behind};
use crate::netlink::Wire;

impl<P: Port, S: FlowSink> EngineCore<P, S> {
    /// Has flows carried by the kernel tier from now on.
    pub(crate) fn set_fast_path(&mut self, fast: FastPath) {
        self.fast = Some(Box::new(fast));
    }

    /// Tells the kernel tier of a link that has the program in front.
    pub(crate) fn add_fast_port(&mut self, place: PortId, wire: Wire, now: Now) -> Result<(), DatapathError> {
        self.forget_flows_of(place, now);
        match &mut self.fast {
            Some(fast) => fast.add_port(place, wire),
            None => Ok(()),
        }
    }

    /// Has counters of the kernel tier taken over, of a part of its flows or of all; see [`FastPath::plan`].
    pub(super) fn plan_collect(&mut self, whole: bool) -> u64 {
        self.fast.as_mut().map_or(0, |fast| fast.plan(whole))
    }

    /// How many flows of the kernel tier were looked at so far.
    pub(super) fn looked_at(&self) -> u64 {
        self.fast.as_ref().map_or(0, |fast| fast.looked_at())
    }

    /// Whether [`Self::collect`] or [`Self::refresh`] has something to do.
    pub(super) fn has_upkeep(&self) -> bool {
        self.fast.as_ref().is_some_and(|fast| fast.has_stale() || fast.has_to_collect())
    }

    /// Takes over some of what the kernel tier counted, and has it let go of what is over.
    pub(super) fn collect(&mut self, now: Now) {
        let Some(mut fast) = self.fast.take() else { return };
        let Self { tables, flows, sink, enis, stations, .. } = self;
        fast.collect(tables, flows, now.monotonic, |report| take_over(report, tables, sink, enis, stations, now));
        self.fast = Some(fast);
    }

    /// Takes over what the kernel tier dropped because a link asked too much of user space.
    pub(super) fn count_over_budget(&mut self) {
        let Some(fast) = &mut self.fast else { return };
        for (place, frames) in fast.take_over_budget() {
            if let Some(connected) = connected_mut(&mut self.enis, &mut self.stations, place) {
                connected.counters.drops.count(LinkDrop::MissBudget.into(), frames);
            }
        }
    }

    /// Shares misses out among links; see [`FastPath::balance`].
    pub(super) fn balance(&mut self, took: u64, lost: u64) {
        if let Some(fast) = &mut self.fast {
            fast.balance(took, lost);
        }
    }

    /// Judges some of the flows again that the kernel tier carried before rules changed.
    pub fn refresh(&mut self, now: Nanos) {
        if !self.fast.as_ref().is_some_and(|fast| fast.has_stale()) {
            return;
        }
        self.with_fast(|core, fast, flows| {
            fast.refresh(&core.tables, flows, now, |fast, flows, flow, action| core.judge_again(fast, flows, flow, action, now));
        });
    }

    /// Takes over the flows that the kernel tier carried for an earlier daemon, once all its links are connected.
    pub fn adopt(&mut self, now: Nanos) {
        self.with_fast(|core, fast, flows| {
            fast.adopt(&core.tables, flows, |fast, flows, flow, action| core.judge_again(fast, flows, flow, action, now));
        });
    }

    /// Lends out the kernel tier and the flows beside everything else.
    fn with_fast(&mut self, work: impl FnOnce(&Self, &mut FastPath, &mut FlowState)) {
        let Some(mut fast) = self.fast.take() else { return };
        let mut flows = std::mem::replace(&mut self.flows, FlowState::new(0));
        work(self, &mut fast, &mut flows);
        self.flows = flows;
        self.fast = Some(fast);
    }

    /// What the rules in force say of a flow that the kernel tier carries.
    fn judge_again(&self, fast: &FastPath, flows: &mut FlowState, flow: FlowId, action: &Action, now: Nanos) -> Option<Entry> {
        let HeaderView { source, destination, protocol, transport } = flow.header();
        let packet = PacketHeader::probe(source, destination, protocol, transport, true);
        let (to, from) = (MacAddress(action.in_destination), MacAddress(action.in_source));
        let ingress = self.ingress(fast.place(flow.port())?, to)?;
        let verdict = preview(&self.tables, flows, ingress, &packet, now);
        self.entry(fast, flow, ingress, (to, from), &verdict)
    }

    /// The flow of a packet that came up, as far as the kernel tier could carry it; what it knows of the flow is taken over.
    pub(super) fn fast_flow(&mut self, from: PortId, packet: &PacketHeader, now: Nanos) -> Option<FlowId> {
        let fast = self.fast.as_mut()?;
        let header =
            HeaderView { source: packet.src, destination: packet.dst, protocol: packet.protocol, transport: packet.transport };
        let link = fast.link(from)?;
        let flow = FlowId::of(link, &header);
        // An error is about a packet that went the other way: its answers would come as the error does.
        let quoted = packet.inner.and_then(|inner| match inner.transport {
            Transport::Ports { src, dst } => {
                let (transport, protocol) = (Transport::Ports { src: dst, dst: src }, inner.protocol);
                FlowId::of(link, &HeaderView { source: inner.dst, destination: inner.src, protocol, transport })
            }
            _ => None,
        });
        for flow in [flow, quoted].iter().flatten() {
            fast.observe(flow, &self.tables, &mut self.flows, now);
        }
        flow.filter(|_| packet.fragment.is_none())
    }

    /// Has the kernel tier carry out a verdict, and the one about the answers.
    pub(super) fn learn(&mut self, flow: FlowId, ingress: Ingress, frame: &[u8], verdict: &Verdict, now: Nanos) {
        let Some(ethernet) = Ethernet::parse(frame) else { return };
        let Some(mut fast) = self.fast.take() else { return };
        let is_tracked = verdict.basis.flows != [None; 2] || verdict.basis.through.is_some();
        let begins = flow.header().protocol == TCP && is_tracked;
        let is_worth_it = begins || fast.knows(&flow) || fast.came_before(&flow);
        if is_worth_it && let Some(entry) = self.entry(&fast, flow, ingress, (ethernet.destination, ethernet.source), verdict) {
            let answer = self.answer_to(&fast, &entry, now);
            fast.enter(entry, answer, &self.tables, &mut self.flows, now);
        }
        self.fast = Some(fast);
    }

    /// Forgets a port in the kernel tier.
    pub(crate) fn forget_flows_of(&mut self, place: PortId, now: Now) {
        self.count_over_budget();
        let Some(mut fast) = self.fast.take() else { return };
        let Self { tables, flows, sink, enis, stations, .. } = self;
        fast.remove_port(place, tables, flows, |report| take_over(report, tables, sink, enis, stations, now));
        self.fast = Some(fast);
    }

    /// The entry that carries out a verdict about a flow whose frames have these addresses; none where user space must look
    /// at each packet.
    fn entry(
        &self,
        fast: &FastPath,
        flow: FlowId,
        ingress: Ingress,
        (receiver, sender): (MacAddress, MacAddress),
        verdict: &Verdict,
    ) -> Option<Entry> {
        let basis = &verdict.basis;
        let mut action = Action {
            scope: Action::scopes(basis).filter(|_| basis.lasts)?,
            in_destination: receiver.0,
            in_source: sender.0,
            mtu: u16::MAX,
            ..Action::default()
        };
        if ingress == Ingress::Internet {
            (action.flags, action.in_source) = (Action::ANY_SENDER, [0; 6]);
        }
        let (to, code) = match &verdict.outcome {
            Outcome::Drop(drop) => {
                action.flags |= Action::DENY;
                // Nothing is rewritten, but the last interface that refused it saw it as the gateway left it.
                let seen = verdict.legs.iter().last();
                let HeaderView { source, destination, .. } = flow.header();
                let changed = |before: IpAddr, after: IpAddr| (before != after).then_some(after);
                let rewrite = Rewrite {
                    src: seen.and_then(|leg| changed(source, leg.source)),
                    dst: seen.and_then(|leg| changed(destination, leg.destination)),
                    ..Rewrite::default()
                };
                set_rewrite(&mut action, &flow, &rewrite)?;
                (None, Some(drop.code))
            }
            Outcome::Deliver(delivery) => {
                let (to, destination, source) = self.way_out(ingress, delivery.to, sender).ok()?;
                action.out = fast.link(to)?;
                if fast.has_peer(action.out) {
                    action.flags |= Action::PEER;
                }
                (action.out_destination, action.out_source, action.mtu) = (destination.0, source.0, delivery.mtu);
                set_rewrite(&mut action, &flow, &delivery.rewrite)?;
                (Some(to), None)
            }
        };
        let dropped_at = match &verdict.outcome {
            Outcome::Drop(Drop { resource: gateway @ ResourceId::NatGateway(_), .. }) => self.tables.gateway_index(*gateway),
            _ => None,
        };
        Some(Entry { flow, action, to, code, legs: verdict.legs, flows: basis.flows, through: basis.through, dropped_at })
    }

    /// The entry for the answers to the packets of another; none where they would not pass, or it can't be said.
    fn answer_to(&mut self, fast: &FastPath, entry: &Entry, now: Nanos) -> Option<Entry> {
        let to = entry.to?;
        let HeaderView { source, destination, protocol, transport } = behind(&entry.flow.header(), &entry.action);
        let transport = match transport {
            Transport::Ports { src, dst } => Transport::Ports { src: dst, dst: src },
            Transport::Icmp { kind: 8, code, id } if protocol == ICMP => Transport::Icmp { kind: 0, code, id },
            Transport::Icmp { kind: 128, code, id } if protocol == ICMPV6 => Transport::Icmp { kind: 129, code, id },
            Transport::Opaque => Transport::Opaque,
            _ => return None,
        };
        let header = HeaderView { source: destination, destination: source, protocol, transport };
        let flow = FlowId::of(fast.link(to)?, &header)?;
        let packet = PacketHeader::probe(header.source, header.destination, protocol, transport, true);
        let (receiver, sender) = (MacAddress(entry.action.out_source), MacAddress(entry.action.out_destination));
        let ingress = self.ingress(to, receiver)?;
        let verdict = preview(&self.tables, &mut self.flows, ingress, &packet, now);
        match verdict.outcome {
            Outcome::Deliver(_) => self.entry(fast, flow, ingress, (receiver, sender), &verdict),
            Outcome::Drop(_) => None,
        }
    }

    /// Where a frame enters that comes from a port and is sent to that hardware address.
    fn ingress(&self, from: PortId, receiver: MacAddress) -> Option<Ingress> {
        match from {
            PortId::Eni(eni) => Some(Ingress::Eni { eni, next_hop: self.tables.next_hop(eni, receiver)? }),
            PortId::Uplink => Some(Ingress::Internet),
            PortId::Services => Some(Ingress::Services),
        }
    }
}

fn set_rewrite(action: &mut Action, flow: &FlowId, rewrite: &Rewrite) -> Option<()> {
    let is_ipv6 = matches!(flow, FlowId::V6(_));
    let mut address = |new: Option<IpAddr>, flag: u16| match new {
        None => Some([0; 4]),
        // The program changes addresses of IPv4 alone, and can't give a packet another family.
        Some(IpAddr::V4(_)) if is_ipv6 => None,
        Some(IpAddr::V4(new)) => {
            action.flags |= flag;
            Some(new.octets())
        }
        Some(IpAddr::V6(_)) => None,
    };
    let (source, destination) = (address(rewrite.src, Action::NEW_SOURCE)?, address(rewrite.dst, Action::NEW_DESTINATION)?);
    (action.new_source, action.new_destination, action.hops) = (source, destination, rewrite.ttl_decrement);
    let ports = [(rewrite.src_port, Action::NEW_SOURCE_PORT), (rewrite.dst_port, Action::NEW_DESTINATION_PORT)];
    for (place, (port, flag)) in action.new_ports.iter_mut().zip(ports) {
        if let Some(port) = port {
            *place = port.to_be_bytes();
            action.flags |= flag;
        }
    }
    Some(())
}

/// Counts what the kernel tier carried.
fn take_over<P, S: FlowSink>(
    report: &Report<'_>,
    tables: &Tables,
    sink: &mut S,
    enis: &mut [Option<Box<Connected<P>>>],
    stations: &mut Stations<P>,
    now: Now,
) {
    let counts = LegCounts { packets: report.packets, bytes: report.bytes, tcp_flags: report.tcp_flags };
    let ago = now.monotonic.0.saturating_sub(report.seen.0) / 1_000_000;
    let wall = UnixMillis(now.wall.0.saturating_sub(ago));
    for leg in report.legs.iter() {
        sink.record(tables, leg, counts, wall);
    }
    if let Some(connected) = connected_mut(enis, stations, report.from) {
        connected.counters.received.add(counts.packets, counts.bytes);
        if let Some(code) = report.code {
            connected.counters.drops.count(code.into(), counts.packets);
        }
    }
    if let Some(connected) = report.to.and_then(|to| connected_mut(enis, stations, to)) {
        connected.counters.sent.add(counts.packets, counts.bytes);
    }
}
