//! A stand-in for a virtual machine: frames go from one TAP to another as they are, super-packets whole.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;

use openvpc_datapath::machine::TAP_DESCRIPTOR;
use openvpc_datapath::namespace::NetNs;
use openvpc_datapath::tap;

/// Copies in both directions until one TAP is gone.
pub fn splice(name: &str, near: &[String]) -> io::Result<()> {
    let near = match near {
        [namespace, name] => NetNs::open(Path::new(namespace))
            .and_then(|namespace| namespace.within(|| tap::open_here(name, false)))
            .map_err(io::Error::other)??,
        _ => tap::inherited(TAP_DESCRIPTOR)?,
    };
    let far = tap::open_here(name, false)?;
    tap::take_all_offloads(near.as_fd())?;
    tap::take_all_offloads(far.as_fd())?;
    println!("ready");
    io::stdout().flush()?;
    thread::scope(|scope| {
        scope.spawn(|| end(&tap::copy(&near, &far)));
        end(&tap::copy(&far, &near));
    });
    Ok(())
}

/// Ends the process: the other direction waits for a frame that may never come.
fn end(reason: &io::Error) {
    eprintln!("openvpc toolbox: {reason}");
    std::process::exit(1);
}
