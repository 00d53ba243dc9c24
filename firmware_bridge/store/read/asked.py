"""What became of requests to boards. Part of `firmware_bridge.store.read`; never a writer."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AskAnswered:
    """The answer to one request. status: done, unknown_op, bad_args, busy, failed, no_answer, not_linked,
    unsupported, late or refused. detail: of a tare the first record number it applies to, else ''."""

    ask_id: str
    device_uid: str | None
    op: str
    status: str
    detail: str
    answered_utc_us: int


def answer_to(conn: sqlite3.Connection, ask_id: str) -> AskAnswered | None:
    """Return the newest answer to the request of this name, None while there is none."""
    row = conn.execute(
        "select ask_id, uid, op, status, detail, answered_us from answer where ask_id = ? order by answer desc limit 1",
        (ask_id,),
    ).fetchone()
    return None if row is None else AskAnswered(*row)
