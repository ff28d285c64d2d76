#!/usr/bin/env bash
# An agent in a terminal pane: reads what is typed, and answers tasks and questions by a line that begins with @.
set -u

# The agent's own work: `$1` is the title of the task, or the question.
answer() {
    printf 'reviewed, no objections to "%s"' "$1"
}

printf 'An agent in a pane: type something, or have something typed.\n'
while IFS= read -r -p '> ' line; do
    # [wb:… message from NAME (…), id ID, normal task; …] | TEXT [wb:… end]
    if [[ $line =~ message\ from\ ([a-z0-9_-]+)\ .*,\ id\ ([0-9a-f-]{36}),\ [a-z]+\ (task|question) ]]; then
        from=${BASH_REMATCH[1]} id=${BASH_REMATCH[2]}
        text=${line#*] | }
        printf '@%s #response ^%s: %s\n' "$from" "$id" "$(answer "${text%%\\n*}")"
    fi
done
