"""The process that `forks.Forks` starts: it imports everything once, and then forks itself.

Each line of standard input orders a program, in JSON; the reply is its exit code.
"""

import importlib
import json
import os
import pkgutil
import sys
import traceback
from collections.abc import Mapping
from typing import Any

import freezegun  # noqa: F401 - for the programs

import haios_dag
from haios_dag.base import schema
from haios_dag.embedding import space
from haios_dag.ingest import front_matter


def warm() -> None:
    """Load what a beat loads; nothing of a workspace is touched."""
    importlib.import_module("doit.doit_cmd")
    for module in pkgutil.walk_packages(haios_dag.__path__, "haios_dag."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    space.embed(["a text"])
    front_matter.split("---\na: 1\n---\n")
    for path in schema.resource("schemas").glob("*.schema.json"):
        schema.problems(path.name.removesuffix(".schema.json"), {})


def child(order: Mapping[str, Any]) -> int:
    """Be the program; return its exit code."""
    os.setsid()
    descriptor = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv = ["program", *order["arguments"]]

    try:
        exec(order["source"], {"__name__": "__main__", "sys": sys, "os": os})  # noqa: S102
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        return 70
    return 0


def serve() -> None:
    """Fork a program for each order."""
    warm()
    print("ready", flush=True)
    while line := sys.stdin.readline():
        if not (pid := os.fork()):
            code = 71
            try:
                code = child(json.loads(line))
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
