//! Interfaces that virtual machines and containers have: their wires are made by whoever attaches them, and found here.

use std::collections::BTreeMap;

use openvpc_model::{EniAttachmentId, EniId, Network, NetworkInterface};
use openvpc_pipeline::{EniIndex, Tables};

use super::links;
use crate::DatapathError;
use crate::backend::Backend;
use crate::namespace::NetNs;
use crate::netlink::{Link, LinkIndex, Netlink, Wire};

/// The interfaces outside of instances, as they should be and as they are.
#[derive(Default)]
pub(super) struct Outside {
    wanted: BTreeMap<EniId, EniAttachmentId>,
    connected: BTreeMap<EniId, (EniIndex, LinkIndex)>,
    gone: Vec<(EniId, EniAttachmentId)>,
}

impl Outside {
    /// Takes notice of a network; without an older one, of all of it. Says whether anything is to be done.
    pub(super) fn note(&mut self, network: &Network, older: Option<&Network>) -> bool {
        let attachment = |eni: &NetworkInterface| eni.outside.as_ref().map(|outside| outside.id);
        let Some(older) = older else {
            let all = network.all::<NetworkInterface>();
            self.wanted = all.filter_map(|eni| Some((eni.id, attachment(eni)?))).collect();
            return !self.wanted.is_empty() || !self.connected.is_empty();
        };
        let mut changed = false;
        for id in network.enis.changed_since(&older.enis) {
            let wanted = network.enis.get(&id).and_then(|eni| attachment(eni));
            let before = match wanted {
                Some(wanted) => self.wanted.insert(id, wanted),
                None => self.wanted.remove(&id),
            };
            changed |= before != wanted;
        }
        changed
    }

    /// Whether there is any.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The names of the wires that are theirs.
    pub(super) fn wires(&self) -> impl Iterator<Item = String> + '_ {
        self.wanted.keys().map(|eni| links::wire_name(*eni))
    }

    /// Those whose wire is not there (any more).
    pub(super) fn gone(&self) -> &[(EniId, EniAttachmentId)] {
        &self.gone
    }

    /// Connects the wires that came, disconnects those that went, and removes those that are no longer wanted.
    pub(super) fn fit(
        &mut self,
        backend: &dyn Backend,
        fabric: &NetNs,
        netlink: &mut Netlink,
        tables: &Tables,
    ) -> Result<(), DatapathError> {
        if self.wanted.is_empty() && self.connected.is_empty() {
            self.gone.clear();
            return Ok(());
        }
        let wires = netlink.links()?;
        let wire_of = |eni: &EniId| wires.iter().find(|wire| wire.name == links::wire_name(*eni));
        let stays = |eni: &EniId, link: LinkIndex| wire_of(eni).is_some_and(|wire| wire.index == link);
        let wanted = &self.wanted;
        let ended: Vec<_> =
            self.connected.extract_if(.., |eni, (_, link)| !(wanted.contains_key(eni) && stays(eni, *link))).collect();
        for (eni, (index, link)) in ended {
            let removed = backend.detach(index, link).and_then(|()| match wanted.contains_key(&eni) {
                true => Ok(()),
                false => links::remove(netlink, link),
            });
            if let Err(error) = removed {
                tracing::warn!(%eni, %error, "can't take an interface back");
            }
        }
        self.gone.clear();
        for (eni, attachment) in &self.wanted {
            match (wire_of(eni), tables.eni_index(*eni)) {
                (None, _) => self.gone.push((*eni, *attachment)),
                (Some(wire), Some(index)) if !self.connected.contains_key(eni) => {
                    match backend.attach(index, fabric, Wire::from(wire)) {
                        Ok(()) => drop(self.connected.insert(*eni, (index, wire.index))),
                        Err(error) => tracing::warn!(%eni, %error, "can't connect an interface; trying again"),
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether an interface's packets pass.
    pub(super) fn is_connected(&self, eni: EniId) -> bool {
        self.connected.contains_key(&eni)
    }

    /// Takes all of them back.
    pub(super) fn close(self, backend: &dyn Backend, netlink: &mut Netlink) -> Result<(), DatapathError> {
        for (index, link) in self.connected.into_values() {
            backend.detach(index, link)?;
        }
        remove_wires(netlink)
    }
}

/// Removes all wires of a fabric that is to end. A TAP would stay there as long as the program that has it.
pub(super) fn remove_wires(netlink: &mut Netlink) -> Result<(), DatapathError> {
    let is_wire = |link: &Link| link.name != "lo";
    netlink.links()?.iter().filter(|link| is_wire(link)).try_for_each(|link| links::remove(netlink, link.index))
}
