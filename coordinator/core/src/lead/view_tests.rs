//! Tests of what the views keep of what the log lets go.

use serde_json::json;
use wagglebus_schemas::Hive;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::stream::Bucket;

use super::view::{self, Views};
use crate::log::retain::{GONE_MS, WHOLE_MS};
use crate::task::rig::Rig;

/// What is written after an event, and whether as something or as nothing.
fn written(views: &mut Views, rig: &Rig) -> Vec<(Bucket, String, bool)> {
    let rows = views.due(&rig.world, rig.world.last(), u64::MAX);
    views.projected(&rig.world, Vec::new(), 0);
    rows.into_iter()
        .map(|row| (row.place.0, row.place.1, row.record.is_some()))
        .collect()
}

#[test]
fn the_record_of_an_ended_task_stays_until_nothing_is_known_of_it() {
    let mut rig = Rig::new();
    let mut views = Views::default();
    let ask = |rig: &mut Rig, views: &mut Views, verb, body| {
        let event = rig.ask("sue", verb, &body);
        views.changed(&rig.world, rig.world.last(), &event, 0);
        event
    };
    let event = ask(&mut rig, &mut views, TaskVerb::Submit, json!({"title": "work"}));
    let id = event.entity_id;
    ask(
        &mut rig,
        &mut views,
        TaskVerb::Cancel,
        json!({"task_id": id, "reason": "no"}),
    );
    let both = |there| {
        vec![
            (Bucket::Tasks, id.clone(), there),
            (Bucket::Fsm, format!("task.{id}"), there),
        ]
    };
    let mut first = written(&mut views, &rig);
    first.sort();
    let mut expected = both(true);
    expected.sort();
    assert_eq!(first, expected);

    let refused = || json!({"task_id": id, "reason": "no"});
    rig.now_ms += WHOLE_MS + 1_000;
    ask(&mut rig, &mut views, TaskVerb::Cancel, refused());
    assert_eq!(written(&mut views, &rig), []);
    // A new leader leaves it as it is, too.
    let found = vec![
        ((Bucket::Tasks, id.clone()), 2),
        ((Bucket::Fsm, format!("task.{id}")), 2),
    ];
    let mut anew = Views::default();
    anew.survey();
    anew.surveyed((&rig.world, &Hive::default()), found.clone(), true);
    rig.now_ms += 1;
    ask(&mut rig, &mut anew, TaskVerb::Cancel, refused());
    assert_eq!(written(&mut anew, &rig), []);
    assert!(
        found
            .iter()
            .all(|(place, seq)| view::stays(&rig.world, place, *seq))
    );

    rig.now_ms += GONE_MS - WHOLE_MS;
    ask(&mut rig, &mut views, TaskVerb::Cancel, refused());
    let mut last = written(&mut views, &rig);
    last.sort();
    let mut expected = both(false);
    expected.sort();
    assert_eq!(last, expected);
}
