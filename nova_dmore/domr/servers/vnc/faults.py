# SPDX-License-Identifier: Apache-2.0
"""What the log says of clients whose sessions ended by their own fault."""

from nova_dmore.domr.servers.vnc import protocol

#: What is said of a client whose session ended for such a reason.
OF_REASON = {
    protocol.Reason.NONSENSE: 'sent a message of a type that is not served',
    protocol.Reason.CUT_TEXT: 'sent too long a text',
    protocol.Reason.STALLED: 'took nothing for too long, or stopped in the '
                             'middle of a message',
    protocol.Reason.PIXEL_FORMAT: 'asked for a format of pixels that is not '
                                  'possible',
    protocol.Reason.TOO_MANY_ENCODINGS: 'listed too many encodings',
    protocol.Reason.NO_MEMORY: 'needs memory that there is not'}
