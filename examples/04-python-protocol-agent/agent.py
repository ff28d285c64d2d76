#!/usr/bin/env python3
"""An agent that speaks the protocol itself, without a sidecar: it answers questions. Standard library only.

Written from docs/protocol.md and schemas/json/v1 alone. Change `answer` to make it yours.
"""

from __future__ import annotations

import argparse
import json
import queue
import resource
import signal
import sys
import threading
import time
from datetime import datetime, timezone
from typing import Optional

import records
from connection import Connection, Disconnected
from ed25519 import Key
from jetstream import Delivery, JetStream, Refused
from journal import Journal
from lanes import PRIORITIES, SAFETY_POLL, Lane, Turns
from lease import Fenced, Lease

HEARTBEAT_EVERY = 3.0
PROGRESS_EVERY = 10.0
HAND_OVERS_MAX = 5
RECONNECT_MIN, RECONNECT_MAX = 0.05, 1.0
EXIT_FENCED = 6


class GiveBack(Exception):
    """Raised by `answer`: the message shall come again after a delay."""

    def __init__(self, delay_ms: int = 1000):
        super().__init__(f"given back for {delay_ms} ms")
        self.delay_ms = delay_ms


def answer(message: dict, agent: Agent) -> Optional[str]:
    """The agent's own work: the text of the response, or None when nothing needs to be said."""
    if message["message_type"] != "question":
        return None
    if agent.stopping.wait(agent.work):
        raise GiveBack(0)
    return f"you asked: {message['content']}"


