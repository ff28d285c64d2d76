#!/usr/bin/env python3
"""An agent that works on tasks: takes each assignment over its sidecar's HTTP API and says what came of it.

Standard library only. It goes on while its sidecar is away, and so may come too late: then its answer is refused.
"""

from __future__ import annotations

import http.client
import os
import sys
import time
import uuid

from agent import Refused, Sidecar, say

AGAIN = 0.1  # seconds
POLL = 20.0


def work(task: dict) -> object:
    """The agent's own work: here sorting numbers, after as many seconds as the task asks for."""
    given = task["input"] if isinstance(task["input"], dict) else {}
    time.sleep(float(given.get("seconds", 0)))
    return {"by": "worker.py", "sorted": sorted(given.get("numbers", []))}


def again(call):
    """Repeats a call until the sidecar decides. Only for calls that may be made twice."""
    while True:
        try:
            return call()
        except Refused as refused:
            # Too many requests at once, or nobody behind it at the moment, is no decision.
            if refused.status != 429 and refused.status < 500:
                raise
        except (OSError, ValueError, http.client.HTTPException):
            pass
        time.sleep(AGAIN)


def finish(sidecar: Sidecar, task: dict, result: object) -> None:
    """The id is ours: however often it is sent, it is one command. The epoch says which assignment is meant."""
    command = {"id": str(uuid.uuid4()), "epoch": task["epoch"], "result": result}
    try:
        answer = again(lambda: sidecar.call("POST", f"/v1/tasks/{task['id']}/complete", command))
        say(f"done     {task['id']} {task['title']}: {answer.get('state', answer.get('level'))}")
    except Refused as refused:
        # `stale_epoch`: meanwhile the task was given to somebody else.
        say(f"refused  {task['id']} {task['title']}: {refused}")


def take(sidecar: Sidecar, item: dict) -> None:
    message = item["message"]
    try:
        # Settled is accepted, also when the answer is lost: then it never comes again, and the task is ours.
        again(lambda: sidecar.ack(item))
    except Refused as refused:
        return say(f"lost     {message['id']}: {refused}; it comes again")
    if message["from_agent"] == "coordinator" and message["metadata"].get("kind") == "task.assigned":
        # The settled assignment counts as accepted.
        task = message["metadata"]["task"]
        say(f"begun    {task['id']} {task['title']}, attempt {task['attempt']}")
        finish(sidecar, task, work(task))
    else:
        say(f"received {message['id']} from {message['from_agent']}: {message['content'][:80]}")


def main() -> int:
    path = os.environ.get("WAGGLEBUS_SOCKET")
    if not path:
        print("set WAGGLEBUS_SOCKET: `socket` in the sidecar's ready file names it", file=sys.stderr)
        return 2
    sidecar = Sidecar(path)
    say("ready")
    while True:
        for item in again(lambda: sidecar.take(POLL)):
            take(sidecar, item)


if __name__ == "__main__":
    sys.exit(main())
