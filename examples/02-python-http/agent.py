#!/usr/bin/env python3
"""An agent on its sidecar's HTTP API: asks another agent, waits for proof and takes the answers. Standard library only.

Exit code 0: every message came as far as asked for, and every question and task was answered. 1: something is missing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import sys
import time
import uuid

PRIORITIES = ("urgent", "high", "normal", "low")
TYPES = ("task", "status", "question", "response")
EXPECTS_ANSWER = ("task", "question")
BATCH = 16
LEASE = 30  # seconds


class Refused(Exception):
    """The sidecar said no."""

    def __init__(self, status: int, error: dict):
        super().__init__(f"{error['code']}: {error['message']}")
        self.status, self.code, self.details = status, error["code"], error.get("details") or {}


class Sidecar:
    """The local API of our sidecar."""

    def __init__(self, path: str):
        self._path = path

    def call(self, method: str, target: str, body: object = None, within: float = 10.0) -> dict:
        """One request on a connection of its own; returns the answer's JSON."""
        connection = http.client.HTTPConnection("localhost", timeout=within)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.settimeout(within)
            connection.sock.connect(self._path)
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            answer = json.load(response)
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(response.status, answer["error"])
        return answer

    def send(self, draft: dict, level: str, timeout: float) -> dict:
        """Sends a message and waits until it has provably come to `level`.

        The id is ours: when the connection breaks, the same call again cannot make a second message of it.
        """
        return self.call("POST", f"/v1/messages?wait={level}&timeout={timeout:.3f}", draft, 10 + timeout)

    def take(self, timeout: float) -> list:
        """Waits for messages. They are ours for the time of the lease."""
        target = f"/v1/inbox?max={BATCH}&timeout={timeout:.3f}&lease={LEASE}"
        return self.call("GET", target, within=10 + timeout)["messages"]

    def ack(self, item: dict) -> None:
        """The message is done and never comes again."""
        self._settle(item, "ack", {})

    def nak(self, item: dict, delay_ms: int, reason: str) -> None:
        """The message shall come again, later."""
        self._settle(item, "nak", {"delay_ms": delay_ms, "reason": reason})

    def progress(self, item: dict) -> None:
        """We still work on it: the lease begins anew."""
        self._settle(item, "progress", {"extend": LEASE})

    def _settle(self, item: dict, verb: str, fields: dict) -> None:
        self.call("POST", f"/v1/inbox/{item['message']['id']}/{verb}", {"lease": item["lease"], **fields})


class Errand:
    """What was sent, and what is still missing."""

    def __init__(self, sidecar: Sidecar, to: str, level: str, deadline: float):
        self.sidecar, self.to, self.level, self.deadline = sidecar, to, level, deadline
        self.sent: dict[str, str] = {}  # id: what it is
        self.unproven: dict[str, str] = {}  # id: why
        self.unanswered: set[str] = set()

    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def send_all(self) -> None:
        for priority in PRIORITIES:
            for message_type in TYPES:
                self.send(priority, message_type)

    def send(self, priority: str, message_type: str) -> None:
        draft = {
            "id": str(uuid.uuid4()), "to_agent": self.to, "priority": priority, "message_type": message_type,
            "content": f"a {message_type} of {priority} priority",
        }
        what = self.sent[draft["id"]] = f"{priority} {message_type}"
        if message_type in EXPECTS_ANSWER:
            self.unanswered.add(draft["id"])
        try:
            answer = self.sidecar.send(draft, self.level, self.left())
            say(f"sent     {draft['id']} {what}: {answer['level']}")
        except Refused as refused:
            # `level_not_reached` means: accepted, and not to be sent again under another id.
            self.unproven[draft["id"]] = f"{self.level} was not reached ({refused})"
            say(f"sent     {draft['id']} {what}: {refused}")

    def take_answers(self) -> None:
        while self.unanswered and self.left() > 0:
            for item in self.sidecar.take(min(self.left(), 60.0)):
                try:
                    # Earlier messages of the batch may have taken long.
                    self.sidecar.progress(item)
                    self.read(item["message"])
                    self.sidecar.ack(item)
                except Refused as refused:
                    if refused.code != "lease_lost":
                        raise
                    say(f"lost     {item['message']['id']}: it comes again")
                except Exception as error:
                    self.sidecar.nak(item, 1000, repr(error))
                    raise

    def read(self, message: dict) -> None:
        """Our own work on a message. The same message may come twice: then it must change nothing."""
        answered = message["metadata"].get("in_reply_to")
        what = f"to {answered} ({self.sent[answered]})" if answered in self.sent else "to nothing that we asked"
        if message["message_type"] == "response":
            self.unanswered.discard(answered)
        say(f"received {message['id']} {message['message_type']} from {message['from_agent']} {what}")

    def missing(self) -> list:
        missing = [f"{message_id} {self.sent[message_id]}: {why}" for message_id, why in self.unproven.items()]
        return missing + [f"{message_id} {self.sent[message_id]}: no answer" for message_id in sorted(self.unanswered)]


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Sends one message of every priority and type, and takes the answers.")
    parser.add_argument("to", help="the agent to ask")
    parser.add_argument("--socket", default=os.environ.get("WAGGLEBUS_SOCKET"), help="default: $WAGGLEBUS_SOCKET")
    parser.add_argument("--wait", default="injected", help="how far each message must come (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for all of it (default: %(default)s)")
    options = parser.parse_args()
    if not options.socket:
        parser.error("set WAGGLEBUS_SOCKET or use --socket: `socket` in the sidecar's ready file names it")
    errand = Errand(Sidecar(options.socket), options.to, options.wait, time.monotonic() + options.timeout)
    errand.send_all()
    errand.take_answers()
    for line in errand.missing():
        say(f"missing  {line}")
    return 1 if errand.missing() else 0


if __name__ == "__main__":
    sys.exit(main())
