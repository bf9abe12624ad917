#!/usr/bin/env python3
"""Fails where a crate, or a module of the api crate, depends on what it must not know (ARCHITECTURE.md, "Crates").

The compiler keeps the directions that exist; this keeps a new line in a Cargo.toml from adding a wrong one.
"""

import json
import pathlib
import re
import subprocess
import sys

# crate -> the crates of this workspace that it may use. A crate that is missing here fails the check.
MAY_USE = {
    "domain": set(),
    "recommender": set(),
    "sources": {"domain"},
    "storage": {"domain"},
    "settings": {"domain"},
    "query": {"domain", "storage"},
    "cache": {"domain", "storage", "settings"},
    "api": {"domain", "storage", "settings", "query", "cache"},
    "worker": {"domain", "recommender", "storage", "settings", "sources"},
    "scheduler": {"domain", "storage", "settings"},
    "cli": {"domain", "storage", "settings", "sources", "query"},
    "test-support": {"domain", "storage"},
}
# Tests may use this as well: the outage test runs a worker beside the API.
TESTS_MAY_USE = {"test-support"}
TESTS_OF_API_MAY_USE = {"worker"}

# Modules of the api crate that may name `State`: those that build it and those that answer with it. Everything else
# takes the narrow handles it needs, so that no two modules depend on each other through `State`.
MAY_NAME_STATE = re.compile(r"^(lib|state|router)\.rs$|^routes/")
NAMES_STATE = re.compile(r"\bcrate::(?:state::)?State\b|\bcrate::(?:state::)?\{[^}]*\bState\b|\buse super::State\b")


def wrong_crates():
    """Arrows between crates that the table does not have."""
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--locked"]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["packages"]
    ours = {package["name"] for package in packages}
    for package in packages:
        name = package["name"]
        if name not in MAY_USE:
            yield f"crate {name} is not in the table of scripts/directions.py"
            continue
        for dependency in package["dependencies"]:
            used, kind = dependency["name"], dependency["kind"] or "normal"
            allowed = MAY_USE[name]
            if kind == "dev":
                allowed = allowed | TESTS_MAY_USE | (TESTS_OF_API_MAY_USE if name == "api" else set())
            if used in ours and used not in allowed:
                yield f"crate {name} must not use {used} ({kind} dependency)"


def wrong_modules():
    """Modules of the api crate that name `State` and must not."""
    source = pathlib.Path("crates/api/src")
    for file in sorted(source.rglob("*.rs")):
        module = file.relative_to(source).as_posix()
        if not MAY_NAME_STATE.search(module) and NAMES_STATE.search(file.read_text()):
            yield f"{file} must not name State; give it the handle that it needs"


def main():
    wrong = [*wrong_crates(), *wrong_modules()]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
