//! What the engine does to a frame, without the kernel: ports, clocks and sockets come from outside.

use std::sync::Arc;

use openvpc_model::UnixMillis;
use openvpc_model::interface::MacAddress;
use openvpc_pipeline::verdict::{Delivery, Egress, FlowSink, IcmpError, IcmpErrorKind, LegCounts, Outcome, Reply};
use openvpc_pipeline::wire::build::{self, ErrorMessage};
use openvpc_pipeline::wire::link::{ETHERNET_LEN, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet};
use openvpc_pipeline::wire::{PacketHeader, Transport, translate};
use openvpc_pipeline::{EniIndex, FlowState, Ingress, Nanos, NextHop, NoTrace, Tables, step};

use super::counters::{DropReason, EngineCounters, LinkDrop, PortCounters};
use super::uplink::Uplink;
use super::{cut, offload};
use crate::kernel::FastPath;
use crate::packet_socket::{FrameBatch, PacketSocket, VnetHeader};

/// Where frames come from and go to.
pub trait Port {
    /// Sends a frame; false when the link takes no more.
    fn send(&mut self, header: &VnetHeader, frame: &[u8]) -> bool;

    /// Sends frames in order and returns how many the link did not take.
    fn send_all<'a>(&mut self, frames: impl Iterator<Item = (&'a VnetHeader, &'a [u8])>) -> u64 {
        frames.map(|(header, frame)| u64::from(!self.send(header, frame))).sum()
    }

    /// Fills `batch` with the frames that wait.
    fn receive(&mut self, batch: &mut FrameBatch);

    /// Frames lost since the last call because they came faster than they were received.
    fn take_overruns(&mut self) -> u64 {
        0
    }
}

/// A port's place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PortId {
    /// An interface.
    Eni(EniIndex),
    /// The internet.
    Uplink,
    /// The link-local services.
    Services,
}

/// When a frame is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// For timeouts.
    pub monotonic: Nanos,
    /// For records.
    pub wall: UnixMillis,
}

/// The engine without its thread: generic over ports, so that tests drive it with frames of their own.
///
/// A frame goes through the same steps whatever its port: layer 2 says whether the sender may send it at all and whom
/// it is for; the pipeline judges; the frame is changed where it lies and leaves by the port of the verdict. Nothing on
/// this way allocates, locks or waits.
pub struct EngineCore<P, S> {
    pub(super) tables: Arc<Tables>,
    pub(super) flows: FlowState,
    pub(super) sink: S,
    /// The kernel tier, where there is one.
    pub(super) fast: Option<Box<FastPath>>,
    /// By index of the interface; boxed, since most places are empty once interfaces have come and gone.
    pub(super) enis: Vec<Option<Box<Connected<P>>>>,
    pub(super) stations: Stations<P>,
    fates: Vec<Fate>,
    pub(super) scratch: Vec<u8>,
    departed: PortCounters,
    overruns: u64,
    unusable: u64,
}

/// A port and what passed it. Counters outlast the port: an interface goes from instance to instance, and back.
pub(super) struct Connected<P> {
    port: Option<P>,
    pub(super) counters: PortCounters,
    /// The second that runs, and the router's answers in it.
    pub(super) router_use: (Nanos, u32),
}

impl<P> Connected<P> {
    fn new(port: Option<P>, counters: PortCounters) -> Self {
        Self { port, counters, router_use: (Nanos(0), 0) }
    }
}

/// The ports that lead out of all VPCs, on whose links the engine is a router.
pub(super) struct Stations<P> {
    internet: Option<(Uplink, Connected<P>)>,
    services: Option<(Uplink, Connected<P>)>,
}

/// What is to become of a frame that lies in a buffer, changed as it is to leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Nothing; dropped, or answered already.
    End,
    /// Nothing more; it left as another frame.
    Left { to: PortId },
    /// To send its first `length` bytes.
    Send { to: PortId, length: usize },
    /// To cut its first `length` bytes into pieces of at most `mtu` bytes of IP, and send these.
    Cut { to: PortId, length: usize, mtu: u16 },
}

