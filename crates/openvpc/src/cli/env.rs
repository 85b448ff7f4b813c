//! `openvpc env`: what points the AWS tools here.

use std::process::ExitCode;

use super::{Failure, Target};

/// Prints shell exports.
pub fn print(target: &Target) -> Result<ExitCode, Failure> {
    let Target { endpoint, region, .. } = target;
    for (name, value) in [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ACCESS_KEY_ID", target.account()),
        ("AWS_SECRET_ACCESS_KEY", "openvpc"),
        ("OPENVPC_ENDPOINT", endpoint),
    ] {
        println!("export {name}={}", quoted(value));
    }
    println!("unset AWS_SESSION_TOKEN AWS_PROFILE");
    Ok(ExitCode::SUCCESS)
}

/// Quoted for a POSIX shell where it needs to be.
pub fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
