"""``reconciler sandbox``: the embedded Graph on a socket, and the program pointed at it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess

import pytest

from tests.support.run_cli import COMMAND, TIME_LIMIT, copy_example, environment, run, served


@pytest.fixture
def root(tmp_path):
    return copy_example(tmp_path)


def test_its_address_is_the_one_line_on_stdout_and_ctrl_c_ends_it(tmp_path, root):
    """A socket that is left open is a warning."""
    python, *module = COMMAND
    server = subprocess.Popen(
        [python, "-W", "always::ResourceWarning", *module, "sandbox", "--port", "0"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line, note = server.stdout.readline(), server.stderr.readline()
    server.send_signal(signal.SIGINT)
    rest, said = server.communicate(timeout=TIME_LIMIT)
    assert line.startswith("http://127.0.0.1:")
    assert (server.returncode, rest) == (0, "")
    assert (note, said) == ("serving desired-state/sandbox.json; stop with Ctrl-C\n", "stopped\n")


def test_apply_writes_into_it_and_it_keeps_what_was_written(tmp_path, root):
    with served(root / "sandbox.json", "--keep", "kept.json", cwd=tmp_path) as way:
        assert run("apply", "--auto-approve", cwd=tmp_path, env=way).code == 0
        assert run("plan", "--detailed-exitcode", cwd=tmp_path, env=way).code == 0
    assert json.loads((tmp_path / "kept.json").read_text())["organization"]
    with served(tmp_path / "kept.json", cwd=tmp_path) as way:
        assert run("plan", "--detailed-exitcode", cwd=tmp_path, env=way).code == 0
    assert not (root / ".reconciler").exists()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("nope.json", None, "nope.json"),
        ("t.json", "not json", "t.json:1:1: not JSON"),
        ("t.json", "[]", "t.json"),
    ],
)
def test_a_tenant_file_that_cannot_be_used_is_named(tmp_path, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_text(content)
    ran = run("sandbox", name, "--port", "0", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (1, "")
    assert complaint in ran.error


def test_a_port_that_is_taken_is_named_with_the_way_out(tmp_path, root):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("sandbox", "--port", str(port), cwd=tmp_path)
    assert (ran.code, ran.stdout) == (64, "")
    assert f"127.0.0.1:{port}" in ran.error
    assert "--port 0" in ran.error
