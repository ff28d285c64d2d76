"""A queue of messages between agents by their names, over the HTTP API of their sidecars. Standard library only.

    queue = AgentMessageQueue()
    sent = await queue.send_message("alice", "bob", "the build is red", priority="high")
    for message in await queue.receive_messages("bob", timeout=30):
        await queue.acknowledge_message(message["id"])
    history = await queue.get_conversation_history("alice", "bob")
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import time
import urllib.parse
import uuid
from typing import Any, Optional

ANSWER_WITHIN = 10.0  # seconds, beside what the sidecar is asked to wait
POLL_MAX = 60.0  # seconds: longest single poll; a longer wait is several
REMEMBERED_MAX = 10_000  # messages; a sidecar has far fewer in hand: what is forgotten was settled or has expired


class QueueError(Exception):
    """A call failed. `code` is the sidecar's word for it, such as `lease_lost`; `message_id` is the message, if any.

    A send that failed with `level_not_reached` was accepted and will arrive. Sent again with `id=error.message_id`, it
    is the same message.
    """

    def __init__(self, text: str, code: Optional[str] = None, details: Any = None, message_id: Optional[str] = None):
        super().__init__(text)
        self.code, self.details, self.message_id = code, details or {}, message_id


class NoSidecar(QueueError):
    """No sidecar of the agent runs on this machine. Nothing was sent."""


class UnknownAgent(QueueError):
    """Nobody has the recipient's name; `details["similar"]` lists close ones. Nothing was sent."""


class UnknownMessage(QueueError):
    """The message was not received through this queue."""


class Lost(QueueError):
    """The connection broke or the answer did not come: whether the call took effect is unknown."""


