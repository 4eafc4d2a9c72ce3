"""Answers questions about one installation, one JSON line each: code to run, or a management command."""

import io
import json
import os
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

IMPORTS = "from runs.models import *\nfrom jobs.models import *\nfrom notifications.models import *\n"

ANSWERS = os.fdopen(os.dup(1), "w")


def answer(question: dict) -> dict:
    """{"code", "out", "err"} of a question."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            if "python" in question:
                names: dict = {"json": json}
                exec(IMPORTS + question["python"], names)
            else:
                sys.stdin = io.TextIOWrapper(io.BytesIO((question["stdin"] or "").encode()))
                call_command(*question["manage"], stdout=out, stderr=err)
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            code = 1
            err.write(traceback.format_exc())
    if connection.in_atomic_block:
        connection.close()
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


QUESTIONS = sys.stdin
for line in QUESTIONS:
    ANSWERS.write(json.dumps(answer(json.loads(line))) + "\n")
    ANSWERS.flush()
