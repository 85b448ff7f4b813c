//! The link-local services: their sockets, bound in their namespace, and the servers behind them.

use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use openvpc_control::{Caller, Control, sessions};
use openvpc_gateways::dns::Resolver;
use openvpc_gateways::metadata::{self, Credentials, Metadata};
use openvpc_gateways::services::{RESOLVER_IN_VPC, Sockets};
use openvpc_gateways::time;
use openvpc_model::{IamName, Instance, InstanceId, Role, Service, UnixMillis};

use super::enforcement::Enforcement;
use super::names;
use crate::cli::Failure;

/// Starts the servers; there are none where nothing is forwarded.
pub fn serve(enforcement: &Enforcement, control: &Arc<Control>, resolver: &Arc<Resolver>) -> Result<(), Failure> {
    let Some(namespace) = enforcement.machine(|machine| machine.services()).flatten() else {
        return Ok(());
    };
    let bound = namespace.within(Bound::all).map_err(|error| Failure::new(error.to_string()))?;
    let bound = bound.map_err(|error| Failure::new(format!("the link-local services can't listen: {error}")))?;
    names::serve_vpcs(resolver, enforcement, bound.resolver)?;

    let mut key = [0; 32];
    rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Failure::new(format!("the machine gives no random numbers: {error}")))?;
    let metadata = Metadata::new(names::askers(enforcement), Arc::new(MetadataHost(Arc::clone(control))), key);
    for listener in bound.metadata {
        tokio::spawn(metadata::serve(listener, metadata.clone()));
    }
    for socket in bound.time {
        tokio::spawn(time::serve(socket));
    }
    Ok(())
}

/// The sockets of all services.
struct Bound {
    metadata: Vec<TcpListener>,
    resolver: Vec<Sockets>,
    time: Vec<UdpSocket>,
}

impl Bound {
    /// In the namespace of the calling thread.
    fn all() -> io::Result<Self> {
        let addresses = |service: Service| [IpAddr::from(service.ipv4()), service.ipv6().into()];
        let resolver = addresses(Service::Resolver).into_iter().chain([RESOLVER_IN_VPC.into()]);
        let resolver = resolver.map(|address| {
            let (udp, tcp) = (UdpSocket::bind((address, names::PORT))?, TcpListener::bind((address, names::PORT))?);
            udp.set_nonblocking(true)?;
            tcp.set_nonblocking(true)?;
            Ok(Sockets { address, udp, tcp })
        });
        Ok(Self {
            metadata: addresses(Service::Metadata)
                .map(|address| TcpListener::bind((address, HTTP)))
                .into_iter()
                .collect::<Result<_, _>>()?,
            resolver: resolver.collect::<io::Result<_>>()?,
            time: addresses(Service::Time)
                .map(|address| UdpSocket::bind((address, NTP)))
                .into_iter()
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The daemon as the metadata service sees it.
struct MetadataHost(Arc<Control>);

impl metadata::Host for MetadataHost {
    fn now(&self) -> UnixMillis {
        self.0.now()
    }

    fn credentials(&self, instance: InstanceId, role: &IamName) -> Option<Credentials> {
        let network = self.0.snapshot();
        let instance = network.get::<Instance>(&instance)?;
        network.get::<Role>(role)?;
        let caller = Caller { owner: instance.owner.clone() };
        let key = self.0.transact(&caller, |tx| sessions::of_instance(tx, instance.id, role)).ok()?;
        let session = key.session?;
        Some(Credentials {
            access_key: key.id,
            secret: key.secret,
            token: session.token,
            made_at: key.created_at,
            expires_at: session.expires_at,
        })
    }
}

const HTTP: u16 = 80;
const NTP: u16 = 123;