impl<P: Port, S: FlowSink> EngineCore<P, S> {
    /// An engine without ports.
    pub fn new(tables: Arc<Tables>, sink: S) -> Self {
        let mut flows = FlowState::new(FLOWS);
        flows.sync(&tables);
        Self {
            tables,
            flows,
            sink,
            fast: None,
            enis: Vec::new(),
            stations: Stations::default(),
            fates: Vec::with_capacity(64),
            scratch: vec![0; FrameBatch::FRAME],
            departed: PortCounters::default(),
            overruns: 0,
            unusable: 0,
        }
    }

    /// Judges everything from now on by other tables; tracked flows stay. What was counted of interfaces that are gone is
    /// from now on counted together.
    pub fn swap(&mut self, tables: Arc<Tables>) {
        self.flows.sync(&tables);
        let older = std::mem::replace(&mut self.tables, Arc::clone(&tables));
        if let Some(fast) = &mut self.fast {
            fast.swap(&tables, &older);
        }
        for eni in tables.gone_since(&older) {
            self.forget_unconnected(eni);
        }
    }

    /// Connects an interface, in place of the port it had before; counters go on.
    pub fn add_port(&mut self, eni: EniIndex, port: P) {
        let place = eni.0 as usize;
        if place >= self.enis.len() {
            self.enis.resize_with(place + 1, || None);
        }
        let fresh = || Box::new(Connected::new(None, PortCounters::default()));
        self.enis[place].get_or_insert_with(fresh).port = Some(port);
    }

    /// Disconnects an interface and returns its port.
    pub fn remove_port(&mut self, eni: EniIndex) -> Option<P> {
        let port = self.enis.get_mut(eni.0 as usize)?.as_mut()?.port.take();
        if self.tables.eni(eni).is_none() {
            self.forget_unconnected(eni);
        }
        port
    }

    /// Adds what was counted of an interface that is gone to what was of others, unless it still has a port.
    fn forget_unconnected(&mut self, eni: EniIndex) {
        let place = self.enis.get_mut(eni.0 as usize);
        if let Some(gone) = place.and_then(|place| place.take_if(|connected| connected.port.is_none())) {
            self.departed.merge(&gone.counters);
        }
    }

    /// Connects the internet.
    pub fn set_uplink(&mut self, uplink: Uplink, port: P) {
        Stations::connect(&mut self.stations.internet, uplink, port);
    }

    /// Connects the link-local services.
    pub fn set_services(&mut self, uplink: Uplink, port: P) {
        Stations::connect(&mut self.stations.services, uplink, port);
    }

    /// Whether flows are tracked, which [`Self::sweep`] is to look at from time to time.
    pub fn has_flows(&self) -> bool {
        self.fast.is_some() || !self.flows.is_empty() || self.flows.mappings() > 0
    }

    /// Forgets idle flows, a part of them at each call.
    pub fn sweep(&mut self, now: Nanos) {
        self.flows.sweep(now, SWEEP_LEAST + self.flows.len() / SWEEP_PART);
    }

    /// The sink and the tables in force.
    pub fn sink(&mut self) -> (&mut S, &Tables) {
        (&mut self.sink, &self.tables)
    }

    /// Receives one batch from a port and deals with it; returns how many frames it held.
    pub fn take_batch(&mut self, from: PortId, batch: &mut FrameBatch, now: Now) -> usize {
        let unusable = batch.unusable();
        let Some(port) = self.connected_mut(from).and_then(|connected| connected.port.as_mut()) else { return 0 };
        port.receive(batch);
        self.unusable += batch.unusable() - unusable;

        self.judge_batch(batch, now, |_, _| Some(from));
        batch.len()
    }

    /// Deals with a batch of frames that the fast path handed up.
    pub fn take_punted(&mut self, batch: &mut FrameBatch, now: Now) {
        self.judge_batch(batch, now, |core, origin| core.fast.as_ref()?.place(origin));
    }

    fn judge_batch(&mut self, batch: &mut FrameBatch, now: Now, from: impl Fn(&Self, u32) -> Option<PortId>) {
        self.fates.clear();
        for index in 0..batch.len() {
            let from = batch.origin(index).and_then(|origin| from(self, origin));
            let Some((header, frame)) = batch.frame_mut(index) else { break };
            // A frame of a link that has gone meanwhile.
            let fate = from.map_or(Fate::End, |from| self.judge(from, header, frame, now));
            self.fates.push(fate);
        }
        self.send_batch(batch);
    }

