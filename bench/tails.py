"""`make bench-tails`: how long a log line takes from `log.info` in a step to whoever watches, with a hundred live logs open.

A worker runs a Python step that logs the time twenty times a second; one web process serves all tails. One of them is a page in
a real Chromium, where Playwright and Chromium are installed: what counts there is when the line stands in the page. Reference of
the same run: one tail alone. Embedded (SQLite, file broker) unless `--servers`. Exits 1 where the 95th percentile is over 500 ms.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from overhead import mode_environment
from servers import free_port, postgresql, redis_server

ROOT = Path(__file__).resolve().parent.parent
MANAGE = str(ROOT / "manage.py")
LIMIT_SECONDS = 0.5
# A person may have so many live logs open.
TAILS_A_USER = 20
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]
PLUGIN = """
import time

def ticker(ctx, *, seconds, **_):
    for _ in range(seconds * 20):
        ctx.log.info(f"at {time.time_ns()}")
        time.sleep(0.05)
"""
JOB = """
[[jobs]]
id = "ticker"
overlap = "allow"
[jobs.params]
seconds = 20
[[jobs.steps]]
name = "tick"
type = "python"
callable = "bench:ticker"
"""
ACCOUNTS = """
from django.contrib.auth import get_user_model
from knox.models import get_token_model
for number in range({users}):
    user = get_user_model().objects.create_superuser(f"bench-{{number}}", password="correct horse")
    print(get_token_model().objects.create(user=user)[1])
"""
OBSERVE = """() => {
  window.late = [];
  new MutationObserver((changes) => {
    const now = Date.now();
    for (const change of changes)
      for (const row of change.addedNodes) {
        const stamp = /^at (\\d+)$/.exec(row.querySelector?.(".text")?.textContent ?? "");
        if (stamp) window.late.push((now - Number(stamp[1]) / 1e6) / 1000);
      }
  }).observe(document.getElementById("log"), { childList: true });
}"""


def main() -> None:
    """One tail, then a hundred; print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tails", type=int, default=100, help="live logs open at once (default 100)")
    parser.add_argument("--servers", action="store_true", help="PostgreSQL and Redis instead of the embedded mode")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nomaflow-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        database = stack.enter_context(postgresql(folder)) if options.servers else ""
        broker = stack.enter_context(redis_server(folder)) if options.servers else ""
        if options.servers and not (database and broker):
            raise SystemExit("install postgresql and redis-server for --servers")
        house = House(folder / "home", database or "", broker or "", options.tails)
        with house.running():
            alone = house.measure(tails=1, page=False)
            many = house.measure(tails=options.tails, page=True)
    print(f"{'':<28}{'lines':>8}{'p50':>9}{'p95':>9}{'max':>9}   / alone (p95)")
    rows = {
        "one tail alone": alone["tails"],
        f"{options.tails} tails, each of them": many["tails"],
        "the page": many["page"],
    }
    slow = 0
    for what, found in rows.items():
        if found:
            p50, p95, most = (percentile(found, percent) for percent in (50, 95, 100))
            ratio = p95 / percentile(alone["tails"], 95)
            print(
                f"{what:<28}{len(found):>8}{p50 * 1000:>6.0f} ms{p95 * 1000:>6.0f} ms{most * 1000:>6.0f} ms{ratio:>8.2f}"
            )
            slow += p95 > LIMIT_SECONDS
    raise SystemExit(1 if slow else 0)


