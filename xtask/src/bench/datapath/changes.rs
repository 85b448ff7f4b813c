//! Rules that are authorized and revoked while load runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::bench::load::{Client, Figures};
use crate::bench::signature;

/// Changes of a group in a thread of their own.
pub struct Changes {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Figures, String>>,
}

impl Changes {
    /// Changes a group again and again until it is stopped, by the rule of that port.
    pub fn every(interval: Duration, address: SocketAddr, group: &str, port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, group) = (Arc::clone(&stop), group.to_owned());
        let thread = std::thread::spawn(move || {
            let mut client = Client::new(address);
            let mut figures = Figures::default();
            let begin = Instant::now();
            for number in 0.. {
                // At its end the group is as it was.
                if number % 2 == 0 && flag.load(Ordering::Relaxed) {
                    break;
                }
                figures.latencies.push(change(&mut client, &group, port, number)?);
                // One that took longer than its turn makes the next ones no faster.
                std::thread::sleep((interval * (number + 1)).saturating_sub(begin.elapsed()));
            }
            figures.elapsed = begin.elapsed();
            Ok(figures)
        });
        Self { stop, thread }
    }

    /// Ends them; gives how long each took from the call to the answer.
    pub fn stop(self) -> Result<Figures, String> {
        self.stop.store(true, Ordering::Relaxed);
        // The thread can't panic.
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Authorizes the rule of a port, or revokes it the next time; how long that took.
pub fn change(client: &mut Client, group: &str, port: u16, number: u32) -> Result<Duration, String> {
    let action = if number.is_multiple_of(2) { "Authorize" } else { "Revoke" };
    let rule = format!(
        "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort={port}&IpPermissions.1.ToPort={port}\
         &IpPermissions.1.IpRanges.1.CidrIp=198.51.100.0%2F24"
    );
    let body = format!("Action={action}SecurityGroupIngress&Version=2016-11-15&GroupId={group}&{rule}");
    let request = signature::post(&client.host(), &body);
    let begin = Instant::now();
    let answer = client.ask(&request)?;
    let took = begin.elapsed();
    if answer.status == 200 { Ok(took) } else { Err(String::from_utf8_lossy(answer.body).into_owned()) }
}