    /// Deals with one frame.
    pub fn take(&mut self, from: PortId, header: &mut VnetHeader, frame: &mut [u8], now: Now) {
        let fate = self.judge(from, header, frame, now);
        self.send(fate, header, frame);
    }

    /// Notes that a batch of this port was lost to a bug, and mends what it may have left in pieces.
    pub fn recover(&mut self, port: PortId) {
        self.scratch.resize(FrameBatch::FRAME, 0);
        self.count_drop(port, LinkDrop::Panic, 1);
    }

    /// Everything that was counted.
    pub fn counters(&mut self) -> EngineCounters {
        self.count_over_budget();
        let Stations { internet, services } = &mut self.stations;
        let stations = internet.iter_mut().chain(services).map(|(_, connected)| connected);
        let ports = self.enis.iter_mut().flatten().map(Box::as_mut).chain(stations);
        self.overruns += ports.filter_map(|connected| connected.port.as_mut()).map(P::take_overruns).sum::<u64>();
        let enis = self.enis.iter().enumerate();
        let gateways = self.tables.flow_gateways().map(|(index, gateway)| (gateway, self.flows.gateway_counters(index)));
        EngineCounters {
            enis: enis.filter_map(|(index, place)| Some((EniIndex(index as u32), place.as_ref()?.counters.clone()))).collect(),
            uplink: self.stations.internet.as_ref().map(|(_, connected)| connected.counters.clone()),
            services: self.stations.services.as_ref().map(|(_, connected)| connected.counters.clone()),
            departed: self.departed.clone(),
            connected: self.enis.iter().flatten().filter(|connected| connected.port.is_some()).count() as u64,
            tracked_flows: self.flows.len() as u64,
            mappings: self.flows.mappings() as u64,
            gateways: gateways.collect(),
            overruns: self.overruns,
            unusable: self.unusable,
        }
    }

    /// Decides about a frame and changes it as it is to leave.
    fn judge(&mut self, from: PortId, header: &mut VnetHeader, frame: &mut [u8], now: Now) -> Fate {
        let ingress = match from {
            PortId::Eni(eni) => self.admit_from_eni(eni, frame, now.monotonic),
            PortId::Uplink => self.admit_from_station(from, Ingress::Internet, frame),
            PortId::Services => self.admit_from_station(from, Ingress::Services, frame),
        };
        let judged = ingress.map_err(DropReason::from).and_then(|ingress| match ingress {
            Some(ingress) => self.judge_packet(from, ingress, header, frame, now),
            None => Ok(Fate::End),
        });
        judged.unwrap_or_else(|drop| {
            self.count_drop(from, drop, 1);
            Fate::End
        })
    }

