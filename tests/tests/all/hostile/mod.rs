//! The hostile agent: what a normal agent's key must not be good for, on a real server in both forms (TOPOLOGY 6).

mod lab;
mod raw;
mod rights;
mod setup;

use lab::Lab;
use wagglebus_nats::conf::Form;

#[tokio::test]
async fn an_agent_can_do_its_work_in_both_forms() {
    for form in Form::ALL {
        let mut lab = Lab::open(form).await;
        rights::normal_work(&mut lab, "first").await;
        rights::all_rights(&mut lab).await;
        let before = lab.before().await;
        assert_eq!(
            lab.after(&before).await,
            [""; 0],
            "{form:?}: without an attack nothing is found"
        );
    }
}
