#!/usr/bin/env python3
"""A harmless agent for the example fleets: it takes each task that it is given and says who it is.

Its sidecar runs it, writes one JSON object per line to its standard input and reads its standard output. Replace it by
a program that does the work.
"""

import json
import os
import sys

ME = os.environ.get("WAGGLEBUS_AGENT", "agent")
ROLE = os.environ.get("WAGGLEBUS_ROLE", "no role")


def answer(message):
    """The answer to a task or a question: to whoever sent it, in its conversation."""
    return {
        "to_agent": message["from_agent"],
        "message_type": "response",
        "priority": message["priority"],
        "conversation_id": message.get("conversation_id"),
        "metadata": {"in_reply_to": message["id"]},
        "content": f"{ME} ({ROLE}) did: {message['content'].splitlines()[0][:200]}",
    }


for line in sys.stdin:
    try:
        message = json.loads(line)
    except ValueError:
        continue
    # An object with "$" is a word of the sidecar, no message.
    if "$" in message or message.get("message_type") not in ("task", "question"):
        continue
    # A reply to the notice of a task completes it.
    print(json.dumps(answer(message)), flush=True)
