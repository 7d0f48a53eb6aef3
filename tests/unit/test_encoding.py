"""The bytes of a write, and the digest by which a queued one is known again."""

import json
from dataclasses import replace

import pytest

from reconciler.graph.encoding import encode
from reconciler.model.requests import (
    AssignmentToSend,
    AssignRequest,
    CreateRequest,
    DeleteRequest,
    PatchRequest,
)
from tests.support import build

POLICY = build.policy()


def assign(*entries, reproducible=True):
    return encode(AssignRequest(POLICY, entries), reproducible=reproducible)


def opaque(text):
    found = build.opaque()
    return AssignmentToSend(found.target, None, text)


def test_the_digest_is_that_of_method_path_and_body():
    requests = [
        encode(request, reproducible=False)
        for request in (
            CreateRequest(POLICY, build.group(), None),
            CreateRequest(POLICY, build.group(), build.filtered()),
            PatchRequest(POLICY, build.live(), build.filtered()),
            PatchRequest(POLICY, build.live(), None),
            DeleteRequest(POLICY, build.live()),
            AssignRequest(POLICY, ()),
            AssignRequest(build.policy(id=build.POLICY_SET), ()),
        )
    ]
    assert len({request.digest for request in requests}) == len(requests)
    assert len({(r.method, r.path, r.body) for r in requests}) == len(requests)


def test_with_multi_admin_approval_the_order_of_keys_in_an_opaque_target_says_nothing():
    one, other = opaque('{"a":1,"b":{"d":2,"c":3}}'), opaque('{"b":{"c":3,"d":2},"a":1}')
    assert assign(one).body == assign(other).body
    assert assign(one).digest != assign(opaque('{"a":1,"b":{"d":2,"c":4}}')).digest


def test_without_it_an_opaque_target_goes_back_byte_for_byte():
    text = '{"b":1,"a":"\u00dc"}'
    assert (
        assign(opaque(text), reproducible=False).body
        == (
            f'{{"assignments":[{{"target":{json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))}}}]}}'
        ).encode()
    )


def test_a_filter_counts_by_mode_and_id_and_not_by_name():
    def digest(filter):
        return assign(AssignmentToSend(build.group(), filter)).digest

    assert digest(build.filtered(name="one name")) == digest(build.filtered(name="another"))
    filters = [None, build.filtered(), build.filtered(mode="exclude"), build.filtered(build.KIOSKS)]
    assert len({digest(filter) for filter in filters}) == 4


@pytest.mark.parametrize("half", ["\ud800", "a\udfff"])
def test_half_a_surrogate_pair_goes_back_as_json_spells_it(half):
    body = assign(opaque(json.dumps({"a": half}))).body
    assert json.loads(body)["assignments"][0]["target"]["a"] == half


def test_an_id_that_utf_8_cannot_hold_addresses_nothing_and_is_no_crash():
    policy, live = build.policy(id="\ud800"), replace(build.live(), id="\ud800")
    path = encode(DeleteRequest(policy, live), reproducible=False).path
    assert path.endswith("/deviceCompliancePolicies/%3F/assignments/%3F")


def test_a_request_without_a_body_sends_none():
    assert encode(DeleteRequest(POLICY, build.live()), reproducible=True).body == b""


def test_a_number_with_more_digits_than_a_float_holds_goes_back_with_all_of_them():
    text = '{"ratio":0.12345678901234567890,"big":12345678901234567890123}'
    assert text.encode() in assign(opaque(text), reproducible=False).body
