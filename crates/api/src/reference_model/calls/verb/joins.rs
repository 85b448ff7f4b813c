//! Peerings, endpoints and tags.

use super::*;

pub fn CreateVpcPeeringConnection(m: &Model, s: &Step) -> Call {
    let (vpc, who) = (m.a_vpc(s), s.who);
    let peer = pick(&m.vpcs, s.b, |_| true, "vpc");
    let other = m.vpc_owner(&peer).unwrap_or(s.who);
    let (account, region) = CALLERS[other];
    let parameters =
        vec![("VpcId", vpc.clone()), ("PeerVpcId", peer.clone()), ("PeerOwnerId", account.into()), ("PeerRegion", region.into())];
    let joins = |p: &&Peering| {
        p.state != PeeringState::Ended && [&p.requester.1, &p.accepter.1].iter().all(|x| **x == vpc || **x == peer)
    };
    let living = m.peerings.values().find(joins);
    let same = living.is_some_and(|p| p.state == PeeringState::Pending && p.requester.1 == vpc);
    let own = m.owns_vpc(&vpc, s.who);
    let overlap = m.overlap(&vpc, &peer);
    Call::new("CreateVpcPeeringConnection", parameters)
        .refused_if(!own || !m.vpcs.contains_key(&peer), VPC)
        .refused_if(vpc == peer, &["InvalidParameterValue"])
        .refused_if(own && vpc != peer && living.is_some() && !same, &["VpcPeeringConnectionAlreadyExists"])
        .perhaps_refused_if(same, &["VpcPeeringConnectionAlreadyExists"])
        .then(move |m, answer, _| {
            let peering = &answer["VpcPeeringConnection"];
            let state = if overlap { PeeringState::Ended } else { PeeringState::Pending };
            assert_eq!(peering["Status"]["Code"] == "failed", overlap && !same, "{peering}");
            m.peerings.entry(texts(&peering["VpcPeeringConnectionId"])).or_insert(Peering {
                requester: (who, vpc),
                accepter: (other, peer),
                state,
            });
        })
}

/// What speaks against the accepter's answer to a request.
pub fn answer(m: &Model, s: &Step, action: &'static str) -> (Call, Id) {
    let waits = |p: &Peering| p.accepter.0 == s.who && p.state == PeeringState::Pending;
    let id = if s.b.is_multiple_of(4) { m.a_peering(s.a, s.who) } else { pick(&m.peerings, s.a, waits, "pcx") };
    let peering = m.peerings.get(&id);
    let account = |who: Who| CALLERS[who].0 == CALLERS[s.who].0;
    let party = peering.is_some_and(|p| p.requester.0 == s.who || p.accepter.0 == s.who);
    // Whether an ended one is still shown, and to whom, takes the clock.
    let ended = peering.is_some_and(|p| p.state == PeeringState::Ended);
    let call = Call::new(action, vec![("VpcPeeringConnectionId", id.clone())])
        .refused_if(!party, PEERING)
        .perhaps_refused_if(
            !party && peering.is_some_and(|p| account(p.accepter.0) || account(p.requester.0)),
            &["OperationNotPermitted", "InvalidStateTransition"],
        )
        .refused_if(party && peering.is_some_and(|p| p.accepter.0 != s.who), &["OperationNotPermitted"])
        .refused_if(party && peering.is_some_and(|p| p.state != PeeringState::Pending), &["InvalidStateTransition"])
        .perhaps_refused_if(ended, PEERING);
    (call, id)
}

pub fn AcceptVpcPeeringConnection(m: &Model, s: &Step) -> Call {
    let (call, id) = answer(m, s, "AcceptVpcPeeringConnection");
    call.then(move |m, _, _| {
        let (one, other) = (m.peerings[&id].requester.1.clone(), m.peerings[&id].accepter.1.clone());
        let fails = m.overlap(&one, &other);
        m.peerings.get_mut(&id).unwrap().state = if fails { PeeringState::Ended } else { PeeringState::Active };
    })
}

pub fn RejectVpcPeeringConnection(m: &Model, s: &Step) -> Call {
    let (call, id) = answer(m, s, "RejectVpcPeeringConnection");
    call.then(move |m, _, _| m.peerings.get_mut(&id).unwrap().state = PeeringState::Ended)
}

pub fn DeleteVpcPeeringConnection(m: &Model, s: &Step) -> Call {
    let id = m.a_peering(s.a, s.who);
    let peering = m.peerings.get(&id);
    let party = peering.is_some_and(|p| p.requester.0 == s.who || p.accepter.0 == s.who);
    let ended = peering.is_some_and(|p| p.state == PeeringState::Ended);
    let request = peering.is_some_and(|p| p.state == PeeringState::Pending && CALLERS[p.requester.0].0 != CALLERS[s.who].0);
    Call::new("DeleteVpcPeeringConnection", vec![("VpcPeeringConnectionId", id.clone())])
        .refused_if(!party, PEERING)
        .refused_if(party && ended, &["InvalidStateTransition", "InvalidVpcPeeringConnectionID.NotFound"])
        .refused_if(party && request, &["OperationNotPermitted", "InvalidStateTransition"])
        .then(move |m, _, _| m.peerings.get_mut(&id).unwrap().state = PeeringState::Ended)
}

