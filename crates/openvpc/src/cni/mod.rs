//! `openvpc-cni`: network interfaces of a VPC for containers, as a plugin of the Container Network Interface, versions 0.3.0 to
//! 1.1.0 of its specification.
//!
//! The plugin keeps nothing of its own. An interface that it made, or was told to take, carries tags that say for which
//! attachment it is; everything after ADD finds it by them. So DEL works when the container's namespace is long gone, when
//! it is asked for twice, and when ADD had ended half-way.

mod error;
mod request;
mod vpc;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use openvpc_datapath::machine::BindingPlace;
use openvpc_datapath::namespace::NetNs;
use openvpc_datapath::netlink::Netlink;
use serde_json::{Value, json};

use error::{CniError, Code};
use request::{Command, Config, Request};
use vpc::Vpc;

/// The versions of the specification that are spoken.
const VERSIONS: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", CURRENT];
const CURRENT: &str = "1.1.0";

/// Does what the runtime asks for in its environment and on standard input.
pub fn main() -> ExitCode {
    let variables: BTreeMap<String, String> =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    if !variables.contains_key("CNI_COMMAND") {
        eprintln!(
            "openvpc-cni {}: a CNI plugin, run by container runtimes; it speaks {}",
            env!("CARGO_PKG_VERSION"),
            VERSIONS.join(", ")
        );
        return ExitCode::FAILURE;
    }
    let mut input = String::new();
    let read =
        std::io::stdin().read_to_string(&mut input).map_err(|error| CniError::new(Code::Io, format!("standard input: {error}")));
    let parsed = read.and_then(|_| Config::parse(&input));
    let version = parsed.as_ref().ok().and_then(|config| config.version.clone()).unwrap_or_else(|| CURRENT.to_owned());
    match parsed.and_then(|config| answer(&config, &variables)) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(answer)) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{}", error.shown(&version));
            ExitCode::FAILURE
        }
    }
}

fn answer(config: &Config, variables: &BTreeMap<String, String>) -> Result<Option<Value>, CniError> {
    let command = Command::of(variables)?;
    let version = config.version.as_deref().unwrap_or("0.2.0");
    if command == Command::Version {
        return Ok(Some(json!({ "cniVersion": version, "supportedVersions": VERSIONS })));
    }
    if !VERSIONS.contains(&version) {
        return Err(CniError::new(
            Code::IncompatibleVersion,
            format!("cniVersion {version} isn't one of {}", VERSIONS.join(", ")),
        ));
    }
    let vpc = Vpc::new(config);
    match command {
        Command::Version => Ok(None),
        Command::Status => vpc.status().map(|()| None),
        Command::Gc => collect(config, &vpc).map(|()| None),
        Command::Add => add(&Request::of(config, variables)?, &vpc, version).map(Some),
        Command::Check => check(&Request::of(config, variables)?, &vpc).map(|()| None),
        Command::Del => delete(&Request::of(config, variables)?, &vpc).map(|()| None),
    }
}

/// Binds an interface to the container's namespace. What was made for it goes again when that fails.
fn add(request: &Request<'_>, vpc: &Vpc, version: &str) -> Result<Value, CniError> {
    let path = request.namespace()?;
    let namespace = NetNs::open(Path::new(path)).map_err(|error| CniError::new(Code::InvalidEnvironment, error.to_string()))?;
    for left in vpc.interfaces_of(request.config.name(), Some(&request.attachment))? {
        if left.in_use {
            let message = format!("{} is attached for this container and interface already; DEL comes first", left.id);
            return Err(CniError::new(Code::Refused, message));
        }
        vpc.release(&left)?;
    }
    let interface = vpc.claim(request)?;
    let place = vpc.place(&interface.id).and_then(|place| {
        place
            .make_veth(&namespace, &request.attachment.interface)
            .map_err(|error| CniError::new(Code::Refused, error.to_string()))?;
        vpc.attach(&interface.id).inspect_err(|_| {
            // What the daemon said counts for more than a link that is left over.
            let _ = place.remove();
        })?;
        Ok(place)
    });
    match place {
        Ok(place) => Ok(result(&place, request, path, version)),
        Err(error) => {
            // The same here: DEL, which the runtime calls after a failure, tries again.
            let _ = vpc.release(&interface);
            Err(error)
        }
    }
}

