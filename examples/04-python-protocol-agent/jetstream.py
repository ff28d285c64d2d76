"""JetStream as the protocol needs it: publish with ack, pull one, settle, ask a consumer, read and write a key."""

from __future__ import annotations

import json
from typing import NamedTuple, Optional

from connection import Connection, Disconnected, Message

PULL_NOW = b'{"batch":1,"no_wait":true}'
PULL_SOON = b'{"batch":1,"no_wait":true,"expires":250000000}'
PULL_WITHIN = 2.25  # `expires`, and the time in which a living server answers
LOST_SPAN_MAX = 256


class Refused(Exception):
    """JetStream said no; to repeat is useless, or to be done later."""

    def __init__(self, error: dict):
        super().__init__(error.get("description", "no reason given"))
        self.code = error.get("err_code", 0)


class Delivery(NamedTuple):
    """A message in our hands."""

    message: Message
    consumer: str
    delivered: int  # how often the server handed it over
    seq: int  # its place in the stream
    pending: int  # how many wait behind it

    @property
    def ack_subject(self) -> str:
        return self.message.reply


class JetStream:
    def __init__(self, connection: Connection, api: str):
        self.connection = connection
        self._api = api

    def publish(self, subject: str, body: bytes, headers: dict) -> dict:
        """Publishes and returns the ack: `{"stream", "seq", "duplicate"?}`. The same id may be sent again and again."""
        answer = json.loads(self.connection.request_patiently(subject, body, headers).payload)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def pull(self, stream: str, consumer: str, soon: bool) -> Optional[Delivery]:
        """Takes one message; `soon` waits a moment for one that was announced."""
        subject = f"{self._api}.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        body = PULL_SOON if soon else PULL_NOW
        answer = self.connection.request(subject, body, within=PULL_WITHIN)
        if answer.status in (404, 408):
            return None
        token = answer.reply.split(".")
        if len(token) >= 11:
            del token[2:4]  # the longer form: domain and account stand before the stream
        if answer.status is not None or token[:4] != ["$JS", "ACK", stream, consumer] or len(token) < 9:
            # A leader that moves, a consumer that is gone, a forged reply: start over and ask first.
            self.connection.close()
            raise Disconnected(f"{consumer} answered {answer.status} {answer.description}")
        return Delivery(answer, consumer, int(token[4]), int(token[5]), int(token[8]))

    def settle(self, ack_subject: str, verdict: bytes) -> None:
        """Acks, naks or reports progress, and waits until the server has heard it."""
        self.connection.request_patiently(ack_subject, verdict)

    def info(self, stream: str, consumer: str) -> dict:
        """Where a consumer stands."""
        answer = json.loads(
            self.connection.request_patiently(f"{self._api}.CONSUMER.INFO.{stream}.{consumer}").payload)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def bring_back_lost(self, stream: str, consumer: str, info: dict, kept: set) -> int:
        """Gives back what the server handed to a connection that was gone. Returns how many were asked for."""
        if info["num_ack_pending"] == 0:
            return 0
        floor, latest = info["ack_floor"]["stream_seq"], info["delivered"]["stream_seq"]
        first = floor + 1 if latest - floor <= LOST_SPAN_MAX else latest
        lost = [seq for seq in range(first, latest + 1) if seq not in kept]
        for seq in lost:
            number = info["delivered"]["consumer_seq"]
            self.settle(f"$JS.ACK.{stream}.{consumer}.1.{seq}.{number}.0.0", b"-NAK")
        return len(lost)

    def read_key(self, stream: str, subject: str) -> Optional[tuple]:
        """The last value of a key and its sequence."""
        answer = self.connection.request_patiently(f"{self._api}.DIRECT.GET.{stream}.{subject}")
        if answer.status == 404:
            return None
        if answer.status is not None:
            raise Refused({"description": f"{answer.status} {answer.description}"})
        return answer.payload, int(answer.headers["Nats-Sequence"])
