"""The way in: commands are imported when they are called, and every failure ends here.

This module is on the path of ``--help`` and ``--version``, so it imports click and nothing heavy.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import keyword
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, TextIO

import click

from reconciler.cli.version import version_option
from reconciler.model.errors import ExitCode, Interrupted, ReconcilerError

_COMMANDS = {
    "init": "lay out a tenant root and the GitHub workflows",
    "import": "write YAML for live policies that no file declares",
    "validate": "check the files offline",
    "plan": "show what apply would do",
    "apply": "plan, ask, write, read back; the only command that writes to the tenant",
    "show": "render a saved plan",
    "tenants": "list the tenant roots below a folder",
    "snapshot": "save what a plan needs of the tenant, to plan offline",
    "who": "list what hangs on a group or filter",
    "lock": "write down which id every name leads to",
    "doctor": "check sign-in, tenant, permissions and reachability",
    "comment": "put a plan on its pull request",
    "schema": "print JSON Schema of the files",
    "sandbox": "serve the embedded Graph on loopback",
}
"""In the order of ``--help``; each is the name of a module in `reconciler.cli.commands`,
with an underscore behind it where Python keeps the word for itself."""


_WIDEST_HELP = 100
"""Columns."""


class _LazyGroup(click.Group):
    """A group that imports a command's module when the command is called or asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands without importing them."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        module = importlib.import_module(f"reconciler.cli.commands.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the lines that stand here, for the same reason."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for a mistyped one."""
        import difflib

        name = args[0]
        if name == "help":
            name = self._help(ctx, args[1:])
        if name not in _COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, [*_COMMANDS, "--version"], n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            from reconciler.model.text import visible

            ctx.fail(f'No such command "{visible(name)}".{hint}')
        return super().resolve_command(ctx, args)

    def _help(self, ctx: click.Context, names: Sequence[str]) -> str:
        """Answer ``help`` and ``help COMMAND`` as the option does; gives back an unknown command."""
        command = self.get_command(ctx, names[0]) if names else None
        if names and command is None:
            return names[0]
        click.echo(
            command.get_help(click.Context(command, ctx, names[0])) if command else ctx.get_help()
        )
        raise click.exceptions.Exit(ExitCode.OK)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST_HELP},
    epilog="Exit codes: 0 done, 1 error, 2 changes (plan --detailed-exitcode), 3 the plan no "
    "longer matches, 4 waiting for Multi Admin Approval, 5 stopped by a guardrail, 64 usage, "
    "130 interrupted.",
)
@version_option
def cli() -> None:
    """GitOps for Microsoft Intune compliance policies.

    Declare in YAML which targets each compliance policy should have; see a plan; apply it.
    Nothing is written to the tenant unless the command is apply.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    # A plan builds many small values and drops none until the end, so the collector's walks over
    # them find nothing: at its usual pace they were half of the time that 25,000 assignments took.
    gc.disable()
    _speak_utf8()
    code = run(arguments)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # full, or gone: its exit code is not the command's
            _drop(stream)
        except AttributeError:  # closed before the start
            continue
    gc.freeze()  # the interpreter walks everything once more at its end, to no use
    sys.exit(code)


def wake_collector() -> None:
    """Let the collector work again, for what may run long: writing, and serving.

    What is there already is spared its walks.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _speak_utf8() -> None:
    """Keep names whole where the machine's own encoding lacks their letters, and JSON UTF-8.

    A terminal keeps its encoding; a pipe or a file gets UTF-8. What cannot be written is spelt
    out, as a name must never end the run.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give the exit code; no traceback ever reaches the user.

    The one place that catches everything.
    """
    typed = sys.argv[1:] if arguments is None else list(arguments)
    as_json = _logs_json(typed)
    try:
        code = cli.main(
            args=typed,
            prog_name="reconciler",
            standalone_mode=False,
            terminal_width=max(min(_columns(), _WIDEST_HELP) - 2, 50),
        )
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except click.UsageError as refused:
        _show_usage(refused, typed, as_json=as_json)
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        return _interrupted("Interrupted; nothing was written to the tenant.", as_json=as_json)
    except Interrupted as stop:
        return _interrupted(f"Interrupted: {stop}.", as_json=as_json)
    except click.ClickException as failure:
        return _fail(failure.format_message(), as_json=as_json)
    except ReconcilerError as failure:
        return _fail(str(failure), failure.exit_code, as_json=as_json)
    except OSError as fault:
        return _cannot_write(fault, as_json=as_json)
    except Exception as bug:  # noqa: BLE001 - the one catch-all: a traceback helps no user
        return _fail(describe(bug), as_json=as_json)
    return code if isinstance(code, int) else ExitCode.OK


_COLUMNS = 80
"""Where there is no terminal."""


def _columns() -> int:
    """The terminal's width by the rules of `shutil.get_terminal_size`, which click asks.

    Importing it takes a tenth of the time of --help, as it brings three compression libraries.
    """
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        columns_there = (
            os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else 0
        )
    except (ValueError, OSError):  # closed, or no terminal
        columns_there = 0
    return columns_there or _COLUMNS


def _logs_json(typed: Sequence[str]) -> bool:
    """Whether JSON is asked for on stderr, even where the rest of the command line is wrong."""
    pairs = zip(typed, [*typed[1:], ""], strict=False)
    return any(
        option == "--log-format=json" or (option, value) == ("--log-format", "json")
        for option, value in pairs
    )


def _show_usage(refused: click.UsageError, typed: Sequence[str], *, as_json: bool) -> None:
    if isinstance(refused, click.exceptions.NoArgsIsHelpError):
        refused.show()  # its message is the help
        return
    if refused.ctx is not None and not as_json:
        click.echo(refused.ctx.get_usage(), err=True)
        click.echo(f"Try '{refused.ctx.command_path} --help' for help.\n", err=True)
    from reconciler.cli.usage_advice import explain

    _fail(explain(refused, typed), as_json=as_json)


def _fail(message: str, code: ExitCode = ExitCode.ERROR, *, as_json: bool) -> int:
    from reconciler.cli.logs import report_error

    report_error(message, as_json=as_json)
    return code


def _interrupted(message: str, *, as_json: bool) -> int:
    """Leave at once: threads that still wait for a response must not hold the user up."""
    import signal

    from reconciler.cli.logs import log_line

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient one more must not break this off
    with contextlib.suppress(OSError, ValueError):
        if as_json:
            log_line("error", message)
        else:
            click.echo(message, err=True)
        sys.stdout.flush()
    os._exit(ExitCode.INTERRUPTED)


def _cannot_write(fault: OSError, *, as_json: bool) -> int:
    """End where stdout takes no more: silently, as filters do, if its reader (head, less) has gone."""
    if sys.stdout is not None:
        _drop(sys.stdout)
    if isinstance(fault, BrokenPipeError):
        return ExitCode.ERROR
    return _fail(describe(fault), as_json=as_json)


def _drop(stream: TextIO) -> None:
    """Let go of what is buffered: it would fail once more at the very end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def describe(bug: Exception) -> str:
    """Name what the system refused by its reason; a bug by kind and place, as its text may hold anything."""
    if isinstance(bug, OSError):
        return f"{bug.strerror or bug}{f': {bug.filename}' if bug.filename else ''}"
    place = bug.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = ""
    if place is not None:
        where = f" at {os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}"  # noqa: PTH119
    return (
        f"internal error ({type(bug).__name__}{where}); this is a bug in reconciler, "
        "please report it with the command you ran"
    )