/// Takes back what the attachment has; nothing is fine too.
fn delete(request: &Request<'_>, vpc: &Vpc) -> Result<(), CniError> {
    let found = vpc.interfaces_of(request.config.name(), Some(&request.attachment))?;
    found.iter().try_for_each(|interface| vpc.release(interface))
}

/// Takes back what attachments have that the runtime doesn't know.
fn collect(config: &Config, vpc: &Vpc) -> Result<(), CniError> {
    let valid = config.valid.as_ref().ok_or_else(|| CniError::new(Code::InvalidConfig, "GC needs cni.dev/valid-attachments"))?;
    let all = vpc.interfaces_of(config.name(), None)?;
    let stale =
        all.iter().filter(|interface| !interface.attachment.as_ref().is_some_and(|attachment| valid.contains(attachment)));
    stale.into_iter().try_for_each(|interface| vpc.release(interface))
}

/// Whether the container has what ADD gave it.
fn check(request: &Request<'_>, vpc: &Vpc) -> Result<(), CniError> {
    let wrong = |what: String| CniError::new(Code::Refused, what);
    let name = &request.attachment.interface;
    let found = vpc.interfaces_of(request.config.name(), Some(&request.attachment))?;
    let [interface] = &found[..] else {
        return Err(wrong(format!("{} network interfaces are there for this container's {name}, not one", found.len())));
    };
    if !interface.in_use {
        return Err(wrong(format!("{} isn't attached any more", interface.id)));
    }
    let broken = |error: openvpc_datapath::DatapathError| wrong(error.to_string());
    let mut netlink =
        NetNs::open(Path::new(request.namespace()?)).and_then(|namespace| Netlink::open(&namespace)).map_err(broken)?;
    let link = netlink.link(name).map_err(broken)?.ok_or_else(|| wrong(format!("the container has no {name}")))?;
    if !link.up || link.mac.map(|mac| mac.to_string()) != Some(interface.mac.clone()) {
        return Err(wrong(format!("the container's {name} is down, or isn't the link of {}", interface.id)));
    }
    let present = netlink.addresses(link.index).map_err(broken)?;
    let given = request.config.previous.as_ref().and_then(|previous| previous["ips"].as_array());
    for address in given.into_iter().flatten().filter_map(|ip| ip["address"].as_str()) {
        if !present.iter().any(|have| have.to_string() == address) {
            return Err(wrong(format!("the container's {name} lacks {address}")));
        }
    }
    Ok(())
}

/// What ADD made, in the form of that version of the specification.
fn result(place: &BindingPlace, request: &Request<'_>, namespace: &str, version: &str) -> Value {
    let told: BTreeMap<_, _> = place.environment().into_iter().collect();
    let value = |name: &str| told.get(name).cloned();
    let is_old = version.starts_with("0.");
    let gateway_of = |address: &str| value(if address.contains(':') { "OPENVPC_IPV6_GATEWAY" } else { "OPENVPC_GATEWAY" });
    let addresses = value("OPENVPC_ADDRESSES").unwrap_or_default();
    let ips = addresses.split_whitespace().map(|address| {
        let mut ip = json!({ "address": address, "interface": 0 });
        if let Some(gateway) = gateway_of(address) {
            ip["gateway"] = gateway.into();
        }
        if is_old {
            ip["version"] = if address.contains(':') { "6" } else { "4" }.into();
        }
        ip
    });
    let routes = [("0.0.0.0/0", value("OPENVPC_GATEWAY")), ("::/0", value("OPENVPC_IPV6_GATEWAY"))];
    let routes = routes.into_iter().filter_map(|(to, gateway)| Some(json!({ "dst": to, "gw": gateway? })));
    let mut interface = json!({ "name": request.attachment.interface, "mac": value("OPENVPC_MAC"), "sandbox": namespace });
    if version == CURRENT {
        interface["mtu"] = value("OPENVPC_MTU").and_then(|mtu| mtu.parse::<u32>().ok()).into();
    }
    json!({
        "cniVersion": version,
        "interfaces": [interface],
        "ips": ips.collect::<Vec<_>>(),
        "routes": routes.collect::<Vec<_>>(),
        "dns": { "nameservers": place.names("nameserver"), "search": place.names("search") },
    })
}