class House:
    """An installation of its own: home, web server, worker."""

    def __init__(self, home: Path, database: str, broker: str, tails: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {**mode_environment(home, database, broker), "NOMAFLOW_PORT": str(self.port)}
        self.manage("migrate", "-v0")
        (home / "plugins").mkdir(exist_ok=True)
        (home / "plugins" / "bench.py").write_text(PLUGIN)
        self.manage("importjobs", "-", text=JOB)
        users = -(-tails // TAILS_A_USER) + 1
        self.tokens = self.manage("shell", "-v0", "-c", ACCOUNTS.format(users=users)).split()

    def manage(self, *arguments: str, text: str | None = None) -> str:
        """What a command prints."""
        done = subprocess.run(
            [sys.executable, MANAGE, *arguments], env=self.env, input=text, stdout=subprocess.PIPE, text=True
        )
        if done.returncode:
            raise SystemExit(f"manage.py {arguments[0]} failed with code {done.returncode}")
        return done.stdout

    @contextmanager
    def running(self) -> Iterator[None]:
        """Web server and worker for the time of the block."""
        started = [subprocess.Popen([sys.executable, MANAGE, name], env=self.env) for name in ("web", "worker")]
        try:
            deadline = time.monotonic() + 60
            while not self.answers():
                if time.monotonic() > deadline:
                    raise SystemExit("the web server did not answer within a minute")
                time.sleep(0.1)
            yield
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(30)

    def answers(self) -> bool:
        """Whether the web server does."""
        try:
            return bool(urllib.request.urlopen(f"{self.url}/health", timeout=5).status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def trigger(self) -> str:
        """A new run's id."""
        headers = {"Authorization": f"Token {self.tokens[0]}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self.url}/admin/jobs/ticker/run", data=b"{}", headers=headers, method="POST"
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(json.load(answer)["run_id"])

    def measure(self, *, tails: int, page: bool) -> dict[str, list[float]]:
        """How late each line was, in seconds, at the tails and on the page."""
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        with ExitStack() as stack:
            run_id = self.trigger()
            watched = stack.enter_context(self.watching(program, run_id)) if page and program else None
            if page and watched is None:
                print("the page: not measured; install chromium, and Playwright with `make test`", file=sys.stderr)
            # Playwright has an event loop in this thread.
            with ThreadPoolExecutor(1) as thread:
                found = thread.submit(asyncio.run, self.tail_all(run_id, tails - bool(watched))).result()
            late = watched.evaluate("window.late") if watched else []
        return {"tails": found, "page": late}

    @contextmanager
    def watching(self, program: str, run_id: str) -> Iterator[Any]:
        """The run's page in a browser that notes when each line stood in it."""
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            yield None
            return
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=program, args=QUIET)
            page = browser.new_page(base_url=self.url)
            page.goto(f"/login/?next=/runs/{run_id}/")
            page.fill("[name=username]", f"bench-{len(self.tokens) - 1}")
            page.fill("[name=password]", "correct horse")
            page.press("[name=password]", "Enter")
            page.wait_for_selector("text=live >> visible=true")
            page.evaluate(OBSERVE)
            yield page
            browser.close()

    async def tail_all(self, run_id: str, tails: int) -> list[float]:
        """Read the run's stream so many times at once, to its end."""
        tokens = [self.tokens[number // TAILS_A_USER] for number in range(tails)]
        return [
            late for found in await asyncio.gather(*(self.tail(run_id, token) for token in tokens)) for late in found
        ]

    async def tail(self, run_id: str, token: str) -> list[float]:
        """How late each of its lines came that was written after it began."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"GET /runs/{run_id}/log/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {token}\r\n\r\n"
        writer.write(head.encode())
        began, late = time.time_ns(), []
        async for line in reader:
            if line.startswith(b"HTTP/1.1 ") and b" 200 " not in line:
                raise SystemExit(f"a tail was refused: {line.decode().strip()}")
            if line.startswith(b"event: end"):
                break
            stamp = json.loads(line[6:])["text"].partition("at ")[2] if line.startswith(b'data: {"seq"') else ""
            if stamp.isdigit() and int(stamp) > began + 1_000_000_000:
                late.append((time.time_ns() - int(stamp)) / 1e9)
        writer.close()
        return late


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many of a hundred don't exceed."""
    return sorted(values)[max(-(-len(values) * percent // 100) - 1, 0)]


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
