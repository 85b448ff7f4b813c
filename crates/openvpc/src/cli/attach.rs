//! `openvpc attach` and `openvpc detach`: an interface for a virtual machine or a container.
//!
//! As for `exec`, the command line process does the work with its own rights: it makes the link in the daemon's network
//! (and puts the far end into the container's), and the daemon connects it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use openvpc_datapath::machine::BindingPlace;
use openvpc_datapath::namespace::NetNs;
use serde_json::json;

use super::client::Client;
use super::{AttachOptions, Failure, Target};

/// The exit status when the interface could not be attached, so that it isn't taken for the command's.
const NOT_ATTACHED: u8 = 125;

/// Attaches, and becomes the command if there is one.
pub fn run(target: &Target, options: &AttachOptions) -> Result<ExitCode, Failure> {
    let not_attached = |failure: Failure| failure.with_status(NOT_ATTACHED);
    let namespace = match (&options.netns, options.pid) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(pid)) => Some(PathBuf::from(format!("/proc/{pid}/ns/net"))),
        (None, None) => None,
    };
    let client = Client::new(target);
    let place = client.get(&format!("interfaces/{}/binding", options.eni)).map_err(not_attached)?;
    let place: BindingPlace = serde_json::from_value(place)
        .map_err(|error| not_attached(Failure::new(format!("the daemon's answer can't be read: {error}"))))?;
    match namespace {
        Some(path) => to_namespace(&client, options, &place, &path).map_err(not_attached),
        None => to_command(&client, options, &place).map_err(not_attached),
    }
}

/// Takes an interface back.
pub fn detach(target: &Target, eni: &str) -> Result<ExitCode, Failure> {
    Client::new(target).post(&format!("interfaces/{eni}/detach"), &json!({}))?;
    println!("detached {eni}");
    Ok(ExitCode::SUCCESS)
}

fn to_namespace(
    client: &Client,
    options: &AttachOptions,
    place: &BindingPlace,
    path: &std::path::Path,
) -> Result<ExitCode, Failure> {
    let failure = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", options.eni));
    let host = NetNs::open(path).map_err(|error| failure(&error))?;
    place.make_veth(&host, &options.name).map_err(|error| failure(&error))?;
    if let Err(refused) = client.post(&format!("interfaces/{}/attach", options.eni), &json!({})) {
        // What the daemon said counts for more than a link that is left over.
        let _ = place.remove();
        return Err(refused);
    }
    println!("attached {} as {} in {}", options.eni, options.name, path.display());
    Ok(ExitCode::SUCCESS)
}

fn to_command(client: &Client, options: &AttachOptions, place: &BindingPlace) -> Result<ExitCode, Failure> {
    let queue = place.make_tap().map_err(|error| Failure::new(format!("{}: {error}", options.eni)))?;
    client.post(&format!("interfaces/{}/attach", options.eni), &json!({}))?;
    let command: Vec<OsString> = options.command.iter().map(OsString::from).collect();
    let error = place.become_command(queue, &command);
    Err(Failure::new(format!("{}: {error}", options.command.first().map_or("", String::as_str))))
}
