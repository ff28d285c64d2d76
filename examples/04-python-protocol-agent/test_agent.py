"""Checks the parts of the agent that need no server: python3 -m unittest discover -s examples/04-python-protocol-agent"""

import argparse
import json
import pathlib
import tempfile
import time
import types
import unittest

import records
from agent import Agent
from connection import Disconnected, Message
from ed25519 import Key
from jetstream import Delivery
from journal import Journal
from lanes import PRIORITIES, Lane, Turns

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "schemas" / "fixtures"

# RFC 8032, section 7.1: secret key, public key, message, signature.
VECTORS = [
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
     "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
     "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
     "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
    ("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
     "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"),
]

# From the documentation of NATS; it guards nothing.
SEED = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"


class Ed25519(unittest.TestCase):
    def test_the_vectors_of_the_rfc(self):
        for secret, public, text, signature in VECTORS:
            key = Key(bytes.fromhex(secret))
            self.assertEqual(key.public.hex(), public)
            self.assertEqual(key.sign(bytes.fromhex(text)).hex(), signature)

    def test_a_seed_in_the_text_form_of_nats(self):
        seed = SEED
        public = "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"
        framed = f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        for text in (seed, framed):
            self.assertEqual(Key.from_seed(text).public_text(), public)
        with self.assertRaises(ValueError):
            Key.from_seed(seed.replace("MLK", "MLL"))


class Messages(unittest.TestCase):
    def read(self, body: bytes):
        try:
            records._check_message(records.parse(body, records.MESSAGE_BYTES_MAX))
        except records.Bad as bad:
            self.assertEqual(bad.reason, "undecodable")
            return False
        return True

    def test_fixtures_are_valid_or_not_as_their_names_say(self):
        files = sorted((FIXTURES / "v1" / "message").iterdir())
        self.assertGreater(len(files), 20)
        for file in files:
            with self.subTest(file.name):
                self.assertEqual(self.read(file.read_bytes()), not file.name.startswith("invalid"))

    def test_bytes_that_a_schema_cannot_judge(self):
        for line in (FIXTURES / "wire" / "expectations.txt").read_text("utf-8").splitlines():
            name, _, rest = line.partition("|")
            record, _, rest = rest.partition("|")
            if record.strip() == "message":
                with self.subTest(name.strip()):
                    body = (FIXTURES / "wire" / name.strip()).read_bytes()
                    self.assertEqual(self.read(body), rest.split("|")[0].strip() == "ok")

    def test_bounds_count_bytes(self):
        for line in (FIXTURES / "wire" / "sizes.txt").read_text("utf-8").splitlines():
            record, *cells = (cell.strip() for cell in line.split("|"))
            if record == "message":
                with self.subTest(line):
                    base = {"id": "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d", "from_agent": "alice", "to_agent": "bob",
                            "timestamp": "2026-01-02T03:04:05.678Z"}
                    text, times, verdict = cells
                    head = json.dumps(base, separators=(",", ":"))[:-1]
                    body = f'{head},"content":"{text[1:-1] * int(times)}"}}'
                    self.assertEqual(self.read(body.encode()), verdict == "ok")

    def test_the_subject_beats_the_body(self):
        made = records.message("wb", "alice", "bob", "hi", priority="high")
        headers, body = made["headers"], made["body"].encode()
        self.assertEqual(records.read_message(made["subject"], headers, body, "wb")["content"], "hi")
        for subject, msg_id in (
            ("wb.msg.carol.high.alice", headers["Nats-Msg-Id"]),
            ("wb.msg.bob.low.alice", headers["Nats-Msg-Id"]),
            ("wb.msg.bob.high.mallory", headers["Nats-Msg-Id"]),
            ("wb.room.bob.high.alice", headers["Nats-Msg-Id"]),
            (made["subject"], records.fresh_id()),
            (made["subject"], None),
        ):
            with self.assertRaises(records.Bad) as caught:
                records.read_message(subject, {"Nats-Msg-Id": msg_id}, body, "wb")
            self.assertEqual(caught.exception.reason, "refused")

    def test_what_is_too_long_is_not_sent(self):
        for content in ("a" * 262_145, "\n" * 164_000):
            with self.assertRaises(ValueError):
                records.message("wb", "alice", "bob", content)


