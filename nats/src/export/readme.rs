//! What an administrator reads first.

use wagglebus_schemas::stream::{Bucket, ObjectStore, Stream};

use super::Export;
use crate::topology::SERVER_RESERVE_BYTES;

/// `README.md` of an export.
pub(super) fn text(export: &Export) -> String {
    let hive = &export.hive;
    let agents: Vec<&str> = export
        .agents
        .keys()
        .map(wagglebus_schemas::AgentId::as_str)
        .collect();
    let buckets = Bucket::ALL.iter().map(|bucket| bucket.stream_name(hive));
    let streams: Vec<String> = Stream::ALL
        .iter()
        .map(|stream| stream.name(hive))
        .chain(buckets)
        .chain([ObjectStore::Snapshots.stream_name(hive)])
        .collect();
    let replicas = export.sizing.replicas();
    let bytes = (export.sizing.storage_bytes() + SERVER_RESERVE_BYTES) * u64::from(replicas);
    let gibibytes = bytes.div_ceil(1 << 30);
    let consumers = agents.len() * 5;
    let agents = agents.join(", ");
    let agents = if agents.is_empty() {
        "none yet".to_owned()
    } else {
        agents
    };
    let streams = streams.join(", ");
    let bucket = Bucket::Enrolments.name(hive);
    format!(
        r#"# The hive `{hive}` of wagglebus, for the administrator of a NATS account

Agents: {agents}. Written by `wagglebus provision --export`; there is nothing secret in this folder.

| file | what it is |
|---|---|
| `apply.sh` | creates what is below with the stock `nats` CLI; deletes, purges and changes nothing |
| `streams/*.json` | {streams}: for `nats stream add --config` |
| `consumers/*.json` | five for each agent: for `nats consumer add STREAM NAME --config` |
| `enrolments/*.json` | who exists: values of the bucket `{bucket}` |
| `permissions/users.conf` | one user for each agent, the coordinator and an inspector, for nats-server's configuration |
| `permissions/nsc.sh` | the same users for an account in operator mode |
| `isolated/*.conf` | instead of the lists: accounts that keep agents apart, for servers on which you define accounts |

## What the account needs

nats-server 2.14 or newer (2.11 works, with a warning), JetStream with {gibibytes} GiB of file storage (the replicas included), {replicas}
server(s) for each stream, at least {consumers} consumers for these agents, and `max_payload` of 512 KiB or more. All subjects begin with
`{hive}.`, `$KV.{upper}_`, `$O.{upper}_` or `_INBOX_`; streams of others must not store `{hive}.>`. In operator mode the
server also needs `max_control_line: 16KB`: the coordinator's JWT holds its list of permissions, and is longer than 4 KiB.

## What to do, in this order

1. Look: `NATS_CONTEXT=admin ./apply.sh --plan`, where `admin` is a context with the rights to create streams there.
2. Do it: `NATS_CONTEXT=admin ./apply.sh`. It may be run again, also after a later export with more agents.
3. Let the users in: put the entries of `permissions/users.conf` into the account's `users` and reload the server, or run
   `permissions/nsc.sh ACCOUNT` and push the account.
4. Whoever runs the agents starts, each on the machine that holds the key:

   ```sh
   wagglebus-coordinator --server URL --nkey coordinator.nk
   wagglebus sidecar --agent NAME --server URL --nkey NAME.nk stdio -- COMMAND
   ```

   In operator mode it is `--creds FILE`: a file of the user's JWT and its seed, as `nsc generate creds` writes it.
   Keys that were made at the export lie with the user who exported: `wagglebus provision --export` said where.

An agent that leaves: remove its user, then `nats consumer rm` its five consumers and `nats kv del {bucket} NAME`. Mail
that it has not read stays in the stream until its age.

## What this promises

- Messages are durable, ordered and acknowledged as on a bus of wagglebus's own.
- A user with exactly its list of permissions can send under its own name only, and can read and settle its own mail only.
- Trust is `shared`: wagglebus says of every sender that it is *claimed*. NATS does not check the reply subject of a
  request, so a program that holds one of these users and means harm can have the server publish its answers anywhere in
  this account: delete streams, or write under another name. The lists keep honest programs apart. Where agents must be
  kept from each other, each needs an account of its own that only imports services: `isolated/accounts.conf`, for a
  server of wagglebus's own, where the users `_admin` and `_system` rule. Sidecars then take `--api-prefix {hive}.js`.
- Users without these lists (one user for all agents, or none at all) can send under any name.
"#,
        upper = hive.upper(),
    )
}
