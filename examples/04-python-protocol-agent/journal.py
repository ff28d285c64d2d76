"""What must outlive the process: who we are, hand-overs counted, and what was decided before it was told."""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from typing import Optional

KEPT_FOR = 48 * 3600.0


class Journal:
    """One file of JSON lines in a folder that only one process may use at a time.

    A decision is written and synced before its first record is published, and its records keep their ids: when the
    process dies in between, its next life publishes the same records again, and the server stores each only once.
    """

    def __init__(self, folder: str):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._lock = open(os.path.join(folder, "lock"), "w", encoding="ascii")  # open as long as the process lives
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise SystemExit(f"{folder} is in use by another process") from None
        self._entries: dict[str, dict] = {}
        path = os.path.join(folder, "journal.jsonl")
        self.state_id = str(uuid.uuid4())
        self._read(path)
        self._rewrite(path)
        self._file = open(path, "a", encoding="utf-8")

    def _read(self, path: str) -> None:
        if not os.path.exists(path):
            return
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # torn by a crash: it was never acted upon
                if "state_id" in entry:
                    self.state_id = entry["state_id"]
                else:
                    self._fold(entry)

    def _rewrite(self, path: str) -> None:
        oldest = time.time() - KEPT_FOR
        self._entries = {key: entry for key, entry in self._entries.items() if entry["at"] > oldest}
        with open(path + ".new", "w", encoding="utf-8") as file:
            for entry in [{"state_id": self.state_id}, *self._entries.values()]:
                file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".new", path)

    def _fold(self, entry: dict) -> None:
        self._entries[entry["key"]] = {**self._entries.get(entry["key"], {}), **entry}

    def _append(self, entry: dict, sync: bool = True) -> None:
        entry["at"] = time.time()
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())
        self._fold(entry)

    def close(self) -> None:
        """Lets another process have the folder."""
        self._file.close()
        self._lock.close()

    def count_hand_over(self, key: str) -> int:
        """Counts a hand-over before it happens. Returns which one it is, from 1."""
        count = self.hand_overs(key) + 1
        self._append({"key": key, "hand_overs": count})
        return count

    def hand_overs(self, key: str) -> int:
        return self._entries.get(key, {}).get("hand_overs", 0)

    def decide(self, key: str, records: list) -> None:
        """A message has ended: it is never handed over again, and these records follow from it."""
        self._append({"key": key, "records": records})

    def decided(self, key: str) -> Optional[list]:
        """The records that follow from a message that has ended."""
        return self._entries.get(key, {}).get("records")

    def told(self, key: str) -> None:
        """All records are stored and the message is acked: the bodies are not needed any more."""
        self._append({"key": key, "records": []}, sync=False)