pub fn CreateVpcEndpoint(m: &Model, s: &Step) -> Call {
    let vpc = m.a_vpc(s);
    let table = (!s.b.is_multiple_of(4)).then(|| m.a_table(s.b, s.who));
    let mut parameters = vec![("VpcId", vpc.clone()), ("ServiceName", format!("com.amazonaws.{}.s3", CALLERS[s.who].1))];
    parameters.extend(table.iter().map(|table| ("RouteTableId.1", table.clone())));
    let its = table.as_ref().map(|table| m.table(table, s.who).map(|table| &table.vpc));
    let taken = table.as_ref().is_some_and(|table| m.endpoints.values().any(|endpoint| endpoint.tables.contains(table)));
    Call::new("CreateVpcEndpoint", parameters)
        .refused_if(!m.owns_vpc(&vpc, s.who), VPC)
        .refused_if(its.is_some_and(|its| its.is_none()), TABLE)
        .refused_if(its.flatten().is_some_and(|its| *its != vpc), ELSEWHERE)
        .perhaps_refused_if(its.flatten().is_some_and(|its| *its != vpc), TABLE)
        .refused_if(taken, &["RouteAlreadyExists"])
        .then(move |m, answer, _| {
            let tables = table.into_iter().collect();
            m.endpoints.insert(texts(&answer["VpcEndpoint"]["VpcEndpointId"]), Endpoint { vpc, tables });
        })
}

pub fn ModifyVpcEndpoint(m: &Model, s: &Step) -> Call {
    let (id, table) = (m.an_endpoint(s.a, s.who), m.a_table(s.b, s.who));
    let endpoint = m.endpoints.get(&id).filter(|endpoint| m.owns_vpc(&endpoint.vpc, s.who));
    let there = endpoint.is_some_and(|endpoint| endpoint.tables.contains(&table));
    let parameter = if there { "RemoveRouteTableId.1" } else { "AddRouteTableId.1" };
    let its = m.table(&table, s.who).map(|table| &table.vpc);
    let taken = m.endpoints.iter().any(|(other, x)| *other != id && x.tables.contains(&table));
    Call::new("ModifyVpcEndpoint", vec![("VpcEndpointId", id.clone()), (parameter, table.clone())])
        .refused_if(endpoint.is_none(), &["InvalidVpcEndpointId.NotFound"])
        .refused_if(its.is_none(), TABLE)
        .refused_if(its.is_some_and(|its| endpoint.is_some_and(|endpoint| *its != endpoint.vpc)), ELSEWHERE)
        .perhaps_refused_if(its.is_some_and(|its| endpoint.is_some_and(|endpoint| *its != endpoint.vpc)), TABLE)
        .refused_if(its.is_some() && taken, &["RouteAlreadyExists"])
        .then(move |m, _, _| {
            let tables = &mut m.endpoints.get_mut(&id).unwrap().tables;
            if !tables.remove(&table) {
                tables.insert(table);
            }
        })
}

pub fn DeleteVpcEndpoints(m: &Model, s: &Step) -> Call {
    let id = m.an_endpoint(s.a, s.who);
    let own = m.endpoints.get(&id).is_some_and(|endpoint| m.owns_vpc(&endpoint.vpc, s.who));
    Call::new("DeleteVpcEndpoints", vec![("VpcEndpointId.1", id.clone())])
        // The list of what didn't work has a spelling of its own at AWS.
        .refused_if(!own, &["InvalidVpcEndpoint.NotFound", "InvalidVpcEndpointId.NotFound"])
        .then(move |m, _, _| {
            m.endpoints.remove(&id);
        })
}

/// Something that shows its tags, whether the caller has it, and the code when not.
pub fn taggable(m: &Model, s: &Step) -> (Id, bool, &'static [&'static str]) {
    match s.a % 5 {
        0 => {
            let id = m.an_igw(s.b, s.who);
            let own = m.igws.get(&id).is_some_and(|gateway| gateway.owner == s.who);
            (id, own, IGW)
        }
        1 => {
            let id = m.a_subnet(s.b, s.who);
            let own = m.subnet_vpc(&id, s.who).is_some();
            (id, own, SUBNET)
        }
        2 => {
            let id = m.a_table(s.b, s.who);
            let own = m.table(&id, s.who).is_some();
            (id, own, TABLE)
        }
        3 => {
            let id = m.a_group(s.b, s.who);
            let own = m.group(&id, s.who).is_some();
            (id, own, GROUP)
        }
        _ => {
            let id = pick(&m.vpcs, s.b, |vpc| vpc.owner == s.who, "vpc");
            let own = m.owns_vpc(&id, s.who);
            (id, own, VPC)
        }
    }
}

pub fn CreateTags(m: &Model, s: &Step) -> Call {
    let (id, own, code) = taggable(m, s);
    let (key, value) = (["Name", "team"][s.c % 2], ["", "x", "y"][s.c % 3]);
    let parameters = vec![("ResourceId.1", id.clone()), ("Tag.1.Key", key.into()), ("Tag.1.Value", value.into())];
    Call::new("CreateTags", parameters).refused_if(!own, code).perhaps_refused_if(!own, &["InvalidID"]).then(move |m, _, _| {
        m.tags.entry(id).or_default().insert(key.to_owned(), value.to_owned());
    })
}

pub fn DeleteTags(m: &Model, s: &Step) -> Call {
    let (id, own, code) = taggable(m, s);
    let key = ["Name", "team"][s.c % 2];
    Call::new("DeleteTags", vec![("ResourceId.1", id.clone()), ("Tag.1.Key", key.into())])
        .refused_if(!own, code)
        .perhaps_refused_if(!own, &["InvalidID"])
        .then(move |m, _, _| {
            m.tags.entry(id).or_default().remove(key);
        })
}