class Lanes(unittest.TestCase):
    def test_every_lane_gets_its_turn_within_35(self):
        turns, waited = Turns(), dict.fromkeys(PRIORITIES, 0)
        taken = []
        for _ in range(1000):
            lane = turns.next(set(PRIORITIES))
            turns.take(lane, set(PRIORITIES))
            taken.append(lane)
            for other in PRIORITIES:
                waited[other] = 0 if other == lane else waited[other] + 1
                self.assertLess(waited[other], 35)
        self.assertEqual(taken[0], "urgent")
        self.assertGreater(taken.count("urgent"), taken.count("low"))

    def test_a_wake_during_a_pull_that_finds_nothing_is_kept(self):
        lane = Lane("alice_low")
        self.assertIs(lane.wanted(0), False)
        lane.begin()
        lane.hint(9)
        lane.empty()
        self.assertIs(lane.wanted(0), True)
        lane.begin()
        lane.got(9, 0)
        self.assertIsNone(lane.wanted(0))
        lane.expect(at=5)
        self.assertIsNone(lane.wanted(4.9))
        self.assertIs(lane.wanted(5), True)


class Journals(unittest.TestCase):
    def test_what_was_decided_outlives_the_process(self):
        with tempfile.TemporaryDirectory() as folder:
            first = Journal(folder)
            self.assertEqual(first.count_hand_over("alice/1"), 1)
            self.assertEqual(first.count_hand_over("alice/1"), 2)
            first.decide("alice/1", [{"id": "x"}])
            with self.assertRaises(SystemExit):
                Journal(folder)
            first.close()
            with open(pathlib.Path(folder) / "journal.jsonl", "a", encoding="utf-8") as file:
                file.write('{"key":"alice/2","hand_ov')  # torn by a crash
            second = Journal(folder)
            self.assertEqual(second.state_id, first.state_id)
            self.assertEqual(second.hand_overs("alice/1"), 2)
            self.assertEqual(second.decided("alice/1"), [{"id": "x"}])
            self.assertIsNone(second.decided("alice/2"))
            second.close()


class Bus:
    """Records what an agent publishes and settles; breaks at the publish with this number."""

    def __init__(self, breaks_at=None):
        self.published, self.settled, self._breaks_at = [], [], breaks_at
        self.connection = types.SimpleNamespace(publish=lambda subject, body: None)

    def publish(self, subject, body, headers):
        if len(self.published) == self._breaks_at:
            raise Disconnected("on purpose")
        self.published.append((subject, headers["Nats-Msg-Id"], body))

    def settle(self, ack_subject, verdict):
        self.settled.append((ack_subject, verdict))


class Crashes(unittest.TestCase):
    def life(self, folder, bus):
        """A new process on the same folder, which holds the lease."""
        seed = pathlib.Path(folder) / "seed"
        seed.write_text(SEED, "ascii")
        agent = Agent(argparse.Namespace(hive="wb", agent="bob", nkey=seed, state_dir=folder, work=0.0))
        agent.js, agent.lanes = bus, {lane: Lane(f"bob_{lane}") for lane in PRIORITIES}
        agent.lease._until = time.monotonic() + 15
        return agent

    def test_what_was_decided_is_told_again_under_the_same_ids_and_before_the_ack(self):
        made = records.message("wb", "alice", "bob", "hi", message_type="question")
        raw = Message(made["subject"], "ack", None, "", made["headers"], made["body"].encode())
        delivery = Delivery(raw, "bob_normal", 1, 7, 0)
        with tempfile.TemporaryDirectory() as folder:
            told = {}
            for breaks_at in (1, 1, None, 0):  # at the response, at the last receipt, not at all
                bus = Bus(breaks_at)
                agent = self.life(folder, bus)
                try:
                    agent.take(delivery)
                except Disconnected:
                    self.assertEqual(bus.settled, [])
                for subject, msg_id, _ in bus.published:
                    told.setdefault(subject, set()).add(msg_id)
                agent.journal.close()
            # The last life finds everything told, and only acks.
            self.assertEqual((bus.published, bus.settled), ([], [("ack", b"+ACK")]))
            self.assertEqual({subject: len(ids) for subject, ids in told.items()}, {
                "wb.receipt.alice.injected.bob": 1, "wb.msg.alice.normal.bob": 1, "wb.receipt.alice.done.bob": 1})


if __name__ == "__main__":
    unittest.main()
