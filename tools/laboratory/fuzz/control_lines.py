# SPDX-License-Identifier: Apache-2.0
"""The JSON lines of the control streams."""

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.channel import control
from nova_dmore.channel import errors

_LIMIT = 64

SEEDS = [
    b'\x08{"type":"log","text":"a"}\n\n{"type":"serving","ssh":1}\n',
    b'\x03\n' * 9 + b'[1]\n{"type":3}\n{"type":"\\ud800"}\n' + b'x' * 70
    + b'\n{"type":"a"}\n',
    b'\xff{"type":"' + b'[' * 90 + b'\n{"type":"b","c":1e999}\n',
]


def run(data: bytes) -> None:
    """Lines come in pieces; each is understood as if it came whole."""
    reader = reader_module.Reader(data)
    size = 1 + reader.byte() % 40
    data = reader.rest()
    codec, whole = control.LineCodec(_LIMIT), control.LineCodec(_LIMIT)
    messages = []
    for start in range(0, len(data), size):
        messages += codec.feed(data[start:start + size])
        oracle.check(len(codec._pending) < _LIMIT, '%d bytes are kept',
                     len(codec._pending))
    found, used = whole.decode(data)
    oracle.check(0 <= used <= len(data), '%d bytes used of %d', used,
                 len(data))
    oracle.check(repr(found) == repr(messages),
                 'pieces were understood differently')
    # As long as Domain R's may be, with what its parser thinks of depth.
    control.LineCodec().feed(data * 40 + b'\n')
    for message in found:
        try:
            line = control.encode(message)
        except errors.ControlError:
            continue
        again, _ = control.LineCodec().decode(line)
        oracle.check(repr(again) == repr([message]),
                     '%a was sent as %a', message, line)
