"""Other tools with as many items as a tenant has assignments, and nothing to change."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path


def terraform(tool: str, items: int, folder: Path) -> list[str]:
    """Resources that do nothing (``terraform_data``), each as its state has it.

    The state is written here, as an apply of 10,000 takes half an hour.
    """
    folder.mkdir()
    blocks, resources = [], []
    for number in range(items):
        value = {key: f"{key} {number}" for key in ("a", "b", "c", "d")}
        lines = "".join(f'    {key} = "{text}"\n' for key, text in value.items())
        blocks.append(f'resource "terraform_data" "r{number}" {{\n  input = {{\n{lines}  }}\n}}\n')
        typed = {"value": value, "type": ["object", dict.fromkeys(value, "string")]}
        attributes = {"id": f"r{number}", "input": typed, "output": typed, "triggers_replace": None}
        resources.append(
            {
                "mode": "managed",
                "type": "terraform_data",
                "name": f"r{number}",
                "provider": 'provider["terraform.io/builtin/terraform"]',
                "instances": [{"schema_version": 0, "attributes": attributes}],
            }
        )
    state = {"version": 4, "terraform_version": "1.5.0", "serial": 1, "lineage": "benchmark"}
    state |= {"outputs": {}, "resources": resources}
    (folder / "main.tf").write_text("".join(blocks))
    (folder / "terraform.tfstate").write_text(json.dumps(state))
    here = f"-chdir={folder}"
    subprocess.run([tool, here, "init", "-input=false"], check=True, capture_output=True)
    return [tool, here, "plan", "-input=false", "-no-color", "-detailed-exitcode"]


def octodns(tool: str, items: int, folder: Path) -> list[str]:
    """A records with two values each, in YAML on both sides; a run without ``--doit``."""
    records = "".join(
        f"r{number}:\n  type: A\n  values:\n  - 10.0.0.1\n  - 10.0.0.2\n"
        for number in sorted(range(items), key=lambda number: f"r{number}")
    )
    for side in ("source", "target"):
        (folder / side).mkdir(parents=True)
        (folder / side / "example.com.yaml").write_text(f"---\n{records}")
    providers = {
        side: {
            "class": "octodns.provider.yaml.YamlProvider",
            "directory": str(folder / side),
            "enforce_order": False,
        }
        for side in ("source", "target")
    }
    zones = {"example.com.": {"sources": ["source"], "targets": ["target"]}}
    (folder / "config.yaml").write_text(json.dumps({"providers": providers, "zones": zones}))
    return [tool, "--config-file", str(folder / "config.yaml")]
