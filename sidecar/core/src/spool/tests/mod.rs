//! Tests of the spool format: what they share.

mod cost;
mod damage;
mod flips;
mod identity;
mod layout;
mod planted;
mod report;
mod round_trip;
mod sectors;
mod tail;

use super::{Damage, DamageKind, Item, RECORD_HEADER_LEN, SEGMENT_HEADER_LEN, Scanner, SegmentId, Writer};

const ID: SegmentId = SegmentId {
    number: 7,
    salt: 0x9f1c_44d2_e08b_3a65,
};

/// A segment under construction, and what was put into it.
struct Segment {
    id: SegmentId,
    bytes: Vec<u8>,
    records: Vec<Record>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    offset: usize,
    payload: Vec<u8>,
}

impl Record {
    fn body(&self) -> usize {
        self.offset + RECORD_HEADER_LEN
    }

    fn end(&self) -> usize {
        self.body() + self.payload.len()
    }
}

impl Segment {
    fn of<P: AsRef<[u8]>>(payloads: impl IntoIterator<Item = P>) -> Self {
        Self::with_id(ID, payloads)
    }

    fn with_id<P: AsRef<[u8]>>(id: SegmentId, payloads: impl IntoIterator<Item = P>) -> Self {
        let mut bytes = Vec::new();
        Writer::create(id, &mut bytes);
        let mut segment = Self {
            id,
            bytes,
            records: Vec::new(),
        };
        for payload in payloads {
            segment.push(payload.as_ref());
        }
        segment
    }

    fn push(&mut self, payload: &[u8]) {
        let mut writer = Writer::resume(self.id, self.bytes.len() as u64);
        let offset = writer.append(&[payload], &mut self.bytes).unwrap();
        self.records.push(Record {
            offset: offset as usize,
            payload: payload.to_vec(),
        });
        assert_eq!(writer.end(), self.bytes.len() as u64);
    }

    /// Receipts, marks and messages of the sizes that a sidecar writes, up to `len` bytes in all.
    fn realistic(len: usize) -> Self {
        Self::realistic_with_id(ID, len)
    }

    fn realistic_with_id(id: SegmentId, len: usize) -> Self {
        let mut segment = Self::with_id(id, [[]; 0]);
        for n in 0_usize.. {
            let payload = match n % 4 {
                0 => format!(
                    r#"{{"from_agent":"ana","to_agent":"bo","n":{n},"content":"{}"}}"#,
                    "pollen ".repeat(n)
                ),
                1 => format!(r#"{{"stored":{n}}}"#),
                2 => format!(r#"{{"level":"seen","n":{n},"at":"2026-01-02T03:04:05.678Z"}}"#),
                _ => String::new(),
            };
            if segment.bytes.len() + RECORD_HEADER_LEN + payload.len() > len {
                return segment;
            }
            segment.push(payload.as_bytes());
        }
        segment
    }
}

/// All that a scan said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reading {
    records: Vec<Record>,
    damage: Vec<Damage>,
    torn_tail: Option<(usize, usize)>,
}

impl Reading {
    fn is_clean(&self) -> bool {
        self.damage.is_empty() && self.torn_tail.is_none()
    }

    fn kinds(&self) -> Vec<DamageKind> {
        self.damage.iter().map(|damage| damage.kind).collect()
    }
}

/// Reads a segment that has its name, and checks what holds for any bytes whatever.
fn read(bytes: &[u8]) -> Reading {
    read_as(bytes, Some(ID))
}

fn read_as(bytes: &[u8], name: Option<SegmentId>) -> Reading {
    collect(
        bytes,
        Scanner::open(bytes, name).expect("a named segment of our format opens"),
    )
}

/// Gathers the items, and checks that they account for every byte exactly once.
fn collect(bytes: &[u8], scanner: Scanner<'_>) -> Reading {
    let mut reading = Reading::default();
    let mut accounted = SEGMENT_HEADER_LEN;
    for item in scanner {
        assert_eq!(reading.torn_tail, None, "the torn tail is the last item");
        match item {
            Item::Found { offset, payload } => {
                assert_eq!(
                    (offset as usize, offset as usize + RECORD_HEADER_LEN),
                    (accounted, payload.start)
                );
                accounted = payload.end;
                reading.records.push(Record {
                    offset: offset as usize,
                    payload: bytes[payload].to_vec(),
                });
            }
            Item::Damage(damage) => {
                if damage.kind.costs_records() {
                    assert_eq!(damage.offset as usize, accounted);
                    accounted += damage.len as usize;
                }
                reading.damage.push(damage);
            }
            Item::TornTail { offset, len } => {
                if offset > 0 {
                    assert_eq!(offset as usize, accounted);
                }
                accounted = (offset + len) as usize;
                reading.torn_tail = Some((offset as usize, len as usize));
            }
        }
    }
    assert_eq!(
        accounted,
        bytes.len(),
        "every byte is a record's, damaged, or the tail's"
    );
    reading
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}
