//! Tests of the files of tokens.

use super::*;

fn files(dir: &tempfile::TempDir) -> TokenFiles {
    TokenFiles::with_operator(dir.path().join("keys/coordinator.token"))
}

#[test]
fn an_agent_that_goes_takes_its_tokens_along() {
    let dir = tempfile::tempdir().unwrap();
    let files = TokenFiles::with_operator(dir.path().join("coordinator.token"));
    let agent = |name: &str| Role::Agent {
        agent: name.parse().unwrap(),
    };
    let carol: AgentId = "carol".parse().unwrap();
    assert_eq!(files.revoke_of(&carol).unwrap(), []);
    for (name, role) in [
        ("ci", agent("carol")),
        ("cd", agent("carol")),
        ("other", agent("bob")),
        ("eyes", Role::Viewer),
    ] {
        files.add(name, role, Timestamp::EPOCH).unwrap();
    }
    let names = |tokens: Vec<TokenRecord>| tokens.into_iter().map(|token| token.name).collect::<Vec<_>>();
    assert_eq!(names(files.revoke_of(&carol).unwrap()), ["cd", "ci"]);
    assert_eq!(names(files.list().unwrap()), ["eyes", "other"]);
}

#[test]
fn a_token_counts_until_it_is_revoked_and_is_kept_as_a_digest() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(&dir);
    assert_eq!(files.digests().unwrap(), []);
    files.ensure_operator().unwrap();
    let stamp = files.stamp();
    let own = std::fs::read_to_string(files.operator_file()).unwrap();
    files.ensure_operator().unwrap();
    assert_eq!(std::fs::read_to_string(files.operator_file()).unwrap(), own);
    let alice = Role::Agent {
        agent: "alice".parse().unwrap(),
    };
    let token = files.add("ci", alice.clone(), Timestamp::EPOCH).unwrap();
    assert_ne!(files.stamp(), stamp);
    let text = std::fs::read_to_string(&files.others).unwrap();
    assert!(!text.contains(token.strip_prefix(PREFIX).unwrap()), "{text}");
    let known = files.digests().unwrap();
    assert_eq!(
        known[0],
        (digest(own.trim()), "operator".to_owned(), Role::Operator)
    );
    assert_eq!(known[1], (digest(&token), "ci".to_owned(), alice));
    files.renew_operator().unwrap();
    assert_ne!(files.digests().unwrap()[0], known[0]);
    assert_eq!(files.revoke("ci").unwrap().name, "ci");
    assert!(matches!(files.revoke("ci"), Err(TokenError::Unknown(_))));
    assert_eq!(files.digests().unwrap().len(), 1);
}

#[test]
fn names_are_words_and_given_once() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(&dir);
    let add = |name: &str| files.add(name, Role::Viewer, Timestamp::EPOCH);
    assert!(add("grafana-2").is_ok());
    assert!(matches!(add("grafana-2"), Err(TokenError::Taken(_))));
    assert!(matches!(add("operator"), Err(TokenError::Taken(_))));
    for bad in ["", "-x", "A", "a b", "a/b", &"x".repeat(64)] {
        assert!(matches!(add(bad), Err(TokenError::Name(_))), "{bad:?}");
    }
}

#[test]
fn a_damaged_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(&dir);
    files.add("x", Role::Viewer, Timestamp::EPOCH).unwrap();
    private_file::replace(&files.others, b"{\"tokens\":[{}]}").unwrap();
    assert!(matches!(files.digests(), Err(TokenError::Unreadable { .. })));
    assert_eq!(from_hex("zz"), None);
    assert_eq!(from_hex(&hex(&digest("x"))), Some(digest("x")));
}
