//! Rights of users that only look (TOPOLOGY 10).

use wagglebus_schemas::Hive;
use wagglebus_schemas::stream::Stream;

/// What an inspector may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Read; for credentials that are handed to others.
    Strict,
    /// Also create and pull consumers of the five streams, which `stream view` and `sub --stream` of the stock CLI
    /// need. A guard against slips of the operator, no boundary: a consumer can deliver to any subject.
    WithConsumers,
}

/// The subjects that an inspector may publish to and subscribe to.
pub fn inspector_rights(hive: &Hive, rights: Rights) -> (Vec<String>, Vec<String>) {
    let mut publish: Vec<String> = [
        "$JS.API.INFO",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.INFO.*",
        "$JS.API.STREAM.MSG.GET.*",
        "$JS.API.DIRECT.GET.>",
        "$JS.API.CONSUMER.NAMES.*",
        "$JS.API.CONSUMER.LIST.*",
        "$JS.API.CONSUMER.INFO.*.*",
        "$SRV.PING",
        "$SRV.PING.>",
        "$SRV.INFO",
        "$SRV.INFO.>",
        "$SRV.STATS",
        "$SRV.STATS.>",
    ]
    .map(str::to_owned)
    .into();
    if rights == Rights::WithConsumers {
        // By name: `WB_*` is no wildcard.
        for stream in Stream::ALL.iter().map(|stream| stream.name(hive)) {
            publish.push(format!("$JS.API.CONSUMER.CREATE.{stream}.>"));
            publish.push(format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.*"));
        }
    }
    let subscribe = vec![
        "_INBOX.>".to_owned(),
        format!("{hive}.>"),
        "$JS.EVENT.ADVISORY.>".to_owned(),
        "$JS.EVENT.METRIC.>".to_owned(),
    ];
    (publish, subscribe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspector_writes_nothing() {
        for rights in [Rights::Strict, Rights::WithConsumers] {
            let (publish, subscribe) = inspector_rights(&Hive::default(), rights);
            let writes = |subject: &String| {
                subject.starts_with("wb.")
                    || ["ACK", "DELETE", "PURGE", "UPDATE", "RESTORE", "$KV"]
                        .iter()
                        .any(|w| subject.contains(w))
                    || subject.starts_with("$JS.API.STREAM.CREATE")
            };
            assert!(!publish.iter().any(writes), "{publish:?}");
            let creates = publish
                .iter()
                .filter(|subject| subject.contains("CONSUMER.CREATE"))
                .count();
            assert_eq!(creates, if rights == Rights::Strict { 0 } else { 5 });
            assert!(!subscribe.contains(&">".to_owned()));
        }
    }
}
