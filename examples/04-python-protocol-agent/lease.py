"""The lease: only who holds `WB_leases/<agent>` takes and hands over the agent's mail."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid

from jetstream import JetStream, Refused
from records import now

LEASE_LIFE = 15.0
WRONG_LAST_SEQUENCE = (10071, 10164)


class Fenced(Exception):
    """Another process holds the lease."""


class Lease:
    """One claim, for the life of this process."""

    def __init__(self, hive: str, agent: str, state_id: str):
        self._agent, self._state_id = agent, state_id
        self._instance = str(uuid.uuid4())
        self._stream = f"KV_{hive.upper()}_leases"
        self._subject = f"$KV.{hive.upper()}_leases.{agent}"
        self._seq = 0
        self._until = 0.0
        self.epoch = 0

    def holds(self) -> bool:
        """Whether mail may be handed over now, by our own clock: counted from when the last write was *sent*."""
        return time.monotonic() < self._until

    def acquire(self, js: JetStream) -> None:
        """Makes the lease ours, or renews it."""
        while True:
            if self.epoch == 0 or not self.holds():
                self._look(js)
            try:
                return self._write(js)
            except Refused as refused:
                if refused.code not in WRONG_LAST_SEQUENCE:
                    raise
                self._until = 0.0  # somebody wrote in between, perhaps we ourselves: look who

    def _look(self, js: JetStream) -> None:
        found = js.read_key(self._stream, self._subject)
        if found is None:
            self._seq, self.epoch = 0, 0
            return
        value, seq = found
        holder = json.loads(value)
        if holder["instance"] == self._instance:
            self.epoch = self.epoch or seq  # our own write, whose answer was lost
        elif holder["state_id"] == self._state_id:
            self.epoch = 0  # a former life: its folder is locked by us, so it is over
        else:
            raise Fenced(f"process {holder['pid']} on {holder['host']} holds the lease since {holder['at']}")
        self._seq = seq

    def _write(self, js: JetStream) -> None:
        value = {
            "agent": self._agent, "instance": self._instance, "state_id": self._state_id,
            "host": socket.gethostname(), "pid": os.getpid(), "at": now(),
        }
        # No Nats-Msg-Id: a repeat would be answered as a duplicate although another holder wrote in between.
        headers = {"Nats-Expected-Stream": self._stream, "Nats-Expected-Last-Subject-Sequence": self._seq}
        sent = time.monotonic()
        ack = js.publish(self._subject, json.dumps(value).encode(), headers)
        self._seq = ack["seq"]
        self.epoch = self.epoch or self._seq
        self._until = sent + LEASE_LIFE
