"""Run the scripted central planner by hand: prints its address, then one line for each request."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from tests.standin import Scenario, StandIn

parser = argparse.ArgumentParser(prog="python -m tests.standin")
parser.add_argument("--answers", default="good", help="names of answers, in order, with commas")
parser.add_argument("--scenario", type=Path, help="a JSON file with answers and seed, in place of --answers")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
scenario = (
    Scenario.from_file(options.scenario) if options.scenario else Scenario(options.answers.split(","), options.seed)
)
with StandIn(scenario) as stand_in:
    print(stand_in.url, flush=True)
    told = 0
    while not threading.Event().wait(0.2):
        for seen in stand_in.seen[told:]:
            print(f"{seen.answer}: {len(seen.body)} bytes, key {seen.headers.get('idempotency-key')}", flush=True)
            told += 1
