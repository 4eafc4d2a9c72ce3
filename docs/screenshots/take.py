"""Takes the pictures in this folder anew: `make screenshots`. Needs Chromium and Playwright; fills an installation of its own."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
# file, address, window, theme, what to do first
PICTURES = [
    ("home", "/", DESK, "light", ""),
    ("jobs", "/jobs/", DESK, "light", ""),
    ("jobs-dark", "/jobs/", DESK, "dark", ""),
    ("jobs-phone", "/jobs/", PHONE, "dark", ""),
    ("job", "/jobs/customer-refresh/", DESK, "light", ""),
    ("run-now", "/jobs/customer-refresh/", DESK, "light", "text=Run now"),
    ("runs", "/runs/", DESK, "light", ""),
    ("run-failed", "FAILED", DESK, "light", ""),
    ("run-phone", "FAILED", PHONE, "light", ""),
    ("schedule", "/schedule/?tz=Europe/Paris", {"width": 1280, "height": 1100}, "light", ""),
    ("schedule-dark", "/schedule/?tz=Europe/Paris", {"width": 1280, "height": 1100}, "dark", ""),
    ("job-form", "/admin/jobs/job/customer-refresh/change/", {"width": 1280, "height": 1100}, "light", ""),
    ("job-check", "/admin/jobs/job/customer-refresh/check/", DESK, "light", ""),
]


def main() -> int:
    """0 when every picture was taken."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("Chromium was not found; apt install chromium", file=sys.stderr)
        return 1
    password, port = secrets.token_urlsafe(12), _free_port()
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "NOMAFLOW_HOME": home, "NOMAFLOW_PORT": str(port), "SHOWCASE_PASSWORD": password}
        subprocess.run([sys.executable, str(ROOT / "examples" / "showcase.py")], env=env, check=True, cwd=ROOT)
        web = [
            sys.executable,
            "-m",
            "uvicorn",
            "nomaflow_site.asgi:application",
            "--port",
            str(port),
            "--log-level",
            "warning",
        ]
        server = subprocess.Popen(web, env=env, cwd=ROOT)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url)
            _take(url, chromium, password)
        finally:
            server.kill()
            server.wait()
    return 0


def _take(url: str, chromium: str, password: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(base_url=url)
        page.goto("/login/?next=/jobs/")
        page.fill("[name=username]", "olga")
        page.fill("[name=password]", password)
        page.press("[name=password]", "Enter")
        page.wait_for_url("**/jobs/")
        page.goto("/runs/?state=FAILED")
        failed = page.get_attribute("tbody a[href^='/runs/run_'] >> nth=0", "href")
        state = page.context.storage_state()
        for name, path, window, theme, click in PICTURES:
            where = failed if path == "FAILED" else path
            _picture(browser, url, state, f"{name}.png", where, window, theme, click)
        browser.close()


def _picture(browser: Any, url: str, state: Any, file: str, path: Any, window: Any, theme: str, click: str) -> None:
    options = {"base_url": url, "storage_state": state, "viewport": window, "color_scheme": theme}
    context = browser.new_context(**options, timezone_id="Europe/Paris", reduced_motion="reduce")
    page = context.new_page()
    page.goto(path)
    if click:
        page.click(click)
        page.wait_for_selector("dialog[open] form")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=str(HERE / file))
    context.close()
    print(file)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=5)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("the web server did not answer within 30 s")


if __name__ == "__main__":
    sys.exit(main())