    /// Reads the packet, has it judged, and changes the frame as the verdict says.
    fn judge_packet(
        &mut self,
        from: PortId,
        ingress: Ingress,
        header: &mut VnetHeader,
        frame: &mut [u8],
        now: Now,
    ) -> Result<Fate, DropReason> {
        let gso = offload::settle(header, frame).map_err(|_| LinkDrop::MalformedOffload)?;
        let packet = PacketHeader::parse(frame.get(ETHERNET_LEN..).unwrap_or_default(), gso)?;
        let ethertype = if packet.src.is_ipv4() { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
        if Ethernet::parse(frame).is_none_or(|ethernet| ethernet.ethertype != ethertype) {
            return Err(LinkDrop::UnknownEthertype.into());
        }
        if hides_neighbor_discovery(&packet) {
            return Err(LinkDrop::MalformedNeighborDiscovery.into());
        }
        let size = packet.size;
        let counts = LegCounts {
            packets: size.segments.into(),
            bytes: size.wire_bytes,
            tcp_flags: packet.tcp.map_or(0, |tcp| flow_log_flags(tcp.flags)),
        };
        if let Some(connected) = self.connected_mut(from) {
            connected.counters.received.add(counts.packets, counts.bytes);
        }

        let flow = self.fast_flow(from, &packet, now.monotonic);
        let verdict = step(&self.tables, &mut self.flows, ingress, &packet, now.monotonic, &mut NoTrace);
        if let Some(fast) = &mut self.fast {
            fast.note_tracked(&verdict.basis.flows);
        }
        if let Some(flow) = flow {
            self.learn(flow, ingress, frame, &verdict, now.monotonic);
        }
        for leg in verdict.legs.iter() {
            self.sink.record(&self.tables, leg, counts, now.wall);
        }
        // Ethernet pads short frames; what goes on is the packet alone.
        let length = (ETHERNET_LEN + size.datagram_len as usize).min(frame.len());
        match verdict.outcome {
            Outcome::Deliver(delivery) => {
                let fate = self.deliver(ingress, &delivery, size.max_segment, header, &mut frame[..length])?;
                if let Fate::Left { to } | Fate::Send { to, .. } | Fate::Cut { to, .. } = fate
                    && let Some(connected) = self.connected_mut(to)
                {
                    connected.counters.sent.add(counts.packets, counts.bytes);
                }
                Ok(fate)
            }
            Outcome::Drop(drop) => {
                self.count_drop(from, drop.code, counts.packets);
                match drop.reply {
                    Some(Reply::Icmp(error)) => self.report_error(from, error, &frame[..length]),
                    Some(Reply::TcpReset) => self.reset(from, &frame[..length]),
                    None => {}
                }
                Ok(Fate::End)
            }
        }
    }

    /// Changes the frame as it is to arrive.
    fn deliver(
        &mut self,
        ingress: Ingress,
        delivery: &Delivery,
        max_segment: u32,
        header: &mut VnetHeader,
        frame: &mut [u8],
    ) -> Result<Fate, LinkDrop> {
        let ethernet = Ethernet::parse(frame).ok_or(LinkDrop::Runt)?;
        let (to, destination, source) = self.way_out(ingress, delivery.to, ethernet.source)?;
        if translate::changes_family(&delivery.rewrite, &frame[ETHERNET_LEN..]) {
            return self.translate(to, (destination, source), delivery, header, frame);
        }
        Ethernet { destination, source, ..ethernet }.emit(frame);
        delivery.rewrite.apply(&mut frame[ETHERNET_LEN..], header.needs_checksum());
        let length = frame.len();
        Ok(match max_segment > delivery.mtu.into() {
            true => Fate::Cut { to, length, mtu: delivery.mtu },
            false => Fate::Send { to, length },
        })
    }

    /// Sends a packet in the other family. It has another length then, so that it can't stay where it lies.
    fn translate(
        &mut self,
        to: PortId,
        (destination, source): (MacAddress, MacAddress),
        delivery: &Delivery,
        header: &VnetHeader,
        frame: &[u8],
    ) -> Result<Fate, LinkDrop> {
        let mut other = std::mem::take(&mut self.scratch);
        let packet = &frame[ETHERNET_LEN..];
        let length = translate::translate(&delivery.rewrite, packet, header.needs_checksum(), &mut other[ETHERNET_LEN..]);
        if let Some(length) = length {
            let to_ipv4 = delivery.rewrite.src.is_some_and(|src| src.is_ipv4());
            let ethertype = if to_ipv4 { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
            Ethernet { destination, source, ethertype }.emit(&mut other);
            let header = offload::of_other_family(header, to_ipv4);
            if let Some(Connected { port: Some(port), counters, .. }) = self.connected_mut(to)
                && !port.send(&header, &other[..ETHERNET_LEN + length])
            {
                counters.drops.count(LinkDrop::SendQueueFull.into(), 1);
            }
        }
        self.scratch = other;
        length.map(|_| Fate::Left { to }).ok_or(LinkDrop::Untranslatable)
    }

    /// The port that a packet leaves by, and the hardware addresses of the link there: receiver's and sender's.
    pub(super) fn way_out(
        &self,
        ingress: Ingress,
        to: Egress,
        sender: MacAddress,
    ) -> Result<(PortId, MacAddress, MacAddress), LinkDrop> {
        match to {
            Egress::Eni(eni) => {
                let entry = self.tables.eni(eni).ok_or(LinkDrop::NotConnected)?;
                if !self.is_connected(eni) {
                    return Err(LinkDrop::NotConnected);
                }
                // Within a subnet a frame keeps its sender; what was routed comes from the router.
                let source = match ingress {
                    Ingress::Eni { next_hop: NextHop::Eni(_), .. } => sender,
                    _ => self.tables.router_mac(eni),
                };
                Ok((PortId::Eni(eni), entry.eni.mac, source))
            }
            Egress::Internet | Egress::Services => {
                let port = if to == Egress::Internet { PortId::Uplink } else { PortId::Services };
                let uplink = self.stations.uplink(port).ok_or(LinkDrop::NotConnected)?;
                Ok((port, uplink.next_hop, uplink.mac))
            }
        }
    }

    /// Sends an ICMP error about the packet in `frame` back to where it came from.
    fn report_error(&mut self, to: PortId, error: IcmpError, frame: &[u8]) {
        let message = match error.kind {
            IcmpErrorKind::PacketTooBig { mtu } => ErrorMessage::PacketTooBig(mtu),
            IcmpErrorKind::TimeExceeded => ErrorMessage::TimeExceeded,
        };
        self.answer_packet(to, frame, |packet, out| build::icmp_error(packet, error.from, message, out));
    }

    /// Breaks off the connection of the TCP segment in `frame`, towards where it came from.
    fn reset(&mut self, to: PortId, frame: &[u8]) {
        self.answer_packet(to, frame, build::tcp_reset);
    }

    /// Sends the router's answer to the packet in `frame` back to where that came from.
    fn answer_packet(&mut self, to: PortId, frame: &[u8], write: impl FnOnce(&[u8], &mut [u8]) -> Option<usize>) {
        let Some(about) = Ethernet::parse(frame) else { return };
        let source = match (to, self.stations.uplink(to)) {
            (PortId::Eni(eni), _) => self.tables.router_mac(eni),
            (_, Some(uplink)) => uplink.mac,
            (_, None) => return,
        };
        let mut answer = std::mem::take(&mut self.scratch);
        Ethernet { destination: about.source, source, ..about }.emit(&mut answer);
        if let Some(length) = write(&frame[ETHERNET_LEN..], &mut answer[ETHERNET_LEN..]) {
            self.answer(to, &answer[..ETHERNET_LEN + length]);
        }
        self.scratch = answer;
    }

    /// Sends a frame of the engine's own.
    pub(super) fn answer(&mut self, to: PortId, frame: &[u8]) {
        if let Some(Connected { port: Some(port), counters, .. }) = self.connected_mut(to) {
            match port.send(&VnetHeader::default(), frame) {
                true => counters.answers += 1,
                false => counters.drops.count(LinkDrop::SendQueueFull.into(), 1),
            }
        }
    }

    /// Sends a batch in order, consecutive frames to the same port at once.
    fn send_batch(&mut self, batch: &mut FrameBatch) {
        let fates = std::mem::take(&mut self.fates);
        let mut index = 0;
        while let Some(fate) = fates.get(index) {
            let run = match fate {
                Fate::Send { to, .. } => self.send_run(*to, &fates[index..], index, batch),
                _ => 0,
            };
            if run == 0
                && let Some((header, frame)) = batch.frame_mut(index)
            {
                self.send(*fate, header, frame);
            }
            index += run.max(1);
        }
        self.fates = fates;
    }

    /// Sends those of the first of `fates` that go to `to`, and returns how many they were.
    fn send_run(&mut self, to: PortId, fates: &[Fate], first: usize, batch: &FrameBatch) -> usize {
        let length_to = |fate: &Fate| match fate {
            Fate::Send { to: other, length } if *other == to => Some(*length),
            _ => None,
        };
        let run = fates.iter().take_while(|fate| length_to(fate).is_some()).count();
        if let Some(Connected { port: Some(port), counters, .. }) = self.connected_mut(to) {
            // Of the run and no more, however often a port asks for the next: behind the run may lie what was dropped.
            let frames = fates[..run].iter().enumerate().filter_map(|(index, fate)| {
                let (header, frame) = batch.frame(first + index)?;
                Some((header, frame.get(..length_to(fate)?)?))
            });
            let refused = port.send_all(frames);
            counters.drops.count(LinkDrop::SendQueueFull.into(), refused);
        }
        run
    }

    fn send(&mut self, fate: Fate, header: &mut VnetHeader, frame: &mut [u8]) {
        let (to, length, mtu) = match fate {
            Fate::End | Fate::Left { .. } => return,
            Fate::Send { to, length } => (to, length, None),
            Fate::Cut { to, length, mtu } => (to, length, Some(mtu)),
        };
        let Some(frame) = frame.get_mut(..length) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        if let Some(Connected { port: Some(port), counters, .. }) = self.connected_mut(to) {
            let mut send = |header: &VnetHeader, frame: &[u8]| {
                if !port.send(header, frame) {
                    counters.drops.count(LinkDrop::SendQueueFull.into(), 1);
                }
            };
            match mtu {
                None => send(header, frame),
                Some(mtu) => cut::send_in_pieces(header, frame, mtu, &mut scratch, &mut send),
            }
        }
        self.scratch = scratch;
    }

    fn count_drop(&mut self, port: PortId, reason: impl Into<DropReason>, packets: u64) {
        if let Some(connected) = self.connected_mut(port) {
            connected.counters.drops.count(reason.into(), packets);
        }
    }

    pub(super) fn is_connected(&self, eni: EniIndex) -> bool {
        self.enis.get(eni.0 as usize).and_then(Option::as_ref).is_some_and(|connected| connected.port.is_some())
    }

    pub(super) fn connected_mut(&mut self, port: PortId) -> Option<&mut Connected<P>> {
        connected_mut(&mut self.enis, &mut self.stations, port)
    }
}

pub(super) fn connected_mut<'a, P>(
    enis: &'a mut [Option<Box<Connected<P>>>],
    stations: &'a mut Stations<P>,
    port: PortId,
) -> Option<&'a mut Connected<P>> {
    let station = match port {
        PortId::Eni(eni) => return enis.get_mut(eni.0 as usize)?.as_deref_mut(),
        PortId::Uplink => &mut stations.internet,
        PortId::Services => &mut stations.services,
    };
    station.as_mut().map(|(_, connected)| connected)
}