class AgentMessageQueue:
    """Each call goes to the sidecar of the agent that it is made for, which must run on this machine."""

    PAGE = 500  # messages of one page of history, at most 500

    def __init__(self, socket: Optional[str] = None, max_messages: int = 10, lease: float = 300.0):
        """`socket`: use this sidecar for all calls instead of looking for the agent's own. `max_messages` (1 to 32) are
        received at once, and come again unless acknowledged within `lease` seconds (5 to 3600)."""
        self._socket, self._max, self._lease = socket, max_messages, lease
        # By id, then by agent and sender: a post in a room is handed over to each member, and ids of different senders
        # may be equal. The lease, and whether the hand-over is open.
        self._handed: dict[str, dict[tuple, tuple]] = {}

    async def send_message(
        self, from_agent: str, to_agent: str, message: str, priority: str = "normal", **fields: Any
    ) -> dict:
        """Sends a text; returns its `id` and the `level` that it provably reached: `stored` once NATS has it.

        `priority`: urgent, high, normal or low. `fields`: message_type, conversation_id, metadata, id.
        """
        draft = {
            "id": uuid7(), **fields,
            "from_agent": from_agent, "to_agent": to_agent, "content": message, "priority": priority,
        }
        try:
            # The id is ours: the same request again cannot make a second message of it.
            return await self._call(from_agent, "POST", "/v1/messages?wait=stored", draft, repeatable=True)
        except QueueError as error:
            error.message_id = draft["id"]
            raise

    async def receive_messages(self, agent_id: str, timeout: float = 30) -> list:
        """Waits up to `timeout` seconds for messages, the most urgent first; returns an empty list when none came.

        Each must be acknowledged, else it comes again. A call that is cancelled takes nothing.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            query = f"max={self._max}&timeout={min(left, POLL_MAX):.3f}&lease={self._lease:.3f}"
            items = (await self._call(agent_id, "GET", f"/v1/inbox?{query}", within=min(left, POLL_MAX)))["messages"]
            if items or left <= POLL_MAX:
                break
        for item in items:
            message = item["message"]
            known = self._handed.setdefault(message["id"], {})
            known[agent_id, message["from_agent"]] = (item["lease"], True)
        while len(self._handed) > REMEMBERED_MAX:
            del self._handed[next(iter(self._handed))]
        return [item["message"] for item in items]

    async def acknowledge_message(self, message_id: str, agent_id: Optional[str] = None) -> dict:
        """The message is done and never comes again; a repeat has the same answer.

        What several agents received, such as a post in a room, is settled for all of them, or for `agent_id` only.
        Raises `UnknownMessage` for a message that was not received through this queue, and a `QueueError` with the code
        `lease_lost` when it was not acknowledged in time and was handed over again.
        """
        return await self._settle(message_id, agent_id, "ack", {}, ends=True, repeatable=True)

    async def nak_message(
        self, message_id: str, delay: float = 1.0, reason: Optional[str] = None, agent_id: Optional[str] = None
    ) -> dict:
        """Gives the message back unsettled: it comes again after `delay` seconds (at most 3600). `reason` is for people.
        Raises as `acknowledge_message` does."""
        body = {"delay_ms": round(delay * 1000), **({} if reason is None else {"reason": reason})}
        return await self._settle(message_id, agent_id, "nak", body, ends=True, repeatable=False)

    async def extend_message(self, message_id: str, lease: int = 60, agent_id: Optional[str] = None) -> dict:
        """Keeps a message that is still worked on for `lease` seconds from now on (5 to 3600); returns
        `lease_expires_at`. Raises as `acknowledge_message` does."""
        return await self._settle(message_id, agent_id, "progress", {"extend": lease}, ends=False, repeatable=True)

    async def _settle(
        self, message_id: str, agent_id: Optional[str], verb: str, body: dict, ends: bool, repeatable: bool
    ) -> dict:
        """Calls for each open hand-over that is meant, else for those that are over: a repeat has the answer of the first
        time. Raises the first failure, after all were tried."""
        known = self._handed.get(message_id, {})
        meant = {key: over for key, over in known.items() if agent_id in (None, key[0])}
        if not meant:
            raise UnknownMessage(f"message {message_id} was not received through this queue", "not_found",
                                 message_id=message_id)
        meant = {key: over for key, over in meant.items() if over[1]} or meant
        answers, failures = [], []
        for key, (lease, _) in meant.items():
            over = ends
            try:
                target = f"/v1/inbox/{message_id}/{verb}"
                answers.append(await self._call(key[0], "POST", target, {"lease": lease, **body}, repeatable=repeatable))
            except QueueError as error:
                failures.append(error)
                over = error.code == "lease_lost"
            if over and known[key][0] == lease:
                known[key] = (lease, False)
        if failures:
            raise failures[0]
        return answers[0]

    async def get_conversation_history(self, agent1: str, agent2: str) -> list:
        """All messages of the last 48 hours between two agents, in both directions, by time.

        `acknowledged` tells which the recipient is done with. Each sidecar knows what its agent sent and was handed:
        when both run here, both are asked.
        """
        views = await asyncio.gather(
            self._seen_by(agent1, agent2), self._seen_by(agent2, agent1), return_exceptions=True
        )
        failed = [view for view in views if isinstance(view, BaseException)]
        if len(failed) == 2 or any(not isinstance(error, NoSidecar) for error in failed):
            raise next((error for error in failed if not isinstance(error, NoSidecar)), failed[0])
        merged: dict = {}
        for view in views:
            for message in [] if isinstance(view, BaseException) else view:
                known = merged.setdefault((message["from_agent"], message["id"]), message)
                known["acknowledged"] = any(seen.get("acknowledged") for seen in (known, message))
        return sorted(merged.values(), key=lambda message: message["timestamp"])

    async def _seen_by(self, agent: str, other: str) -> list:
        """What the sidecar of `agent` knows of the messages between the two, page after page."""
        found: list = []
        query = {"with": other, "limit": self.PAGE}
        while True:
            page = await self._call(agent, "GET", f"/v1/messages?{urllib.parse.urlencode(query)}", repeatable=True)
            found += [message for message in page["items"]
                      if (message["from_agent"], message["to_agent"]) in ((agent, other), (other, agent))]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    async def _call(
        self, agent: str, method: str, target: str, body: Any = None, within: float = 0.0, repeatable: bool = False
    ) -> dict:
        """One request; a broken one is made again only where that changes nothing."""
        request = _request(method, target, body)
        try:
            status, answer = await self._exchange(agent, request, within)
        except Lost:
            if not repeatable:
                raise
            status, answer = await self._exchange(agent, request, within)
        if status < 400:
            return answer
        error = answer["error"]
        kind = UnknownAgent if error["code"] == "unknown_agent" else QueueError
        raise kind(f"{error['code']}: {error['message']}", error["code"], error.get("details"))

    async def _exchange(self, agent: str, request: bytes, within: float) -> tuple:
        path = self._socket or sidecar_socket(agent)
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            raise NoSidecar(f"no sidecar of {agent} answers at {path}: {error}", "bus_unreachable") from error
        try:
            writer.write(request)
            return await asyncio.wait_for(_answer(reader), ANSWER_WITHIN + within)
        except (OSError, EOFError, ValueError, LookupError, asyncio.TimeoutError, asyncio.LimitOverrunError) as error:
            raise Lost(f"no answer of the sidecar of {agent}: {error!r}") from error
        finally:
            # Also when we are cancelled: the sidecar then gives back what it would have handed over.
            writer.close()


def _request(method: str, target: str, body: Any) -> bytes:
    """An HTTP/1.1 request for a connection of its own."""
    content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return head.encode() + b"\r\n" + content


async def _answer(reader: asyncio.StreamReader) -> tuple:
    """Status and JSON of an answer."""
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status.split(" ")[1]), json.loads(await reader.readexactly(int(headers["content-length"])))


def sidecar_socket(agent: str) -> str:
    """Where the sidecar of `agent` listens: as its ready file says, or as it told us when it started us."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", agent):
        raise NoSidecar(f"{agent!r} is no name of an agent: use 1 to 63 of a-z 0-9 _ -", "not_found")
    if os.environ.get("WAGGLEBUS_AGENT") == agent and os.environ.get("WAGGLEBUS_SOCKET"):
        return os.environ["WAGGLEBUS_SOCKET"]
    ready = os.path.join(_run_folder(), os.environ.get("WAGGLEBUS_HIVE") or "wb", f"{agent}.json")
    try:
        with open(ready, encoding="utf-8") as file:
            return json.load(file)["socket"]
    except (OSError, ValueError, KeyError) as error:
        raise NoSidecar(f"no sidecar of {agent} runs here: {error}", "bus_unreachable") from error


def _run_folder() -> str:
    for variable, below in (("WAGGLEBUS_RUN", ""), ("XDG_RUNTIME_DIR", "wagglebus")):
        if os.path.isabs(os.environ.get(variable, "")):
            return os.path.join(os.environ[variable], below)
    return os.path.join(os.environ.get("TMPDIR") or "/tmp", f"wagglebus-{os.getuid()}")


def uuid7() -> str:
    """A UUID of version 7: milliseconds, then randomness."""
    ms = time.time_ns() // 1_000_000
    return str(uuid.UUID(int=ms << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)))
