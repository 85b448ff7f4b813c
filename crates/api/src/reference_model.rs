//! Random calls against a naive model of what AWS's networking does, written from the rules and not from our code: each
//! call must succeed or fail as the model says, a rehearsal (DryRun) must say the same beforehand, and what the Describes
//! show must be what the model holds.
//!
//! To look for more than a test run has time for: `REFERENCE_CASES=5000 cargo test -p openvpc-api reference_model`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod calls;
mod model;
mod shown;

use proptest::prelude::*;
use serde_json::Value;

use self::calls::{VERBS, Verb};
use self::model::Model;
use crate::Api;
use crate::testing::api;

/// Who calls: two accounts in one region, and the first of them in another.
const CALLERS: [(&str, &str); 3] = [("111111111111", "us-east-1"), ("222222222222", "us-east-1"), ("111111111111", "us-west-2")];

/// How often the whole picture is compared.
const LOOK_EVERY: usize = 5;

/// One call, with numbers that choose what it is about.
#[derive(Clone, Copy, Debug)]
struct Step {
    who: usize,
    verb: Verb,
    a: usize,
    b: usize,
    c: usize,
}

/// Where every case begins, so that the random part needn't find its way there: VPCs that can and can't be peered, subnets,
/// a way to the internet.
const PROLOGUE: &[Step] = &[
    start(0, Verb::CreateVpc, 0, 0),
    start(0, Verb::CreateVpc, 1, 0),
    start(1, Verb::CreateVpc, 2, 0),
    start(2, Verb::CreateVpc, 0, 0),
    start(0, Verb::CreateSubnet, 0, 1),
    start(0, Verb::CreateSubnet, 1, 2),
    start(1, Verb::CreateSubnet, 0, 1),
    start(0, Verb::CreateInternetGateway, 0, 0),
    start(0, Verb::AttachInternetGateway, 0, 0),
    start(0, Verb::AllocateAddress, 0, 0),
    start(0, Verb::CreateRouteTable, 0, 0),
];

const fn start(who: usize, verb: Verb, a: usize, b: usize) -> Step {
    Step { who, verb, a, b, c: 1 }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = prop_oneof![6 => Just(0usize), 2 => Just(1usize), 1 => Just(2usize)];
    let step = (who, prop::sample::select(VERBS), 0..64usize, 0..64usize, 0..64usize).prop_map(|(who, verb, a, b, c)| Step {
        who,
        verb,
        a,
        b,
        c,
    });
    prop::collection::vec(step, 1..60)
}

fn cases() -> u32 {
    std::env::var("REFERENCE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(128)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 600, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_as_the_model_says(steps in steps()) {
        play(&steps).map_err(TestCaseError::fail)?;
    }
}

/// Makes the calls; says what went otherwise than the model has it, after all calls that led there.
fn play(steps: &[Step]) -> Result<(), String> {
    let mut world = World { api: api(), model: Model::default(), story: Vec::new() };
    for (at, step) in PROLOGUE.iter().chain(steps).enumerate() {
        let outcome = world.make(step).and_then(|()| if at % LOOK_EVERY == 0 { world.look(step.who) } else { Ok(()) });
        outcome.map_err(|fault| format!("{}\n{fault}", world.story.join("\n")))?;
    }
    (0..CALLERS.len()).try_for_each(|who| world.look(who)).map_err(|fault| format!("{}\n{fault}", world.story.join("\n")))
}

struct World {
    api: Api,
    model: Model,
    story: Vec<String>,
}

impl World {
    fn make(&mut self, step: &Step) -> Result<(), String> {
        let call = self.model.call(step);
        let caller = CALLERS[step.who];
        let parameters: Vec<(&str, &str)> = call.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let text: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let ask = |more: &[(&str, &str)]| {
            let outcome = self.api.call_as(caller, call.action, &[&parameters, more].concat());
            outcome.map_err(|error| error.code.into_owned())
        };
        let has_dry_run = crate::contract::has_dry_run(call.action) && step.c.is_multiple_of(2);
        let rehearsed = has_dry_run.then(|| ask(&[("DryRun", "true")]));
        let outcome = ask(&[]).and_then(|answer| match answer["Unsuccessful"][0]["Error"]["Code"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(answer),
        });
        let said = match &outcome {
            Ok(_) => "done".to_owned(),
            Err(code) => code.clone(),
        };
        self.story.push(format!("{} {} {} {}: {said}", caller.0, caller.1, call.action, text.join(" ")));
        // A call that answers with a list of what didn't work has nothing else to say in a rehearsal.
        match rehearsed {
            Some(Err(code)) if code == said || code == "DryRunOperation" && (outcome.is_ok() || call.lists_failures()) => {}
            None => {}
            Some(other) => return Err(format!("the rehearsal said {other:?}")),
        }
        match outcome {
            Ok(_) if !call.must.is_empty() => Err(format!("that should have been refused: {:?}", call.must)),
            Ok(answer) => {
                (call.then)(&mut self.model, &answer, &self.api);
                Ok(())
            }
            Err(code) if call.must.contains(&&*code) || call.may.contains(&&*code) => Ok(()),
            Err(code) => Err(format!("refused with {code}; expected: {:?}", call.must)),
        }
    }

    /// Compares what a caller is shown with what the model has.
    fn look(&self, who: usize) -> Result<(), String> {
        let (shown, expected) = (shown::lines(&self.api, who, &self.model), self.model.lines(who));
        let mut faults: Vec<String> = shown.difference(&expected).map(|line| format!("shown:    {line}")).collect();
        faults.extend(expected.difference(&shown).map(|line| format!("expected: {line}")));
        if faults.is_empty() { Ok(()) } else { Err(format!("{} {}:\n{}", CALLERS[who].0, CALLERS[who].1, faults.join("\n"))) }
    }
}

/// The items that a Describe shows, by a filter.
fn described(api: &Api, who: usize, action: &str, list: &str, filter: &str, value: &str) -> Vec<Value> {
    // DescribeEgressOnlyInternetGateways and some others have no filter by VPC; an empty name asks for all.
    let parameters = [("Filter.1.Name", filter), ("Filter.1.Value.1", value)];
    let answer = api.call_as(CALLERS[who], action, if filter.is_empty() { &[] } else { &parameters }).unwrap();
    answer[list].as_array().cloned().unwrap_or_default()
}
