//! Tests of when the urgent lanes are looked at.

use wagglebus_schemas::{AgentId, Id};

use super::tests::at;
use super::{Rule, Seen, Settings};

/// What is seen of the urgent lane of `alice`, and whether it is looked at; by her heartbeat, in milliseconds.
fn unread(senses: &mut super::Senses, pending: u64, held: bool, now_ms: u64) -> (Option<String>, bool) {
    use crate::task::rig;
    use wagglebus_schemas::heartbeat::Hold;
    use wagglebus_schemas::reason::HoldReason;
    let mut roster = rig::roster(&[("alice", &[])]);
    let mut beat = roster
        .member(&rig::name("alice"))
        .unwrap()
        .heartbeat()
        .unwrap()
        .clone();
    beat.seq += 1;
    beat.inbox.urgent.pending = pending;
    beat.hold = held.then_some(Hold {
        reason: HoldReason::CannotWake,
        since: at(0),
    });
    roster.hear(
        rig::name("alice"),
        beat,
        rig::now(0),
        crate::attention::Attended::default(),
    );
    let world = crate::log::World::new();
    let settings = Settings::default();
    let scene = super::agents::Scene {
        world: &world,
        roster: &roster,
        settings: &settings,
        now: rig::now(now_ms),
        at: at(i64::try_from(now_ms).unwrap()),
        patient: false,
    };
    let mut seen = Seen::default();
    let looks = super::agents::judge(scene, senses, &mut seen);
    let holds = seen
        .holds
        .into_iter()
        .find(|(key, _)| key.rule == Rule::UrgentUnread);
    (holds.map(|(_, sighting)| sighting.summary), !looks.is_empty())
}

#[test]
fn urgent_mail_is_looked_at_when_there_may_be_some_and_again_when_it_is_old() {
    use crate::order::Head;
    let alice: AgentId = "alice".parse().unwrap();
    let head = Head {
        stream_seq: 7,
        message_id: Id::from_bytes([7; 16]),
        sender: "bob".parse().unwrap(),
        at: at(1_000),
    };
    let mut senses = super::Senses::default();
    assert_eq!(unread(&mut senses, 0, false, 500), (None, false), "nothing waits");
    assert_eq!(unread(&mut senses, 1, false, 1_000), (None, true));
    assert_eq!(
        unread(&mut senses, 1, false, 1_500),
        (None, false),
        "it is looked at already"
    );
    senses.saw(&alice, Ok(Some(head.clone())), 1_600);
    assert_eq!(
        unread(&mut senses, 1, false, 60_000),
        (None, false),
        "it is young"
    );
    assert_eq!(
        unread(&mut senses, 1, false, 61_000),
        (None, true),
        "it may have been read"
    );
    senses.saw(&alice, Ok(Some(head.clone())), 61_100);
    let (told, _) = unread(&mut senses, 1, false, 61_500);
    assert!(told.unwrap().contains("of bob to alice"));
    assert_eq!(
        unread(&mut senses, 0, false, 62_000),
        (None, false),
        "it was read"
    );
    // Who holds everything does not say how much waits: one look, and another when something comes.
    assert_eq!(unread(&mut senses, 0, true, 70_000), (None, true));
    senses.saw(&alice, Ok(None), 70_100);
    assert_eq!(unread(&mut senses, 0, true, 90_000), (None, false));
    senses.saw(&alice, Ok(Some(head)), 90_500);
    assert!(unread(&mut senses, 0, true, 91_000).0.is_some());
}