class Agent:
    def __init__(self, options: argparse.Namespace):
        self.hive, self.name, self.work = options.hive, options.agent, options.work
        self.upper = self.hive.upper()
        self.options = options
        with open(options.nkey, encoding="ascii") as file:
            self.key = Key.from_seed(file.read())
        self.journal = Journal(options.state_dir)
        self.lease = Lease(self.hive, self.name, self.journal.state_id)
        self.turns = Turns()
        self.joined: dict[str, int] = {}
        self.delayed: dict[int, float] = {}  # sequences given back, and when they come again
        self.stopping = threading.Event()
        self.wakes: queue.SimpleQueue = queue.SimpleQueue()
        self.fenced: Optional[Fenced] = None
        self.in_hand: Optional[tuple] = None  # the delivery, the message, since when
        self.beating = threading.Lock()
        self.beats = 0
        self.state = "idle"
        self.pause = RECONNECT_MIN

    # Sessions: everything begins anew with each connection.

    def run(self) -> int:
        while not self.stopping.is_set():
            try:
                self.session()
            except Disconnected as error:
                log(f"not connected: {error}")
            except Fenced as error:
                self.fenced = error
            if self.fenced:
                log(f"fenced: {self.fenced}")
                return EXIT_FENCED
            self.stopping.wait(self.pause)
            self.pause = min(2 * self.pause, RECONNECT_MAX)
        return 0

    def session(self) -> None:
        options = self.options
        connection = Connection(options.server, self.key, f"{self.name} (python)", f"_INBOX_{self.name}")
        self.js = JetStream(connection, options.api_prefix)
        try:
            self.wakes = queue.SimpleQueue()
            connection.subscribe(f"{self.hive}.wake.*.{self.name}.*", self.wakes)
            self.lease.acquire(self.js)
            self.lanes = {lane: Lane(f"{self.name}_{lane}") for lane in PRIORITIES}
            self.receipts = Lane(f"{self.name}_receipts")
            self.state = "idle"
            self.beat()
            threading.Thread(target=self.keep, args=(self.js,), daemon=True).start()
            for lane in self.lanes.values():
                self.check("MESSAGES", lane)
            self.check("RECEIPTS", self.receipts)
            log(f"ready: epoch {self.lease.epoch}")
            self.pause = RECONNECT_MIN
            self.serve()
            self.state = "gone"
            self.beat()
            # The answer to any question says that the server has read the heartbeat, too.
            self.js.info(f"{self.upper}_RECEIPTS", self.receipts.consumer)
        except Refused as refused:
            raise Disconnected(f"refused: {refused}") from refused
        finally:
            connection.close()

    def check(self, stream: str, lane: Lane) -> None:
        """Before the first pull of a session: what did the server hand to a connection that was gone?"""
        stream = f"{self.upper}_{stream}"
        info = self.js.info(stream, lane.consumer)
        self.read_joined(info)
        now = time.monotonic()
        self.delayed = {seq: at for seq, at in self.delayed.items() if at > now}
        if self.js.bring_back_lost(stream, lane.consumer, info, set(self.delayed)):
            log(f"{lane.consumer}: a lost hand-over comes again")
            lane.expect()
        for at in self.delayed.values():
            lane.expect(at)
        lane.pending = info["num_pending"]

    def read_joined(self, info: dict) -> None:
        for key, seq in info["config"].get("metadata", {}).items():
            if key.startswith("wagglebus.joined."):
                self.joined[key[len("wagglebus.joined."):]] = int(seq)

    def keep(self, js: JetStream) -> None:
        """Beside the work: heartbeats, the lease, and progress of what is in hand."""
        beats, progressed = 0, time.monotonic()
        while not js.connection.ended.wait(HEARTBEAT_EVERY):
            try:
                beats += 1
                if beats % 2 == 0:
                    self.lease.acquire(js)
                self.beat()
                in_hand, now = self.in_hand, time.monotonic()
                if in_hand and now - max(in_hand[2], progressed) >= PROGRESS_EVERY - HEARTBEAT_EVERY:
                    js.settle(in_hand[0].ack_subject, b"+WPI")
                    progressed = now
            except Fenced as error:
                self.fenced = error
                js.connection.close()
            except (Disconnected, Refused):
                js.connection.close()

    def beat(self) -> None:
        with self.beating:
            self.beats += 1
            in_hand, usage = self.in_hand, resource.getrusage(resource.RUSAGE_SELF)
            state = "busy" if in_hand and self.state == "idle" else self.state
            at = records.now()
            lanes = {name: {"pending": lane.pending, "oldest_ms": None} for name, lane in self.lanes.items()}
            if in_hand:
                lanes[in_hand[1]["priority"]]["oldest_ms"] = int(1000 * (time.monotonic() - in_hand[2]))
            heartbeat = {
                "agent": self.name, "epoch": self.lease.epoch, "seq": self.beats,
                "interval_ms": int(1000 * HEARTBEAT_EVERY), "state": state,
                "hold": {"reason": "busy", "since": in_hand[3]} if state == "busy" else None,
                "bridges": [], "inbox": lanes, "in_flight": [in_hand[1]["id"]] if in_hand else [],
                "spool": {"unstored": 0, "bytes": 0}, "agent_cpu_ms": None, "agent_rss_bytes": None,
                "cpu_ms": int(1000 * (usage.ru_utime + usage.ru_stime)), "rss_bytes": 1024 * usage.ru_maxrss,
                "version": "0.1.0", "capabilities": [], "at": at,
            }
            self.js.connection.publish(f"{self.hive}.hb.{self.name}", json.dumps(heartbeat).encode())

    # One message at a time.

    def serve(self) -> None:
        poll_at = time.monotonic() + SAFETY_POLL
        while not self.stopping.is_set():
            now = time.monotonic()
            if now >= poll_at:
                poll_at = now + SAFETY_POLL
                for lane in (*self.lanes.values(), self.receipts):
                    lane.poll()
            self.hear(0)
            if self.stopping.is_set():
                return
            if self.receipts.wanted(now) is not None:
                self.look("RECEIPTS", self.receipts, self.take_receipt)
                continue
            waiting = {name for name, lane in self.lanes.items() if lane.wanted(now) is not None}
            name = self.turns.next(waiting)
            if name is None:
                timers = [lane.next_timer() for lane in self.lanes.values()]
                self.hear(max(0.0, min(poll_at, *filter(None, timers), poll_at) - time.monotonic()))
            elif not self.lease.holds():
                self.hear(0.5)
            elif self.look("MESSAGES", self.lanes[name], self.take):
                self.turns.take(name, waiting)

    def hear(self, timeout: float) -> None:
        """Listens to wakes. They are hints: only which lane, and perhaps which sequence, is read from them."""
        try:
            wake = self.wakes.get(timeout=timeout) if timeout else self.wakes.get_nowait()
            while wake is not None:
                _, _, family, _, token = wake.subject.split(".")
                lane = self.receipts if family == "receipt" else self.lanes.get(token)
                if lane:
                    seq = wake.headers.get("Nats-Sequence", "")
                    lane.hint(int(seq) if seq.isdigit() else None)
                wake = self.wakes.get_nowait()
        except queue.Empty:
            return
        if not self.stopping.is_set():
            raise Disconnected("the connection ended")

    def look(self, stream: str, lane: Lane, take) -> bool:
        soon = lane.wanted(time.monotonic()) is True
        lane.begin()
        delivery = self.js.pull(f"{self.upper}_{stream}", lane.consumer, soon)
        if delivery is None:
            lane.empty()
            return False
        lane.got(delivery.seq, delivery.pending)
        take(delivery)
        return True

    def take(self, delivery: Delivery) -> None:
        if not self.lease.holds():
            raise Disconnected("the lease ran out during the pull")
        raw = delivery.message
        _, family, room, _, sender = raw.subject.split(".")
        try:
            message = records.read_message(raw.subject, raw.headers, raw.payload, self.hive)
        except records.Bad as bad:
            msg_id = raw.headers.get("Nats-Msg-Id", "")
            known = {"id": msg_id, "from_agent": sender} if records.UUID.fullmatch(msg_id) else None
            return self.bury(delivery, f"seq/{delivery.seq}", known, bad.reason, str(bad), 0)
        key = f"{sender}/{message['id']}"
        not_ours = family == "room" and (sender == self.name or delivery.seq <= self.joined_at(room))
        if not_ours or self.journal.decided(key) is not None:
            return self.conclude(delivery, key)
        expires = records.read_time(str(message["metadata"].get("expires_at", "")))
        if expires and expires <= datetime.now(timezone.utc):
            return self.bury(delivery, key, message, "expired", "its expires_at has passed", 0)
        if self.journal.hand_overs(key) >= HAND_OVERS_MAX:
            why = f"handed over {HAND_OVERS_MAX} times without success"
            return self.bury(delivery, key, message, "max_deliver", why, HAND_OVERS_MAX)
        self.hand_over(delivery, key, message)

    def joined_at(self, room: str) -> int:
        if room not in self.joined:
            self.read_joined(self.js.info(f"{self.upper}_MESSAGES", self.lanes["low"].consumer))
        return self.joined.get(room, 0)

    def hand_over(self, delivery: Delivery, key: str, message: dict) -> None:
        count = self.journal.count_hand_over(key)
        sender, message_id, epoch = message["from_agent"], message["id"], self.lease.epoch
        self.in_hand = (delivery, message, time.monotonic(), records.now())
        try:
            self.beat()
            self.publish(records.receipt(
                self.hive, self.name, sender, message_id, ["fetched", "injected"], "read", count, epoch))
            text = answer(message, self)
            follow = [] if text is None else [records.message(
                self.hive, self.name, sender, text, priority=message["priority"], message_type="response",
                conversation_id=message["conversation_id"], metadata={"in_reply_to": message_id})]
            follow.append(records.receipt(
                self.hive, self.name, sender, message_id, ["seen", "done"], "reply" if follow else "ack", count, epoch))
            if not self.lease.holds():
                raise Disconnected("the lease ran out during the work")
            self.journal.decide(key, follow)
            self.conclude(delivery, key)
            log(f"{message['message_type']} {message_id} from {sender}: done")
        except GiveBack as back:
            self.give_back(delivery, back.delay_ms)
        except (Disconnected, Fenced):
            raise
        except Exception as error:  # a fault of the agent's own work: the message comes again, at most five times
            log(f"message {message_id} from {sender}: {error!r}")
            self.give_back(delivery, 1000)
        finally:
            self.in_hand = None
        self.beat()

    def conclude(self, delivery: Delivery, key: str) -> None:
        """Publishes what follows, waits until it is stored, and only then acks."""
        for follow in self.journal.decided(key) or []:
            self.publish(follow)
        self.js.settle(delivery.ack_subject, b"+ACK")
        if self.journal.decided(key):
            self.journal.told(key)

    def give_back(self, delivery: Delivery, delay_ms: int) -> None:
        lane = self.lanes[delivery.consumer.rsplit("_", 1)[-1]]
        if delay_ms == 0:
            lane.expect()
            return self.js.settle(delivery.ack_subject, b"-NAK")
        at = time.monotonic() + delay_ms / 1000
        self.delayed[delivery.seq] = at
        lane.expect(at)
        self.js.settle(delivery.ack_subject, b'-NAK {"delay":%d}' % (delay_ms * 1_000_000))

    def bury(self, delivery: Delivery, key: str, known: Optional[dict], reason: str, why: str, count: int) -> None:
        """Files a dead letter, and tells the sender if the envelope says who that is."""
        message_id = known["id"] if known else None
        follow = [records.dead_letter(self.hive, self.name, delivery, message_id, reason, why, count)]
        is_notice = known is not None and known.get("metadata", {}).get("kind") == "undeliverable"
        if known and not is_notice:
            sender = known["from_agent"]
            follow.append(records.receipt(self.hive, self.name, sender, message_id, ["dead"], "none", count,
                                          self.lease.epoch, reason))
            if sender not in ("coordinator", self.name):
                follow.append(records.message(
                    self.hive, self.name, sender,
                    f"Your message {message_id} to {self.name} was not delivered: {reason} ({why}).",
                    metadata={"kind": "undeliverable", "in_reply_to": message_id}))
        log(f"dead letter: {delivery.message.subject} at {delivery.seq}: {reason}: {why}")
        self.journal.decide(key, follow)
        self.conclude(delivery, key)

    def take_receipt(self, delivery: Delivery) -> None:
        """Receipts about our own messages. One that contradicts its subject does not count."""
        _, _, sender, level, reporter = delivery.message.subject.split(".")
        try:
            receipt = records.parse(delivery.message.payload, records.MESSAGE_BYTES_MAX)
            agrees = (receipt.get("sender"), receipt.get("level")) == (sender, level)
            if not agrees or reporter not in (receipt.get("agent"), "coordinator"):
                raise records.Bad("refused", "the receipt contradicts its subject")
            log(f"{receipt.get('message_id')} is {level} at {receipt.get('agent')}")
        except records.Bad as bad:
            letter = records.dead_letter(self.hive, self.name, delivery, None, bad.reason, str(bad), 0, "RECEIPTS")
            self.publish(letter)
        self.js.settle(delivery.ack_subject, b"+ACK")

    def publish(self, record: dict) -> None:
        self.js.publish(record["subject"], record["body"].encode(), record["headers"])

    def stop(self, *_: object) -> None:
        self.state = "draining"
        self.stopping.set()
        self.wakes.put(None)


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Answers questions on the bus, without a sidecar.")
    parser.add_argument("--agent", required=True, help="who it is: an enrolled agent")
    parser.add_argument("--nkey", required=True, help="file with the agent's seed")
    parser.add_argument("--state-dir", required=True, help="folder for lock and journal")
    parser.add_argument("--server", default="nats://127.0.0.1:4222")
    parser.add_argument("--hive", default="wb")
    parser.add_argument("--api-prefix", help="beginning of the JetStream API (default: HIVE.js)")
    parser.add_argument("--work", type=float, default=0.0, metavar="SECONDS", help="time that each answer takes")
    options = parser.parse_args()
    options.api_prefix = options.api_prefix or f"{options.hive}.js"
    agent = Agent(options)
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, agent.stop)
    return agent.run()


if __name__ == "__main__":
    sys.exit(main())
