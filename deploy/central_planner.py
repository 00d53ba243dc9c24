"""A small central planner for the demo and the tests: reads plan-request/1, answers plan-proposal/1.

It is not a part of a market and imports nothing of Larder, only the standard library: it stands for the city's service,
which knows a market by its request alone. It plans honestly and simply, and ends with whoever started it. With --flaky
it lies in turn, to show what markets do then.

    python3 deploy/central_planner.py --port 0        prints the port, then serves until it is ended
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME = "larder-central/1"
PATH = "/v1/plan-proposals"
REQUEST_BYTES_MAX = 1024 * 1024
ANSWERS_KEPT_MAX = 256
STARTS_MAX = 100
DISHES_MAX = 100
REQUEST_WITHIN_S = 30.0
LATER_DAY = 8
_PR_SET_PDEATHSIG = 1

Request = dict[str, Any]
Stock = dict[str, dict[int, int]]


class NotUnderstood(ValueError):
    """The request does not keep to plan-request/1."""


def read_request(body: bytes) -> Request:
    """Return a request that has everything the planner reads. Raises NotUnderstood."""
    try:
        request = json.loads(body)
        if request["schema"] != "plan-request/1":
            raise NotUnderstood("another schema")
        for recipe in request["recipes"]:
            if min(recipe["portion"].values(), default=0) < 0 or int(recipe["minutes"]) < 0:
                raise NotUnderstood("a negative amount")
        for each in request["classes"]:
            each["recipes"] = set(each["recipes"])
            each["people"] = int(each["people"])
        for bucket in request["stock"]:
            bucket["day"], bucket["g"] = int(bucket["day"]), int(bucket["g"])
        request["limits"] = {name: int(value) for name, value in request["limits"].items()}
        request["horizon"] = [str(day) for day in request["horizon"]]
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise NotUnderstood(f"not a plan-request/1: {error}") from error
    return request


def stock_of(request: Request) -> Stock:
    """Return what is there: ingredient -> last usable day -> amount."""
    stock: Stock = {}
    for bucket in request["stock"]:
        days = stock.setdefault(bucket["ingredient"], {})
        days[bucket["day"]] = days.get(bucket["day"], 0) + bucket["g"]
    return stock


def usable(stock: Stock, ingredient: str, day: int) -> int:
    """Return how much of an ingredient can still be used on a day of the horizon."""
    return sum(amount for last, amount in stock.get(ingredient, {}).items() if last >= min(day, LATER_DAY))


def portions_possible(recipe: dict[str, Any], stock: Stock, day: int) -> int:
    """Return for how many portions there is enough of everything."""
    return min(
        (usable(stock, ingredient, day) // amount for ingredient, amount in recipe["portion"].items() if amount),
        default=0,
    )


def take(recipe: dict[str, Any], portions: int, stock: Stock, day: int) -> int:
    """Take what a dish needs, first expired first; return its urgency: amounts times how soon each would expire."""
    saved = 0
    for ingredient, amount in recipe["portion"].items():
        left = amount * portions
        for last in sorted(stock.get(ingredient, {})):
            if last < min(day, LATER_DAY) or not left:
                continue
            taken = min(left, stock[ingredient][last])
            stock[ingredient][last] -= taken
            left -= taken
            saved += taken * (LATER_DAY - last)
    return saved


def portion_of(stock: Stock, recipe: dict[str, Any]) -> Stock:
    """Return a copy of what a recipe could take from."""
    return {ingredient: dict(stock.get(ingredient, {})) for ingredient in recipe["portion"]}


def serve(recipe: dict[str, Any], hungry: dict[str, int], classes: list[dict[str, Any]], most: int) -> dict[str, int]:
    """Share out at most `most` portions among the classes that can eat a dish, those with the fewest choices first."""
    portions = {}
    for each in sorted(classes, key=lambda each: (len(each["recipes"]), each["id"])):
        if recipe["id"] in each["recipes"] and most > 0 and hungry[each["id"]] > 0:
            portions[each["id"]] = min(most, hungry[each["id"]])
            most -= portions[each["id"]]
    return portions


def best_dish(
    recipes: list[dict[str, Any]], hungry: dict[str, int], request: Request, stock: Stock, day: int, minutes: int
) -> tuple[dict[str, Any], dict[str, int]] | None:
    """Return the dish that serves most, of those the one that saves most, in a fixed order."""
    best, best_worth = None, (0, 0, 0)
    for recipe in recipes:
        if recipe["minutes"] > minutes:
            continue
        portions = serve(recipe, hungry, request["classes"], portions_possible(recipe, stock, day))
        served = sum(portions.values())
        if served == 0 or served < request["limits"].get("batch_min", 1):
            continue
        worth = (served, take(recipe, served, portion_of(stock, recipe), day), -recipe["minutes"])
        if worth > best_worth:
            best, best_worth = (recipe, portions), worth
    return best


def plan_from(request: Request, first: str | None) -> tuple[tuple[float, ...], list[dict[str, Any]]]:
    """Plan every day and meal, beginning with one recipe where it fits; return its worth and its dishes.

    Worth, compared in this order: the share of the class that gets least, portions, what does not expire unused, what
    is used of the rest that expires soon, few dishes, few minutes.
    """
    stock, dishes, saved, worked = stock_of(request), [], 0, 0
    served = {each["id"]: 0 for each in request["classes"]}
    for number, day in enumerate(request["horizon"]):
        minutes = request["limits"].get("minutes", 0)
        for meal in sorted({recipe["meal"] for recipe in request["recipes"]}):
            hungry = {each["id"]: each["people"] for each in request["classes"]}
            open_recipes = [recipe for recipe in request["recipes"] if recipe["meal"] == meal]
            for _turn in range(request["limits"].get("breakfasts" if meal == "breakfast" else "mains", 1)):
                wanted = [recipe for recipe in open_recipes if recipe["id"] == first]
                chosen = best_dish(wanted, hungry, request, stock, number, minutes) or best_dish(
                    open_recipes, hungry, request, stock, number, minutes
                )
                if chosen is None or len(dishes) >= DISHES_MAX:
                    break
                recipe, portions = chosen
                open_recipes.remove(recipe)
                minutes -= recipe["minutes"]
                saved += take(recipe, sum(portions.values()), stock, number)
                worked += recipe["minutes"]
                for label, count in portions.items():
                    hungry[label] -= count
                    served[label] += count
                dishes.append({"day": day, "meal": meal, "recipe": recipe["id"], "portions": portions})
    least = min((served[each["id"]] / each["people"] for each in request["classes"] if each["people"]), default=1.0)
    expired = sum(amount for days in stock.values() for last, amount in days.items() if last < len(request["horizon"]))
    return (least, sum(served.values()), -expired, saved, -len(dishes), -worked), dishes


def propose(request: Request, ends_at_s: float) -> dict[str, Any]:
    """Return the best of several plans, each begun with another dish, as far as the deadline lets it try."""
    best, tried = plan_from(request, None), 1
    for recipe in request["recipes"][:STARTS_MAX]:
        if time.monotonic() >= ends_at_s:
            break
        other = plan_from(request, recipe["id"])
        tried += 1
        if other[0] > best[0]:
            best = other
    worth, dishes = best
    reasons = [
        f"{worth[1]} portions, dishes: {len(dishes)}",
        f"of {tried} plans the one that uses most of what expires first",
    ]
    return {
        "schema": "plan-proposal/1",
        "snapshot_id": request["snapshot_id"],
        "planner": NAME,
        "dishes": dishes,
        "reasons": reasons,
    }


LIES = ("honest", "forbidden dish", "more than there is", "busy", "half an answer")


def distorted(proposal: dict[str, Any], request: Request, lie: str) -> dict[str, Any]:
    """Return a proposal that lies: a dish for people who cannot eat it, or far more than there is."""
    false = copy.deepcopy(proposal)
    for each in request["classes"] if lie == "forbidden dish" else ():
        for recipe in request["recipes"]:
            if recipe["id"] not in each["recipes"]:
                dish = {"day": request["horizon"][0], "meal": recipe["meal"], "recipe": recipe["id"]}
                false["dishes"] = [{**dish, "portions": {each["id"]: min(1, each["people"])}}]
                return false
    stock, day = stock_of(request), request["horizon"][0]
    for recipe in request["recipes"]:
        portions = {each["id"]: each["people"] for each in request["classes"] if recipe["id"] in each["recipes"]}
        if portions and portions_possible(recipe, stock, 0) < sum(portions.values()):
            false["dishes"] = [{"day": day, "meal": recipe["meal"], "recipe": recipe["id"], "portions": portions}]
            return false
    for dish in false["dishes"]:  # there is enough of everything, so more people than there are
        dish["portions"] = {each["id"]: each["people"] * 50 for each in request["classes"]}
    return false


class Handler(BaseHTTPRequestHandler):
    """One request over HTTP. The same key gets the same answer."""

    server: Planner
    timeout = REQUEST_WITHIN_S

    def do_POST(self) -> None:
        """Answer one request for a plan."""
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != PATH or not 0 < length <= REQUEST_BYTES_MAX:
            self.send_error(404 if self.path != PATH else 413)
            return
        body = self.rfile.read(length)
        deadline_ms = self.headers.get("X-Deadline-Ms") or "30000"
        # Half of the time is for the way, and for whoever waits.
        ends_at_s = time.monotonic() + (int(deadline_ms) if deadline_ms.isdigit() else 30000) / 2000
        time.sleep(self.server.delay_s)
        try:
            self.answer(body, ends_at_s)
        except NotUnderstood as error:
            self.send_error(400, str(error)[:200].replace("\n", " "))

    def answer(self, body: bytes, ends_at_s: float) -> None:
        """Send the answer to a request, with a lie where it is the turn of one."""
        lie = self.server.next_lie()
        if lie == "busy":
            self.send_response(503)
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        request = read_request(body)
        proposal = self.server.answer_for(self.headers.get("Idempotency-Key") or "", request, ends_at_s)
        if lie in {"forbidden dish", "more than there is"}:
            proposal = distorted(proposal, request, lie)
        content = json.dumps(proposal).encode()
        if lie == "half an answer":
            content = content[: len(content) // 2]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say each request in one line, on the error output."""
        print(format % arguments, file=sys.stderr, flush=True)


