//! Runs a lab against a daemon and checks every expectation.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ipnet::IpNet;
use openvpc_api::client::{self, ClientError};
use openvpc_datapath::sandbox::PROGRAM;
use serde_json::{Value, json};

use super::awscli;
use super::names::{Names, at_path};
use super::story::{Call, FlowQuestion, How, Probe, Split, Step, Story};
use crate::cli::{Client, Failure, Paint, Target, flows, told_way};
use crate::toolbox::{Outcome, Report};

/// How long a call with `until`, or a probe that must be answered, may take to come true.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a probe that must not be answered waits for the answer that mustn't come.
const SILENCE: Duration = Duration::from_millis(700);
/// The addresses of the lab internet's host.
const INTERNET_IPV4: &str = "198.51.100.10";
const INTERNET_IPV6: &str = "2001:db8:ffff::10";

/// Tells the reader a line, unless only the outcome is wanted.
macro_rules! tell {
    ($runner:expr, $($text:tt)*) => {
        if !$runner.json {
            println!($($text)*);
        }
    };
}

/// Runs a lab and takes down what it made, unless that is to be kept; the exit status is 1 when anything differed from what
/// it says.
pub fn run(target: &Target, story: &Story, keep: bool, json: bool) -> Result<ExitCode, Failure> {
    let mut runner = Runner {
        client: Client::new(target),
        target: target.clone(),
        names: Names::default(),
        paint: Paint::stdout(),
        json,
        differences: Vec::new(),
        checks: 0,
    };
    tell!(runner, "{}\n\n{}", runner.paint.bold(&story.title), story.about.trim_end());
    let told = story.steps.iter().try_for_each(|step| runner.step(step));
    let cleaned = if keep { Ok(()) } else { runner.clean_up(story) };
    told.and(cleaned)?;
    Ok(runner.conclude())
}

/// A lab under way.
struct Runner {
    client: Client,
    target: Target,
    names: Names,
    paint: Paint,
    json: bool,
    differences: Vec<String>,
    checks: usize,
}

