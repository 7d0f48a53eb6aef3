"""The least that any plan has to do: read the files, read the tenant, compare. A plain script.

    python tests/benchmarks/floor.py FOLDER GRAPH_URL

It parses the YAML with the same C parser, fetches the same pages with httpx, looks the same group
names up, and compares sets of (policy, group, filter). It checks nothing and shows two counts.
`reconciler plan` is measured against it (.github/docs/performance.md), and nothing else uses it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml.cyaml import CSafeLoader

NAMES_PER_FILTER, REQUESTS_PER_BATCH = 15, 20
POLICIES = "deviceManagement/deviceCompliancePolicies?$expand=assignments"
FILTERS = "deviceManagement/assignmentFilters?$select=id,displayName"


def main(folder: Path, graph: str) -> None:
    files = sorted(each for each in folder.glob("*.yaml") if each.name != "tenant.yaml")
    declared = [
        policy
        for file in files
        for policy in CSafeLoader(file.read_bytes()).get_single_data()["policies"]
    ]
    names = {line["group"] for policy in declared for line in policy["include"]}
    headers = {"Authorization": "Bearer any"}
    with httpx.Client(headers=headers, trust_env=False, timeout=60) as http:
        live = list(pages(http, f"{graph}/beta/{POLICIES}"))
        list(pages(http, f"{graph}/beta/deviceManagement/compliancePolicies"))
        filters = {
            each["displayName"]: each["id"] for each in pages(http, f"{graph}/beta/{FILTERS}")
        }
        groups = look_up(http, graph, sorted(names))
    ids = {policy["displayName"]: policy["id"] for policy in live}
    wanted = {
        (ids[policy["name"]], groups[line["group"]], filters[line["filter"]["include"]])
        for policy in declared
        for line in policy["include"]
    }
    there = {
        (policy["id"], target["groupId"], target["deviceAndAppManagementAssignmentFilterId"])
        for policy in live
        for assignment in policy["assignments"]
        for target in [assignment["target"]]
    }
    print(len(wanted - there), len(there - wanted))  # noqa: T201 - its result


def pages(http: httpx.Client, url: str | None) -> Iterator[dict[str, Any]]:
    while url:
        page = http.get(url).raise_for_status().json()
        yield from page["value"]
        url = page.get("@odata.nextLink")


def look_up(http: httpx.Client, graph: str, names: list[str]) -> dict[str, str]:
    """Ids of groups by name, in as few requests as Graph allows."""
    found: dict[str, str] = {}
    left = iter(names)
    chunks = list(iter(lambda: list(islice(left, NAMES_PER_FILTER)), []))
    for first in range(0, len(chunks), REQUESTS_PER_BATCH):
        requests = [
            {
                "id": str(number),
                "method": "GET",
                "url": "/groups?$filter=displayName in ("
                + ",".join(f"'{name}'" for name in chunk)
                + ")&$select=id,displayName,membershipRule",
            }
            for number, chunk in enumerate(chunks[first : first + REQUESTS_PER_BATCH])
        ]
        answer = http.post(f"{graph}/v1.0/$batch", json={"requests": requests}).raise_for_status()
        for response in answer.json()["responses"]:
            found |= {each["displayName"]: each["id"] for each in response["body"]["value"]}
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
