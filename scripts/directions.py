#!/usr/bin/env python3
"""Fails where a crate, or a module of the api crate, depends on what it must not know (ARCHITECTURE.md, "Crates").

The compiler keeps the directions that exist; this keeps a new line in a Cargo.toml from adding a wrong one, and the modules of
the api crate free of circles. `--map` prints which of them uses which.
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
    "query": {"domain", "storage", "recommender"},
    "cache": {"domain", "storage", "settings"},
    "api": {"domain", "storage", "settings", "sources", "query", "cache"},
    "worker": {"domain", "recommender", "storage", "settings", "sources", "query"},
    "scheduler": {"domain", "storage", "settings"},
    "cli": {"domain", "storage", "settings", "sources", "query", "recommender"},
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


def module_arrows():
    """Top-level modules of the api crate, and those that each one uses outside its tests."""
    source = pathlib.Path("crates/api/src")
    arrows = {}
    for file in sorted(source.rglob("*.rs")):
        module = file.relative_to(source).parts[0].removesuffix(".rs")
        if module in ("lib", "main"):
            continue
        code = re.sub(r"//[^\n]*", "", file.read_text().split("#[cfg(test)]")[0])
        used = set(re.findall(r"\bcrate::([a-z_]+)", code))
        for group in re.findall(r"\bcrate::\{([^}]*)\}", code):
            used |= set(re.findall(r"(?:^|,)\s*([a-z_]+)", group))
        # The root gives `State` out.
        used |= {"state"} if re.search(r"\bcrate::State\b|\bcrate::\{[^}]*\bState\b", code) else set()
        arrows.setdefault(module, set()).update(used - {module})
    return arrows


def circle(arrows):
    """Modules that depend on each other, or nothing."""
    done = set()

    def visit(module, path):
        if module in path:
            return path[path.index(module) :] + [module]
        if module in done:
            return None
        for used in sorted(arrows.get(module, ())):
            if found := visit(used, path + [module]):
                return found
        done.add(module)
        return None

    return next(filter(None, (visit(module, []) for module in sorted(arrows))), None)


def circles():
    """A circle among the modules of the api crate, if there is one."""
    if found := circle(module_arrows()):
        yield "modules of the api crate form a circle: " + " -> ".join(found)


def main():
    if "--map" in sys.argv[1:]:
        for module, used in sorted(module_arrows().items()):
            print(f"{module}: {', '.join(sorted(used)) or '-'}")
        return 0
    wrong = [*wrong_crates(), *wrong_modules(), *circles()]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
