"""Which lane to look into, and when: hints, timers and polls, and turns that are counted."""

from __future__ import annotations

from typing import Optional

PRIORITIES = ("urgent", "high", "normal", "low")
PASSED_OVER_MAX = {"high": 8, "normal": 16, "low": 32}
SAFETY_POLL = 15.0


class Lane:
    """What is known of one consumer's backlog."""

    def __init__(self, consumer: str):
        self.consumer = consumer
        self.pending = 0
        self._hinted = 0  # highest sequence that a wake announced
        self._known = 0  # highest sequence that was delivered, or is not there any more
        self._asked = 0
        self._poll = True
        self._soon = False
        self._timers: list[float] = []

    def hint(self, seq: Optional[int]) -> None:
        """A wake came. It may be forged: it can cause a look, never prevent one."""
        if seq is None:
            self._soon = True
        else:
            self._hinted = max(self._hinted, seq)

    def poll(self) -> None:
        self._poll = True

    def expect(self, at: Optional[float] = None) -> None:
        """A message was given back: redeliveries announce no wake."""
        if at is None:
            self._soon = True
        else:
            self._timers.append(at)

    def next_timer(self) -> Optional[float]:
        return min(self._timers, default=None)

    def wanted(self, now: float) -> Optional[bool]:
        """None: no look is due. True: something must be there in a moment. False: something may be there."""
        if any(at <= now for at in self._timers):
            self._timers = [at for at in self._timers if at > now]
            self._soon = True
        if self._soon or self._hinted > self._known:
            return True
        return False if self._poll else None

    def begin(self) -> None:
        self._asked = self._hinted
        self._poll = self._soon = False

    def got(self, seq: int, pending: int) -> None:
        self._known = max(self._known, seq)
        self.pending = pending
        self._poll = pending > 0

    def empty(self) -> None:
        self.pending = 0
        self._known = max(self._known, self._asked)


class Turns:
    """The highest lane first, but a lane that was passed over too often while it had mail takes the next turn."""

    def __init__(self) -> None:
        self._passed_over = dict.fromkeys(PASSED_OVER_MAX, 0)

    def next(self, waiting: set) -> Optional[str]:
        overdue = [lane for lane, most in PASSED_OVER_MAX.items() if self._passed_over[lane] >= most]
        for lane in [*reversed(overdue), *PRIORITIES]:
            if lane in waiting:
                return lane
        return None

    def take(self, taken: str, waiting: set) -> None:
        for lane in self._passed_over:
            if lane == taken or lane not in waiting:
                self._passed_over[lane] = 0
            elif PRIORITIES.index(lane) > PRIORITIES.index(taken):
                self._passed_over[lane] += 1
