//! The three machines as graphs, as a reviewer reads them.

use std::fmt::Display;
use std::fmt::Write as _;

use wagglebus_schemas::state::{AgentState, SwarmState};
use wagglebus_schemas::task::TaskState;

use super::agent::AgentEvent;
use super::swarm::SwarmEvent;
use super::{Step, agent, swarm};
use crate::task::table::{self, TaskEvent};

const GRAPH: &str = include_str!("graph.txt");

fn edge(text: &mut String, from: impl Display, to: impl Display, word: &str, guard: Option<&str>) {
    let guard = guard.map(|guard| format!(" [{guard}]")).unwrap_or_default();
    writeln!(text, "  {from} -> {to}: {word}{guard}").unwrap();
}

fn drawn() -> String {
    let mut text = "task\n".to_owned();
    for state in TaskState::ALL {
        for event in TaskEvent::ALL {
            if let table::Step::To(to) = table::step(*state, event) {
                edge(&mut text, state, to, event.as_str(), event.guard());
            }
        }
    }
    text.push_str("agent\n");
    for state in AgentState::ALL {
        for event in AgentEvent::ALL {
            if let Step::To(to) = agent::step(*state, event) {
                edge(&mut text, state, to, event.as_str(), event.guard());
            }
        }
    }
    text.push_str("swarm\n");
    for state in SwarmState::ALL {
        for event in SwarmEvent::ALL {
            if let Step::To(to) = swarm::step(*state, event) {
                edge(&mut text, state, to, event.as_str(), event.guard());
            }
        }
    }
    text
}

#[test]
fn the_graphs_are_those_that_were_read() {
    let drawn = drawn();
    assert!(drawn == GRAPH, "src/fsm/graph.txt should be:\n{drawn}");
}
