//! The two clocks of the daemon: one makes the machine fit the network, one closes the windows of flow logs.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use openvpc_control::instances::{self, Observed};
use openvpc_control::{Caller, Control, Environment, interfaces, retention};
use openvpc_datapath::machine::{Outcome, Report};
use openvpc_flowlogs::FlowLogs;
use openvpc_model::{EniAttachmentId, EniId, Instance, NetworkInterface};

use super::enforcement::{Enforcement, Wake};
use super::environment;

/// How long nothing may be looked at, even when nobody says that there is work.
const AT_LEAST_EVERY: Duration = Duration::from_secs(5);
/// How often the windows of flow logs are looked at.
const FLOW_LOG_TICK: Duration = Duration::from_millis(500);

/// A thread that runs until it is stopped.
pub struct Reconciler {
    wake: Wake,
    ending: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Reconciler {
    /// Makes the machine fit the network and moves instances on by what came of it: at once, so that what is said to run
    /// does when this returns, and then on a thread whenever there is reason to.
    pub fn start(control: Arc<Control>, enforcement: Enforcement) -> Self {
        let wake = enforcement.waker().clone();
        let pruned = Cell::new(None::<Instant>);
        let reconcile = move || {
            for report in enforcement.reconcile(&control.snapshot()) {
                move_on(&control, &report);
            }
            let gone = enforcement.machine(|machine| machine.gone_outside()).unwrap_or_default();
            for (eni, attachment) in gone {
                take_back(&control, eni, attachment);
            }
            // It looks through all that could be old, which isn't for every commit.
            if pruned.get().is_none_or(|last| last.elapsed() >= AT_LEAST_EVERY) {
                prune(&control);
                pruned.set(Some(Instant::now()));
            }
        };
        reconcile();
        wake.wake();
        Self::run(wake, AT_LEAST_EVERY, reconcile)
    }

    /// Ends the thread, when what it is doing is done.
    pub fn stop(self) {
        self.ending.store(true, Ordering::Release);
        self.wake.wake();
        if self.thread.join().is_err() {
            tracing::error!("a thread of the daemon had panicked");
        }
    }

    fn run(wake: Wake, at_least_every: Duration, work: impl Fn() + Send + 'static) -> Self {
        let ending = Arc::new(AtomicBool::new(false));
        let (waiting, told) = (wake.clone(), Arc::clone(&ending));
        let thread = std::thread::spawn(move || {
            loop {
                waiting.wait(at_least_every);
                if told.load(Ordering::Acquire) {
                    return;
                }
                work();
            }
        });
        Self { wake, ending, thread }
    }
}

/// Starts the thread that closes the windows of flow logs and delivers them.
pub fn tick_flow_logs(flow_logs: FlowLogs) -> Reconciler {
    Reconciler::run(Wake::default(), FLOW_LOG_TICK, move || {
        for (flow_log, reason) in flow_logs.tick(environment::Machine.now()).failures {
            tracing::warn!(%flow_log, reason, "can't deliver");
        }
    })
}

fn move_on(control: &Control, report: &Report) {
    let Some(instance) = control.snapshot().get::<Instance>(&report.instance).cloned() else {
        return;
    };
    let observed = match &report.outcome {
        Outcome::Exited => Observed::Exited,
        Outcome::Failed(reason) => Observed::Failed(reason.clone()),
        Outcome::Started => Observed::Running,
        Outcome::Stopped => Observed::Stopped,
    };
    let caller = Caller { owner: instance.owner.clone() };
    if let Err(error) = control.transact(&caller, |tx| instances::report(tx, instance.id, observed)) {
        tracing::error!(instance = %instance.id, %error, "can't record what became of an instance");
    }
}

/// Frees an interface whose virtual machine or container is gone.
fn take_back(control: &Control, eni: EniId, attachment: EniAttachmentId) {
    let Some(owner) = control.snapshot().get::<NetworkInterface>(&eni).map(|eni| eni.owner.clone()) else { return };
    if let Err(error) = control.transact(&Caller { owner }, |tx| interfaces::detach_outside(tx, eni, attachment)) {
        tracing::error!(%eni, %error, "can't free an interface");
    }
}

/// Forgets what was shown for long enough after it went.
fn prune(control: &Control) {
    // The owner only says where new things would go; nothing is made here.
    let Some(owner) = control.snapshot().regions.keys().next().cloned() else { return };
    let pruned = control.transact(&Caller { owner }, |tx| {
        retention::prune(tx);
        Ok(())
    });
    if let Err(error) = pruned {
        tracing::error!(%error, "can't forget what is old");
    }
}
