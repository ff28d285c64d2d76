//! Failures that no answer and no receipt tells: reported to the coordinator (`report.failure`).

use bytes::Bytes;
use serde_json::{Map, Value};
use wagglebus_schemas::Id;
use wagglebus_schemas::failure::{Component, Failure, FailureClass, Severity};
use wagglebus_schemas::subject::{ReportKind, Subject};

use super::Sidecar;
use crate::context::Context;
use crate::record::{Closed, OutKind, Record};

/// Most messages that a report names.
const NAMED_MAX: usize = 100;

impl Sidecar {
    /// Gives up the oldest unreceipted messages over their bounds.
    pub(super) fn give_up_unreceipted(&mut self, cx: &mut Context<'_>) {
        let (mut messages, mut named) = (0_u64, Vec::new());
        while let Some(id) = self.ledger.unreceipted_over_bound(cx.now.wall) {
            messages = messages.saturating_add(1);
            if named.len() < NAMED_MAX {
                named.push(id);
            }
            let why = Closed::GivenUp;
            self.note(cx, Record::OutClosed { id, why }, Some(id));
        }
        let Some(first) = named.first().copied() else {
            return;
        };
        let detail = format!(
            "stored messages without a receipt: {messages}; they are not published again if the stream loses them"
        );
        cx.warn(Some(first), detail.clone());
        let names = named.iter().map(Id::to_string).collect();
        let evidence = [
            ("messages".to_owned(), messages.into()),
            ("message_ids".to_owned(), names),
        ];
        let about = (messages == 1).then_some(first);
        let class = (FailureClass::Unreceipted, Severity::Warning);
        self.report_failure(cx, class, detail, evidence.into_iter().collect(), about);
    }

    /// The server refused a message for good that was accepted from the agent.
    pub(super) fn report_refused(&mut self, cx: &mut Context<'_>, id: Id, why: &str) {
        let detail = format!("the bus refused an accepted message for good: {why}");
        let class = (FailureClass::Refused, Severity::Error);
        self.report_failure(cx, class, detail, Map::new(), Some(id));
    }

    fn report_failure(
        &mut self,
        cx: &mut Context<'_>,
        (class, severity): (FailureClass, Severity),
        detail: String,
        evidence: Map<String, Value>,
        correlation: Option<Id>,
    ) {
        let me = self.settings.identity.agent.clone();
        let id = cx.ids.fresh();
        let failure = Failure {
            id,
            agent: me.clone(),
            component: Component::Sidecar,
            class,
            severity,
            detail,
            evidence,
            correlation,
            at: cx.now.wall,
        };
        let subject = Subject::Report {
            kind: ReportKind::Failure,
            from: me,
        };
        let out = self.bus_record(cx, id, OutKind::Report, &subject, "failure");
        let body = Bytes::from(serde_json::to_vec(&failure).unwrap_or_default());
        if let Err(error) = self.accept(cx, out, body) {
            cx.warn(correlation, format!("the failure cannot be reported: {error}"));
        }
    }
}
