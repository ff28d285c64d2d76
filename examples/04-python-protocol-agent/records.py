"""The records of the protocol: messages read strictly, and what we write. See schemas/json/v1."""

from __future__ import annotations

import base64
import json
import math
import re
import uuid
from datetime import datetime, timedelta, timezone
from typing import Optional

CONTENT_BYTES_MAX = 256 * 1024
MESSAGE_BYTES_MAX = 320 * 1024
JSON_DEPTH_MAX = 64

NAME = "[a-z0-9][a-z0-9_-]{0,62}"
UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)
PRIORITIES = {"urgent", "high", "normal", "low"}
TYPES = {"task", "status", "question", "response"}


class Bad(Exception):
    """Bytes that must not be handed over, with the reason of their dead letter."""

    def __init__(self, reason: str, why: str):
        super().__init__(why)
        self.reason = reason


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fresh_id() -> str:
    return str(uuid.uuid4())


# Reading.

def read_message(subject: str, headers: dict, body: bytes, hive: str) -> dict:
    """The message, with its defaults. The subject beats the body: where they disagree it is refused."""
    message = parse(body, MESSAGE_BYTES_MAX)
    _check_message(message)
    message = {
        "priority": "normal", "message_type": "status", "acknowledged": False, "metadata": {}, **message,
        "conversation_id": message.get("conversation_id") or message["id"],
    }
    family, to, priority, sender = subject[len(hive) + 1:].split(".")
    recipients = {to} if family == "msg" else {f"room:{to}"} | ({"all"} if to == "all" else set())
    for field, body_says, envelope_says in (
        ("id", message["id"], {headers.get("Nats-Msg-Id")}),
        ("from_agent", message["from_agent"], {sender}),
        ("priority", message["priority"], {priority}),
        ("to_agent", message["to_agent"], recipients),
    ):
        if body_says not in envelope_says:
            raise Bad("refused", f"{field} is {body_says!r} in the body but {envelope_says} in the envelope")
    return message


def parse(body: bytes, bytes_max: int) -> dict:
    """One JSON object: UTF-8, no key twice, no more than 64 levels, no numbers that JSON does not have."""
    if len(body) > bytes_max:
        raise Bad("undecodable", f"{len(body)} bytes are over the bound of {bytes_max}")
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number,
                           parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no character
        if _depth(value) > JSON_DEPTH_MAX:
            raise ValueError(f"nested deeper than {JSON_DEPTH_MAX} levels")
    except (ValueError, RecursionError) as error:
        raise Bad("undecodable", f"not acceptable JSON: {error}") from None
    if not isinstance(value, dict):
        raise Bad("undecodable", "not a JSON object")
    return value


def _object(pairs: list) -> dict:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return value


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large for a number")
    return number


def _depth(value: object) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(_depth, children), default=0)


def _check_message(message: dict) -> None:
    def check(name: str, good: bool) -> None:
        if not good:
            raise Bad("undecodable", f"not a message: {name} is missing or malformed")

    def text(name: str, pattern: str) -> bool:
        return isinstance(message.get(name), str) and re.fullmatch(pattern, message[name]) is not None

    content = message.get("content")
    check("id", text("id", UUID.pattern))
    check("from_agent", text("from_agent", NAME))
    check("to_agent", text("to_agent", f"((room|capability):)?{NAME}"))
    check("content", isinstance(content, str) and len(content.encode()) <= CONTENT_BYTES_MAX)
    check("timestamp", isinstance(message.get("timestamp"), str) and read_time(message["timestamp"]) is not None)
    check("priority", message.get("priority", "normal") in PRIORITIES)
    check("message_type", message.get("message_type", "status") in TYPES)
    check("acknowledged", isinstance(message.get("acknowledged", False), bool))
    check("conversation_id", message.get("conversation_id") is None or text("conversation_id", UUID.pattern))
    check("metadata", isinstance(message.get("metadata", {}), dict))


def read_time(text: str) -> Optional[datetime]:
    """An RFC 3339 time as UTC; `None` when it is none. Leap seconds end a month."""
    match = TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    sign, hours, minutes = match.groups()[6:]
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    try:
        at = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=timezone.utc) - offset
        leap = (at.hour, at.minute, (at + timedelta(days=1)).day) == (23, 59, 1)
        valid = second < 60 or (second == 60 and leap)
    except (ValueError, OverflowError):
        return None
    return at if valid and offset < timedelta(days=1) and int(minutes or 0) < 60 else None


# Writing: what is to be published is `{"stream", "subject", "headers", "body"}`.

def record(hive: str, stream: str, subject: str, kind: str, body: dict, at: str, to: str = "") -> dict:
    headers = {
        "Nats-Msg-Id": body["id"],
        "Nats-Expected-Stream": f"{hive.upper()}_{stream}",
        "ce-specversion": "1.0", "ce-id": body["id"], "ce-type": f"io.wagglebus.{kind}",
        "ce-source": f"/{hive}/{subject.rsplit('.', 1)[-1]}", "ce-time": at,
    }
    if to:
        headers["ce-subject"] = to
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return {"subject": f"{hive}.{subject}", "headers": headers, "body": text}


def message(hive: str, me: str, to: str, content: str, **fields: object) -> dict:
    """A message to an agent. It must keep the bounds: a longer one would cut the connection without an answer."""
    body = {
        "id": fresh_id(), "from_agent": me, "to_agent": to, "content": content,
        "priority": "normal", "message_type": "status", "timestamp": now(), "acknowledged": False,
        "conversation_id": fresh_id(), "metadata": {}, **fields,
    }
    kind = f"message.v1.{body['message_type']}"
    made = record(hive, "MESSAGES", f"msg.{to}.{body['priority']}.{me}", kind, body, body["timestamp"], to)
    if len(content.encode()) > CONTENT_BYTES_MAX or len(made["body"].encode()) > MESSAGE_BYTES_MAX:
        raise ValueError("the message is too long: send a reference to the text instead")
    return made


def receipt(hive: str, me: str, sender: str, message_id: str, levels: list, proof: str, delivery: int,
            epoch: int, reason: Optional[str] = None) -> dict:
    """A receipt for levels reached together. No bridge stands between the bus and us."""
    at = now()
    body = {
        "id": fresh_id(), "message_id": message_id, "sender": sender, "agent": me, "level": levels[-1],
        "levels": [{"level": level, "at": at} for level in levels],
        "bridge": None, "proof": proof, "delivery": delivery, "epoch": epoch, "at": at,
    }
    if reason:
        body["reason"] = reason
    return record(hive, "RECEIPTS", f"receipt.{sender}.{levels[-1]}.{me}", "receipt.v1.receipt", body, at)


def dead_letter(hive: str, me: str, delivery: object, message_id: Optional[str], reason: str, why: str,
                hand_overs: int, stream: str = "MESSAGES") -> dict:
    at, raw = now(), delivery.message.payload
    body = {
        "id": fresh_id(), "message_id": message_id, "stream": f"{hive.upper()}_{stream}",
        "stream_seq": delivery.seq, "subject": delivery.message.subject, "agent": me, "reason": reason,
        "delivery": hand_overs, "detail": why,
        "body_base64": base64.b64encode(raw).decode() if len(raw) <= MESSAGE_BYTES_MAX else None, "at": at,
    }
    return record(hive, "DLQ", f"dlq.{reason}.{me}", "dead_letter.v1.dead_letter", body, at)
