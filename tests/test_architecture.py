"""What the project promises about its own shape."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from reconciler import __version__
from reconciler.cli.entry import cli

TOP = Path(__file__).parents[1]
PACKAGE = TOP / "reconciler"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = (
    "httpx",
    "msal",
    "pydantic",
    "ruamel",
    "deepdiff",
    "werkzeug",
    "jinja2",
    "requests",
    "cryptography",
)
COMMANDS = tuple(cli.list_commands(None))

_LOADED = """
import json, sys
from reconciler.cli.entry import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def name(path):
    """Name a module as it is imported."""
    return ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")


def loaded_by(*arguments):
    """Run the command line in a fresh interpreter; gives the packages that it has imported."""
    return {module.partition(".")[0] for module in modules_loaded_by(*arguments)}


def modules_loaded_by(*arguments):
    """The same for modules, by their whole names."""
    ran = subprocess.run(
        [sys.executable, "-c", _LOADED, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=TOP,
    )
    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0
    return set(modules)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([c, "--help"] for c in COMMANDS)]
)
def test_help_and_version_import_nothing_heavy(arguments):
    assert loaded_by(*arguments) & set(HEAVY) == set()


def test_validating_takes_neither_the_network_s_nor_the_sandbox_s_libraries():
    loaded = loaded_by("validate", "desired-state")
    assert loaded & {"httpx", "msal", "requests", "werkzeug", "jinja2", "cryptography"} == set()
    assert loaded >= {"pydantic", "ruamel"}


def test_a_plan_in_text_loads_neither_the_json_documents_nor_what_writes():
    loaded = modules_loaded_by("plan", "desired-state", "--sandbox")
    assert not [each for each in loaded if each.startswith("reconciler.applier")]
    assert not [each for each in loaded if each.startswith("reconciler.documents")]
    assert loaded & {"msal", "requests", "cryptography", "reconciler.views.markdown"} == set()


def test_the_views_and_the_core_never_print():
    printing = [
        f"{name(path)}:{node.lineno}"
        for path in MODULES
        if path.parent.name != "cli"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert printing == []


def test_foreign_text_is_made_harmless_in_one_place():
    own = [
        str(module.relative_to(TOP))
        for module in MODULES
        if "isprintable() else" in module.read_text(encoding="utf-8")
    ]
    assert own == [], "use reconciler.model.text.visible"


def test_no_module_is_named_after_nothing():
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "misc"}
    assert [name(path) for path in MODULES if path.stem in vague] == []


def test_no_two_classes_have_one_name():
    names = [
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def test_every_module_says_what_it_is_for():
    silent = [
        name(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


def public(body, prefix=""):
    """Walk the public classes, functions and methods of a module."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        yield f"{prefix}{node.name}", node
        if isinstance(node, ast.ClassDef):
            yield from public(node.body, f"{node.name}.")


def test_every_public_function_and_class_has_a_docstring():
    silent = [
        f"{name(path)}.{each}"
        for path in MODULES
        for each, node in public(ast.parse(path.read_text(encoding="utf-8")).body)
        if not ast.get_docstring(node) and not _is_overload(node)
    ]
    assert silent == []


def _is_overload(node):
    """A property's signature in a private protocol, or an overload, has a body of dots alone."""
    return not isinstance(node, ast.ClassDef) and any(
        isinstance(decorator, ast.Name) and decorator.id == "overload"
        for decorator in node.decorator_list
    )


def test_broad_excepts_stand_at_the_program_s_end_and_around_each_root_and_each_policy_s_write():
    broad = {
        name(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    }
    assert broad == {
        "reconciler.cli.entry",
        "reconciler.cli.each_root",
        "reconciler.operations.side_by_side",
        "reconciler.cli.completion",
        "reconciler.applier.policy",
    }


def test_the_contracts_of_the_layers_hold():
    pytest.importorskip("importlinter")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    ran = subprocess.run(
        [*command, "--no-cache"], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def test_the_console_script_and_the_version_are_declared():
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"reconciler": "reconciler.cli:main"}
    assert project["version"] == __version__
    [script] = metadata.entry_points(group="console_scripts", name="reconciler")
    assert script.load().__module__ == "reconciler.cli.entry"


def test_the_top_of_the_repository_holds_what_was_agreed_on():
    if not (TOP / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {line.partition("/")[0] for line in listed.splitlines()}
    assert {each for each in names if not each.startswith(".")} == {
        "pyproject.toml",
        "reconciler",
        "desired-state",
        "tests",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
    }
    assert ".github" in names
