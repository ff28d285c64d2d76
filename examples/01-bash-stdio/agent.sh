#!/usr/bin/env bash
# An agent in bash: answers every question and task that its sidecar writes to its standard input.
set -u
export PYTHONUTF8=1

# The agent's own work: the message is in the variables below; what is printed becomes the response.
answer() {
    printf 'bash got your %s of %d characters: %s' "$message_type" "${#content}" "${content:0:200}"
}

# One JSON object in, shell assignments out. Every value is quoted for the shell, whatever it holds.
read_message='
import json, shlex, sys
message = json.load(sys.stdin)
for name in "id", "from_agent", "message_type", "priority", "conversation_id", "content":
    print(name + "=" + shlex.quote(str(message.get(name, ""))))
print("control=" + shlex.quote(str(message.get("$", ""))))
'

# A text in, a draft out: one line of JSON. The sidecar adds sender, id and time, and makes it durable.
write_response='
import json, os, sys
print(json.dumps({
    "to_agent": os.environ["from_agent"],
    "message_type": "response",
    "priority": os.environ["priority"],
    "conversation_id": os.environ["conversation_id"],
    "metadata": {"in_reply_to": os.environ["id"]},
    "content": sys.stdin.buffer.read().decode("utf-8", "replace"),
}))
'

while IFS= read -r line; do
    assignments=$(printf '%s\n' "$line" | python3 -c "$read_message") || continue
    eval "$assignments"
    if [ -n "$control" ]; then
        # Not a message but a word of the sidecar, such as an error about a line of ours.
        printf '%s\n' "$line" >&2
        continue
    fi
    case $message_type in
    question | task)
        answer | from_agent=$from_agent priority=$priority conversation_id=$conversation_id id=$id \
            python3 -c "$write_response"
        ;;
    esac
done
# The sidecar closes the standard input when it ends: so does the agent.