impl Runner {
    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Say(text) => {
                tell!(self, "\n{}", self.fill(text)?.trim_end());
                Ok(())
            }
            Step::Call(call) => self.call(call),
            Step::Split(split) => self.split(split),
            Step::Bucket(name) => {
                tell!(self, "{} {}", self.paint.dim("$"), self.paint.cyan(&format!("aws s3 mb s3://{name}")));
                self.client.create_bucket(name)
            }
            Step::Probe(probe) => self.probe(probe),
            Step::Flows(question) => self.flows(question),
        }
    }

    /// Takes down what there is. A lab that broke off made only some of it, so that a name may be missing.
    fn clean_up(&mut self, story: &Story) -> Result<(), Failure> {
        tell!(self, "\n{}", self.paint.dim("Taking it down again."));
        let mut first_failure = Ok(());
        for call in &story.cleanup {
            if self.names.fill_all(&call.with).is_ok() {
                let done = self.call(call);
                first_failure = first_failure.and(done);
            }
        }
        first_failure
    }

    fn split(&mut self, split: &Split) -> Result<(), Failure> {
        let block = self.fill(&split.block)?;
        let net: IpNet = block.parse().map_err(|error| broken(&block, &format!("it is no block: {error}")))?;
        let parts = net.subnets(split.into).map_err(|error| broken(&block, &error.to_string()))?;
        for (name, part) in split.save.iter().zip(parts) {
            tell!(self, "{}", self.paint.dim(&format!("  {name} = {part}")));
            self.names.save(name, part.to_string());
        }
        Ok(())
    }

    fn call(&mut self, call: &Call) -> Result<(), Failure> {
        let mut parameters = self.names.fill_all(&call.with).map_err(|error| broken(&call.action, &error))?;
        tell!(self, "{} {}", self.paint.dim("$"), self.paint.cyan(&awscli::command(&call.action, &parameters)));
        // The aws CLI encodes user data itself; over the wire it is base64.
        if let Some(Value::String(text)) = parameters.get_mut("UserData") {
            *text = BASE64.encode(text.as_bytes());
        }
        let body = client::encode(&call.action, &parameters).map_err(|error| broken(&call.action, &error.to_string()))?;
        let started = Instant::now();
        loop {
            let answer = match client::decode(&call.action, &self.client.ec2(&body)?) {
                Ok(answer) => answer,
                Err(ClientError::Refused { code, message }) => return self.call_refused(call, &code, &message),
                Err(error) => return Err(broken(&call.action, &error.to_string())),
            };
            let here = call.until.as_ref().is_none_or(|until| at_path(&answer, &until.path).as_deref() == Some(&*until.equals));
            if here {
                return self.call_answered(call, &answer);
            }
            if started.elapsed() > PATIENCE {
                return Err(broken(&call.action, &format!("it didn't become {:?} in time: {answer}", call.until)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn call_answered(&mut self, call: &Call, answer: &Value) -> Result<(), Failure> {
        if let Some(code) = &call.fails {
            self.check(false, || format!("{} succeeded, but {code} was expected", call.action));
        }
        for (name, path) in &call.save {
            let path = self.fill(path)?;
            let value =
                at_path(answer, &path).ok_or_else(|| broken(&call.action, &format!("the answer has no {path}: {answer}")))?;
            tell!(self, "{}", self.paint.dim(&format!("  {name} = {value}")));
            self.names.save(name, value);
        }
        Ok(())
    }

    fn call_refused(&mut self, call: &Call, code: &str, message: &str) -> Result<(), Failure> {
        let Some(expected) = &call.fails else {
            return Err(broken(&call.action, &format!("{code}: {message}")));
        };
        tell!(self, "  {} {message}", self.paint.red(code));
        self.check(expected == code, || format!("{} failed with {code}, but {expected} was expected", call.action));
        Ok(())
    }

    fn probe(&mut self, probe: &Probe) -> Result<(), Failure> {
        let from = self.fill(&probe.from)?;
        let to = self.fill(&probe.to)?;
        let answer = probe.answer.as_deref().map(|text| self.fill(text)).transpose()?;
        let report = self.send(probe, &from, &to)?;
        let right = report.outcome == probe.expect && answer.as_ref().is_none_or(|text| report.detail.contains(text));
        let mark = if right { self.paint.green("✓") } else { self.paint.red("✗") };
        tell!(self, "\n{mark} {}", self.paint.bold(&probe.what));
        let outcome = match report.outcome {
            Outcome::Answered => self.paint.green("answered"),
            Outcome::Refused => self.paint.red("refused by the host"),
            Outcome::NoAnswer => self.paint.red("no answer"),
            Outcome::Unreachable => self.paint.red("unreachable"),
        };
        tell!(self, "  {outcome}  {}", self.paint.dim(&report.detail));
        self.check(right, || {
            let Probe { what, expect, .. } = probe;
            let wanted = answer.as_deref().unwrap_or_default();
            format!("{what}: expected {expect:?} {wanted:?}, but it was {:?} ({})", report.outcome, report.detail)
        });
        self.explain(probe, &from, &to)
    }

    /// Runs the probe. One that must be answered is repeated until it is, because a server may still be starting.
    fn send(&self, probe: &Probe, from: &str, to: &str) -> Result<Report, Failure> {
        let (tool, port) = match (probe.how, probe.port) {
            (How::Ping, _) => ("ping", None),
            (How::Fetch, port) => ("fetch", Some(port.unwrap_or(80))),
            (How::Tcp, Some(port)) => ("tcp", Some(port)),
            (How::Udp, Some(port)) => ("udp", Some(port)),
            (_, None) => return Err(broken(&probe.what, "it names no port")),
        };
        let executable =
            std::env::current_exe().map_err(|error| Failure::new(format!("this program can't be found: {error}")))?;
        let answered = probe.expect == Outcome::Answered;
        let patience = if answered { Duration::from_secs(2) } else { SILENCE };
        let started = Instant::now();
        loop {
            let mut command = Command::new(&executable);
            command.args(["exec", "--endpoint", &self.target.endpoint, "--region", &self.target.region]);
            command.args(["--account", self.target.account(), from, "--", PROGRAM]);
            command.args(["toolbox", tool, to, "--timeout", &patience.as_millis().to_string()]);
            match (tool, port) {
                ("fetch", Some(port)) => command.args(["--port", &port.to_string()]),
                (_, Some(port)) => command.arg(port.to_string()),
                (_, None) => &mut command,
            };
            let output = command.output().map_err(|error| Failure::new(format!("{}: {error}", executable.display())))?;
            let report: Report = serde_json::from_slice(&output.stdout).map_err(|_| {
                broken(&probe.what, &format!("it couldn't be tried: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
            })?;
            if !answered || report.outcome == Outcome::Answered || started.elapsed() > PATIENCE {
                return Ok(report);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn explain(&mut self, probe: &Probe, from: &str, to: &str) -> Result<(), Failure> {
        let ipv6 = to.contains(':');
        let from = match from {
            "internet" if ipv6 => INTERNET_IPV6,
            "internet" => INTERNET_IPV4,
            instance => instance,
        };
        let protocol = match probe.how {
            How::Ping if ipv6 => "icmpv6",
            How::Ping => "icmp",
            How::Udp => "udp",
            How::Fetch | How::Tcp => "tcp",
        };
        let port = if probe.how == How::Fetch { probe.port.or(Some(80)) } else { probe.port };
        let answer = self.client.post("explain", &json!({ "from": from, "to": to, "protocol": protocol, "port": port }))?;
        for way in ["forward", "return"] {
            if !answer[way]["hops"].as_array().is_none_or(Vec::is_empty) {
                tell!(self, "  {}", self.paint.dim(way));
                tell!(self, "{}", self.names.annotate(&told_way(&answer[way], self.paint)).trim_end());
            }
        }
        let arrives = matches!(probe.expect, Outcome::Answered | Outcome::Refused);
        self.check(answer["reachable"] == arrives, || format!("{}: the explanation says the opposite: {answer}", probe.what));
        let Some(why) = &probe.why else {
            return Ok(());
        };
        let resource = why.resource.as_ref().map(|text| self.fill(text)).transpose()?;
        let named = answer[why.way.as_str()]["blockers"].as_array().into_iter().flatten().any(|blocker| {
            blocker["code"] == *why.code
                && resource.as_ref().is_none_or(|id| blocker["resource_id"] == **id)
                && why.rule.as_ref().is_none_or(|rule| blocker["rule"] == **rule)
        });
        self.check(named, || format!("{}: {why:?} should stop it, but the explanation is {answer}", probe.what));
        Ok(())
    }

    fn flows(&mut self, question: &FlowQuestion) -> Result<(), Failure> {
        self.client.post("flows/flush", &Value::Null)?;
        let sql = self.fill(&question.sql)?;
        tell!(
            self,
            "\n{}\n{} {}",
            self.paint.bold(&question.ask),
            self.paint.dim("$"),
            self.paint.cyan(&format!("openvpc flows query \"{sql}\""))
        );
        let answer = flows::ask(&self.client, &sql)?;
        tell!(self, "{}", flows::table(&answer).trim_end());
        let found = flows::texts(&answer);
        if let Some(expected) = &question.rows {
            let mut wanted = Vec::new();
            for row in expected {
                wanted.push(row.iter().map(|cell| self.fill(cell)).collect::<Result<Vec<_>, _>>()?);
            }
            self.check(found == wanted, || format!("{}: expected {wanted:?}, but the rows are {found:?}", question.ask));
        }
        if let Some(least) = question.at_least {
            let count = found.len();
            self.check(count >= least, || format!("{}: expected at least {least} rows, but there are {count}", question.ask));
        }
        Ok(())
    }

    fn check(&mut self, right: bool, difference: impl FnOnce() -> String) {
        self.checks += 1;
        if !right {
            let difference = difference();
            tell!(self, "  {} {difference}", self.paint.red("differs:"));
            self.differences.push(difference);
        }
    }

    fn fill(&self, text: &str) -> Result<String, Failure> {
        self.names.fill(text).map_err(|error| broken("the lab", &error))
    }

    fn conclude(&self) -> ExitCode {
        let right = self.differences.is_empty();
        if self.json {
            println!("{}", json!({ "passed": right, "checks": self.checks, "differences": self.differences }));
        } else if right {
            println!("\n{}", self.paint.green(&format!("Everything is as the story says ({} checks).", self.checks)));
        } else {
            let count = format!("{} of {} checks differ from the story:", self.differences.len(), self.checks);
            println!("\n{}", self.paint.red(&count));
            self.differences.iter().for_each(|difference| println!("  {difference}"));
        }
        if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn broken(step: &str, error: &str) -> Failure {
    Failure::new(format!("{step}: {error}")).with_status(2)
}
