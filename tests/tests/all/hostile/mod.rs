//! The hostile agent: what a normal agent's key must not be good for, on a real server in both forms (TOPOLOGY 6).

mod departed;
mod direct;
mod headers;
mod inspector;
mod lab;
mod logins;
mod mutation;
mod raw;
mod redirect;
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

/// Everything that mallory tries but redirects, and what of it worked.
async fn attack(lab: &mut Lab) -> Vec<String> {
    let before = lab.before().await;
    let mut findings = direct::attack(lab).await;
    findings.extend(logins::attack(lab).await);
    findings.extend(lab.after(&before).await);

    let before = lab.before().await;
    findings.extend(headers::attack(lab).await);
    findings.extend(lab.after(&before).await);

    findings.extend(direct::listen(lab).await);
    lab.mallory.take_all().await;
    rights::normal_work(lab, "overheard?").await;
    findings.extend(direct::overheard(lab).await);
    findings
}

#[tokio::test]
async fn what_mallory_tries_comes_to_nothing() {
    for form in Form::ALL {
        let mut lab = Lab::open(form).await;
        assert_eq!(attack(&mut lab).await, [""; 0], "{form:?}");
        rights::normal_work(&mut lab, "after the attack").await;
    }
}

#[tokio::test]
async fn answers_sent_astray_come_to_nothing() {
    for form in Form::ALL {
        let mut lab = Lab::open(form).await;
        assert_eq!(redirect::attack(&mut lab).await, [""; 0], "{form:?}");
        rights::normal_work(&mut lab, "after the attack").await;
    }
}
