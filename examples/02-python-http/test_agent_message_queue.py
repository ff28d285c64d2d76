#!/usr/bin/env python3
"""Tries the queue on the running sidecars of three agents: test_agent_message_queue.py alice bob carol

The first two are in room:design."""

import asyncio
import sys
import time
import uuid

from agent_message_queue import AgentMessageQueue, NoSidecar, QueueError, UnknownAgent, UnknownMessage

WITHIN = 30  # seconds


async def fails(kind: type, call) -> QueueError:
    try:
        answer = await call
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} expected, not {answer}")


async def main(one: str, other: str, poster: str) -> None:
    queue = AgentMessageQueue()
    sent = await queue.send_message(one, other, "quo vadis? 🐝", priority="high", message_type="question")
    assert sent["level"] == "stored" and uuid.UUID(sent["id"]).version == 7, sent

    (message,) = await queue.receive_messages(other, timeout=WITHIN)
    assert (message["id"], message["from_agent"], message["content"]) == (sent["id"], one, "quo vadis? 🐝"), message
    assert (message["priority"], message["message_type"]) == ("high", "question"), message
    for _ in range(2):
        acked = await queue.acknowledge_message(sent["id"])
        assert acked == {"id": sent["id"], "level": "done"}, acked

    unknown = str(uuid.uuid4())
    error = await fails(UnknownMessage, queue.acknowledge_message(unknown))
    assert (error.code, error.message_id) == ("not_found", unknown), error

    given_up = asyncio.create_task(queue.receive_messages(other, timeout=WITHIN))
    begun = time.monotonic()
    assert await queue.receive_messages(other, timeout=0.3) == []
    assert time.monotonic() - begun >= 0.3
    given_up.cancel()
    await fails(asyncio.CancelledError, given_up)

    error = await fails(UnknownAgent, queue.send_message(one, f"{other}x", "hi"))
    assert other in error.details["similar"] and error.message_id, error
    await fails(NoSidecar, queue.receive_messages(f"{other}x"))
    await fails(NoSidecar, queue.receive_messages("../x"))
    error = await fails(QueueError, queue.send_message(one, other, "hi", priority="asap"))
    assert error.code == "invalid_message", error

    # A repeat under the same id is the same message.
    ids = [sent["id"]]
    for number in range(6):
        pair = (other, one) if number % 2 == 0 else (one, other)
        sent = await queue.send_message(*pair, str(number))
        again = await queue.send_message(*pair, str(number), id=sent["id"])
        assert again["duplicate"] and again["id"] == sent["id"], again
        ids.append(sent["id"])
    queue.PAGE = 3
    for pair in ((one, other), (other, one)):
        history = await queue.get_conversation_history(*pair)
        assert [message["id"] for message in history] == ids, history
        assert [message["acknowledged"] for message in history] == [True] + 6 * [False], history

    # The receive that was given up took nothing.
    received = []
    while len(received) < 3:
        for message in await queue.receive_messages(other, timeout=WITHIN):
            await queue.acknowledge_message(message["id"])
            received.append(message["content"])
    assert received == ["1", "3", "5"], received
    while len(received) < 6:
        for message in await queue.receive_messages(one, timeout=WITHIN):
            await queue.acknowledge_message(message["id"])
            received.append(message["content"])
    await room(queue, one, other, poster)


async def room(queue: AgentMessageQueue, one: str, other: str, poster: str) -> None:
    """A post in a room is one id in the hands of each member."""

    async def post() -> str:
        sent = await queue.send_message(poster, "room:design", "to all of you")
        for agent in (one, other):
            (message,) = await queue.receive_messages(agent, timeout=WITHIN)
            assert message["id"] == sent["id"], message
        return sent["id"]

    both = await post()
    for _ in range(2):
        await queue.acknowledge_message(both)

    single = await post()
    await queue.acknowledge_message(single, agent_id=one)
    late = await queue.extend_message(single, 1800)
    soon = await queue.extend_message(single, 30, agent_id=other)
    assert late["lease_expires_at"] > soon["lease_expires_at"], (late, soon)
    assert await queue.nak_message(single, delay=0, reason="not now") == {"id": single}
    error = await fails(QueueError, queue.acknowledge_message(single, other))
    assert error.code == "lease_lost", error
    (message,) = await queue.receive_messages(other, timeout=WITHIN)
    assert message["id"] == single, message
    await queue.acknowledge_message(single)
    await fails(UnknownMessage, queue.acknowledge_message(single, poster))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
    print("ok: sent, received, acknowledged, remembered")
