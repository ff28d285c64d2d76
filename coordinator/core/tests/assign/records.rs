//! What the router writes down, and what it learns from.

use serde_json::json;
use wagglebus_coordinator_core::assign::{
    Ability, Candidate, Estimates, Health, Outcome, explain, overridden,
};
use wagglebus_schemas::task::Strategy as Chosen;
use wagglebus_schemas::{AgentId, CapabilityName};

use super::{able, agent, id, name, needs, params};

#[test]
fn an_explanation_has_the_shape_of_the_interface() {
    let busy = Candidate {
        held_ms: vec![500],
        ..able("busy", "rust", 0.9, 1.0)
    };
    let lost = Candidate {
        health: Health::Lost,
        ..agent("lost")
    };
    let job = needs(1, "rust");
    let waiting = explain(0, &job, &[lost, busy], &params(Chosen::PriorityBased));
    let work = -1.0 / 0.9;
    assert_eq!(
        serde_json::to_value(&waiting).unwrap(),
        json!({
            "task_id": id(1), "strategy": "priority_based", "chosen": null,
            "candidates": [
                { "agent": "busy", "eligible": false, "why_not": "has no free slot", "score": -0.5 + work,
                  "terms": [{ "name": "wait", "value": -0.5 }, { "name": "work", "value": work }] },
                { "agent": "lost", "eligible": false, "why_not": "is not there; does not declare rust", "score": 0.0,
                  "terms": [] },
            ],
        })
    );
    let forced = overridden(waiting, AgentId::operator(), name("lost"));
    let value = serde_json::to_value(&forced).unwrap();
    assert_eq!(value["override"], json!({ "by": "operator", "instead_of": null }));
    assert_eq!(value["chosen"], "lost");
    assert_eq!(
        serde_json::from_value::<wagglebus_schemas::task_api::Explanation>(value).unwrap(),
        forced
    );
}

#[test]
fn outcomes_move_success_and_pace_and_the_mean_task() {
    let (who, rust, docs): (AgentId, CapabilityName, CapabilityName) =
        (name("a"), name("rust"), name("docs"));
    let mut estimates = Estimates::new(1_000);
    let declared = Some(5.try_into().unwrap());
    assert_eq!(
        estimates.ability(&who, Some(&rust), declared),
        Ability::assumed(declared)
    );
    assert_eq!(estimates.ability(&who, Some(&rust), None).skill.mean(), 0.25);
    assert_eq!(estimates.ability(&who, None, None).skill.mean(), 0.8);
    let mut observe = |capabilities: &[&CapabilityName], success| {
        let outcome = Outcome {
            agent: &who,
            capabilities: &capabilities.iter().map(|name| (*name).clone()).collect(),
            success,
            took_ms: Some(2_000),
            expected_ms: Some(1_000),
        };
        estimates.observe(&outcome, |name| *name == rust);
    };
    (0..20).for_each(|_| observe(&[&rust], true));
    observe(&[&rust, &docs], false);
    let learned = estimates.ability(&who, Some(&rust), declared);
    assert!((1.6..2.0).contains(&learned.pace), "{}", learned.pace);
    assert!((1_700..2_000).contains(&estimates.mean_task_ms()));
    // rust is known to go well and docs was never declared: the failure is put down to docs.
    let blame = |capability, declared| estimates.ability(&who, Some(capability), declared).skill.beta;
    assert!(blame(&rust, declared) < 2.2 && blame(&docs, None) > 6.8);
    estimates.forget(&who);
    assert_eq!(
        estimates.ability(&who, Some(&rust), declared),
        Ability::assumed(declared)
    );
}
