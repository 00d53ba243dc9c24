"""Why there was no usable answer: one sentence for people, and whether asking again at once can help.

Not the validator's faults: those are about a plan that came. These are about a plan that did not come.
"""

from __future__ import annotations

from node.errors import N_, RemoteFault

HINT = N_("Plans are made on this computer meanwhile.")


class NoAnswer(RemoteFault):
    """The central planner gave no answer that could be read. Asking again at once would not help."""

    retry_after_s = 0.0


class NoAnswerNow(NoAnswer):
    """A fault that may pass within seconds: the policy `central` asks again."""

    is_transient = True

    def after(self, seconds: float) -> NoAnswerNow:
        """Return this fault with the wait that the planner asked for."""
        self.retry_after_s = seconds
        return self


def cannot_connect(reason: str) -> NoAnswerNow:
    """Nobody takes the connection."""
    return NoAnswerNow(
        "planner.unreachable", N_("The central planner cannot be reached ({reason})."), HINT, reason=reason
    )


def broke_off() -> NoAnswerNow:
    """The connection ended before the answer did."""
    return NoAnswerNow("planner.broke_off", N_("The central planner broke off before its answer was complete."), HINT)


def said_error(status: int, retry_after_s: float | None, *, is_passing: bool) -> NoAnswer:
    """The planner answered with an HTTP error."""
    message = N_("The central planner answered with error {status}.")
    if is_passing:
        return NoAnswerNow("planner.error", message, HINT, status=status).after(retry_after_s or 0.0)
    return NoAnswer("planner.error", message, HINT, status=status)


def too_late(seconds: float) -> NoAnswer:
    """The time for one question is over, whatever is still coming."""
    return NoAnswer(
        "planner.late", N_("The central planner gave no answer within {seconds} s."), HINT, seconds=_s(seconds)
    )


def fell_silent(seconds: float) -> NoAnswer:
    """Nothing came for longer than is allowed between two bytes, or before the first."""
    return NoAnswer("planner.silent", N_("The central planner was silent for {seconds} s."), HINT, seconds=_s(seconds))


def still_hanging() -> NoAnswer:
    """An earlier question could not be cut off and still holds its thread; there is never a second one."""
    return NoAnswer("planner.hanging", N_("An earlier question to the central planner still hangs."), HINT)


def stopping() -> NoAnswer:
    """This program is ending."""
    return NoAnswer("planner.stopping", N_("The question was given up because larder-node is ending."), HINT)


def wrong_address(reason: str) -> NoAnswer:
    """The address in the settings is none."""
    return NoAnswer(
        "planner.address",
        N_("The address of the central planner cannot be used ({reason})."),
        N_("Correct the url under planner in larder.toml."),
        reason=reason,
    )


def _s(seconds: float) -> str:
    return f"{seconds:g}"
