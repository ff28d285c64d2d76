//! The programs of an export: shell that calls stock tools only.

use wagglebus_schemas::stream::{Bucket, Stream};

use super::Export;
use super::permissions::nsc_options;
use crate::topology::streams;

/// What does not depend on the export. It makes what is missing and changes nothing that is there.
const APPLY_HEAD: &str = r#"set -eu
cd "$(dirname "$0")"
NATS=${NATS:-nats}
PLAN=
case ${1:-} in
  '') ;;
  --plan) PLAN=yes ;;
  *) echo "usage: NATS_CONTEXT=NAME ./apply.sh [--plan]" >&2; exit 2 ;;
esac
say() { printf '%-8s%s\n' "$1" "$2"; }
"$NATS" account info >/dev/null || { echo "apply.sh: JetStream of that account cannot be reached" >&2; exit 1; }

stream() {
  if "$NATS" stream info "$1" --json >/dev/null 2>&1; then
    say exists "stream $1; what differs, if anything:"
    "$NATS" stream edit "$1" --config "streams/$1.json" --dry-run || true
  else
    say create "stream $1"
    [ "$PLAN" ] || "$NATS" stream add --config "streams/$1.json" >/dev/null
  fi
}

# The stream's last sequence: who joins now does not get what was posted to everybody before.
last_sequence() {
  "$NATS" stream info "$1" --json 2>/dev/null | tr ',{' '\n\n' |
    sed -n 's/.*"last_seq": *\([0-9][0-9]*\).*/\1/p' | head -n 1
}

consumer() {
  if "$NATS" consumer info "$1" "$2" --json >/dev/null 2>&1; then
    say exists "consumer $2 of $1"
  else
    say create "consumer $2 of $1"
    [ -z "$PLAN" ] || return 0
    sed 's/\("wagglebus\.joined\.all": \)"0"/\1"'"$LAST"'"/' "consumers/$1.$2.json" >"$WORK/consumer.json"
    "$NATS" consumer add "$1" "$2" --config "$WORK/consumer.json" >/dev/null
  fi
}

enrolment() {
  if "$NATS" kv get "$1" "$2" --raw >/dev/null 2>&1; then
    say exists "enrolment of $2"
  else
    say create "enrolment of $2"
    [ -z "$PLAN" ] || return 0
    sed -e 's/\("joined_seq": \)0/\1'"$LAST"'/' -e 's/\("at": "\)[^"]*/\1'"$NOW"'/' \
      "enrolments/$2.json" >"$WORK/enrolment.json"
    "$NATS" kv create "$1" "$2" <"$WORK/enrolment.json" >/dev/null
  fi
}

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
NOW=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)
"#;

/// `apply.sh`.
pub(super) fn apply(export: &Export) -> String {
    let Export { hive, sizing, .. } = export;
    let mut lines = vec![
        "#!/bin/sh".to_owned(),
        format!("# Makes a NATS account have the streams, consumers and records of the hive {hive}, with the stock `nats` CLI."),
        "#".to_owned(),
        "#   NATS_CONTEXT=NAME ./apply.sh --plan   only says what it would do".to_owned(),
        "#   NATS_CONTEXT=NAME ./apply.sh          does it; NAME is a context of `nats` with the rights of an administrator".to_owned(),
        "#".to_owned(),
        "# Makes what is missing; changes, deletes and purges nothing. May be run again.".to_owned(),
        APPLY_HEAD.trim_end().to_owned(),
        String::new(),
    ];
    let specs = streams(hive, *sizing);
    lines.extend(specs.iter().map(|spec| format!("stream {}", spec.name)));
    lines.push(String::new());
    lines.push(format!("LAST=$(last_sequence {})", Stream::Messages.name(hive)));
    lines.push("LAST=${LAST:-0}".to_owned());
    let bucket = Bucket::Enrolments.name(hive);
    for agent in export.agents.keys() {
        for consumer in export.consumers(agent) {
            lines.push(format!("consumer {} {}", consumer.stream, consumer.name));
        }
        lines.push(format!("enrolment {bucket} {agent}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// `permissions/nsc.sh`.
pub(super) fn nsc(export: &Export) -> String {
    let mut lines = vec![
        "#!/bin/sh".to_owned(),
        format!("# Adds the users of the hive {} to an account in operator mode: ./nsc.sh ACCOUNT", export.hive),
        "#".to_owned(),
        "# Public keys only. `nsc describe user --account ACCOUNT --name NAME --raw` then prints the JWT for the owner of".to_owned(),
        "# the key, and `nsc push --account ACCOUNT` brings a changed account to the servers.".to_owned(),
        "set -eu".to_owned(),
        "ACCOUNT=${1:?usage: nsc.sh ACCOUNT}".to_owned(),
        "NSC=${NSC:-nsc}".to_owned(),
    ];
    for (name, key, permissions) in export.users() {
        lines.push(String::new());
        lines.push(format!(
            "\"$NSC\" add user --account \"$ACCOUNT\" --name {name} --public-key {key} \\"
        ));
        lines.push(
            nsc_options(&permissions)
                .iter()
                .map(|option| format!("  {option}"))
                .collect::<Vec<_>>()
                .join(" \\\n"),
        );
    }
    lines.push(String::new());
    lines.join("\n")
}
