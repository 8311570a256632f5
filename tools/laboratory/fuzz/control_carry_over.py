# SPDX-License-Identifier: Apache-2.0
"""A carry-over from another host."""

import json

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.channel import carry_over
from nova_dmore.channel import display
from nova_dmore.channel import errors
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore import wire

_GOOD = {
    'layout_version': wire.LAYOUT_VERSION, 'epoch': 77, 'acknowledged': True,
    'taken': {'control_to_host': 1, 'serial0_in': 5, 'input0_in': 8},
    'unstored': {'control_to_domain_r': {'base': 3, 'data': ''},
                 'serial0_out': {'base': 9, 'data': 'YWJj'}},
    'picture': {'width': 4, 'height': 20, 'bands': 'AAAAAAAAAAAAAAAAAAAAAA=='},
    'buttons': 1}

SEEDS = [b'\x00' + json.dumps(_GOOD).encode(), b'\x01\x00',
         b'\x00' + json.dumps({
             **_GOOD, 'picture': None, 'large_picture': {
                 'width': 2561, 'height': 20,
                 'bands': 'AAAAAAAAAAAAAAAAAAAAAA=='}}).encode(),
         b'\x01' + bytes(range(1, 200)), b'\x01' + bytes(range(80, 255)),
         b'\x01\x01\x04\x02\x00', b'\x01\x03\x06\x01\x02\x02\x04\x01']


def run(data: bytes) -> None:
    """Another host sends any value of JSON."""
    try:
        value = reader_module.Reader(data).json(_GOOD)
    except (ValueError, RecursionError):
        return      # the RPC's affair
    try:
        carried = carry_over.CarryOver.from_json(value)
    except errors.CarryOverError as error:
        oracle.check_error(error)
        return
    again = json.loads(json.dumps(carried.to_json()))
    oracle.check(carry_over.CarryOver.from_json(again) == carried,
                 'it became another')
    if carried.picture is not None:
        oracle.check(len(carried.picture.bands)
                     == display.band_count(carried.picture.height), 'bands')
    # What was accepted can be gone on from.
    host = host_end.HostEnd(
        region.Region(bytearray(wire.DATA_START + sum(
            size for _, size in wire.GEOMETRY.values()))),
        lambda vector: None,
        journal.Journal(bytearray(journal.journal_size())))
    host.open(carried)
    host.poll()
    made = host.carry_over()
    carry_over.CarryOver.from_json(made.to_json())
    for stream, each in carried.unstored.items():
        oracle.check(host.unstored(stream) <= len(each.data),
                     '%s has more than was carried', stream.name)