class Planner(ThreadingHTTPServer):
    """The service on one port of this computer."""

    daemon_threads = True

    def __init__(self, port: int, *, delay_s: float, is_flaky: bool) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.delay_s = delay_s
        self.is_flaky = is_flaky
        self.turn = 0
        self.lock = threading.Lock()
        self.answers: dict[str, dict[str, Any]] = {}

    def next_lie(self) -> str:
        """Return what the next answer is to be."""
        with self.lock:
            lie = LIES[self.turn % len(LIES)] if self.is_flaky else LIES[0]
            self.turn += 1
            return lie

    def answer_for(self, key: str, request: Request, ends_at_s: float) -> dict[str, Any]:
        """Return the answer already given under this key, else a new one."""
        with self.lock:
            if key in self.answers:
                return self.answers[key]
        proposal = propose(request, ends_at_s)
        with self.lock:
            while len(self.answers) >= ANSWERS_KEPT_MAX:
                self.answers.pop(next(iter(self.answers)))
            if key:
                self.answers[key] = proposal
            return proposal


def end_with_parent() -> None:
    """Ask the kernel to end this process when whoever started it ends."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended between the two lines
        sys.exit(0)


def main() -> int:
    """Serve until ended; return the exit code."""
    parser = argparse.ArgumentParser(prog="central_planner.py", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one and prints it")
    parser.add_argument("--delay", type=float, default=0.0, metavar="S", help="answer after S seconds")
    parser.add_argument("--flaky", action="store_true", help="lie in turn: " + ", ".join(LIES))
    options = parser.parse_args()
    end_with_parent()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    try:
        server = Planner(options.port, delay_s=max(0.0, options.delay), is_flaky=options.flaky)
    except OSError as error:
        print(f"port {options.port} cannot be used: {error.strerror}", file=sys.stderr)
        return 1
    with server:
        print(server.server_address[1], flush=True)
        try:
            server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