impl<P> Stations<P> {
    /// What the engine is on the link of a station; none for an interface, and where nothing is connected.
    pub(super) fn uplink(&self, port: PortId) -> Option<&Uplink> {
        let station = match port {
            PortId::Eni(_) => None,
            PortId::Uplink => self.internet.as_ref(),
            PortId::Services => self.services.as_ref(),
        };
        station.map(|(uplink, _)| uplink)
    }

    fn connect(station: &mut Option<(Uplink, Connected<P>)>, uplink: Uplink, port: P) {
        let counters = station.take().map(|(_, connected)| connected.counters).unwrap_or_default();
        *station = Some((uplink, Connected::new(Some(port), counters)));
    }
}

impl<P> Default for Stations<P> {
    fn default() -> Self {
        Self { internet: None, services: None }
    }
}

impl Port for PacketSocket {
    fn send(&mut self, header: &VnetHeader, frame: &[u8]) -> bool {
        PacketSocket::send(self, header, frame).is_ok()
    }

    fn send_all<'a>(&mut self, frames: impl Iterator<Item = (&'a VnetHeader, &'a [u8])>) -> u64 {
        self.send_many(frames).refused as u64
    }

    fn receive(&mut self, batch: &mut FrameBatch) {
        // An error is a link that went down or away; the socket reports it once, and its owner sees the link itself.
        let _ = PacketSocket::receive(self, batch);
    }

    fn take_overruns(&mut self) -> u64 {
        PacketSocket::take_overruns(self).map_or(0, u64::from)
    }
}

/// Whether a packet is neighbour discovery behind extension headers or in a fragment, where [`NeighborDiscovery`] does
/// not look for it, and a lenient receiver might.
fn hides_neighbor_discovery(packet: &PacketHeader) -> bool {
    packet.src.is_ipv6() && matches!(packet.transport, Transport::Icmp { kind: 133..=137, .. })
}

/// The flags of one packet as the flow log field `tcp-flags` adds them up: FIN 1, SYN 2, RST 4, and SYN with ACK 18.
fn flow_log_flags(flags: u8) -> u8 {
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;

    let opening = match (flags & SYN != 0, flags & ACK != 0) {
        (true, true) => SYN | ACK,
        (true, false) => SYN,
        _ => 0,
    };
    opening | flags & (FIN | RST)
}

/// Room for flows to begin with.
const FLOWS: usize = 4096;

/// Flows looked at by each sweep: a number, and besides the part of all that lets no flow wait long.
const SWEEP_LEAST: usize = 256;
const SWEEP_PART: usize = 64;
