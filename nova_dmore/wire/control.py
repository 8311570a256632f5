# SPDX-License-Identifier: Apache-2.0
"""Messages between the host and Domain R, in the two control streams.

A message is one line: a JSON object in UTF-8. Its ``type`` names the message;
unknown types are ignored and counted.
"""

import enum

#: Longest line, in bytes with its newline, of the stream to Domain R, ...
CONTROL_LINE_MAX = 32768
#: ... and of the stream to the host, which takes whole lines only: so a line
#: has to fit into the ring with room to spare.
CONTROL_TO_HOST_LINE_MAX = 8192

#: Most networks that CONFIG may name: of SSH, of the serial port, and of VNC
#: (those with and without password together), each counted once for each of
#: the three.
NETWORKS_MAX = 256

#: Most that CONFIG may say in ``scrollback_bytes`` and ``stall_ms``, and what
#: holds without a CONFIG.
SCROLLBACK_MAX = 1 << 22
SCROLLBACK_DEFAULT = 1 << 18
STALL_MS_MAX = 3_600_000
STALL_MS_DEFAULT = 5000

#: Most that CONFIG may say in ``evacuated_at``: the end of the year 9999.
SECONDS_MAX = 253402300799

#: How many characters of a password VNC authentication uses (RFC 6143,
#: 7.2.2): those that are made have as many, longer ones are refused.
VNC_PASSWORD_MAX = 8

#: Keymaps that a guest may have set, by the names that QEMU gives them.
KEYMAPS = ('ar', 'bepo', 'cz', 'da', 'de', 'de-ch', 'en-gb', 'en-us', 'es',
           'et', 'fi', 'fo', 'fr', 'fr-be', 'fr-ca', 'fr-ch', 'hr', 'hu', 'is',
           'it', 'ja', 'lt', 'lv', 'mk', 'nl', 'no', 'pl', 'pt', 'pt-br', 'ru',
           'sl', 'sv', 'th', 'tr')
KEYMAP_DEFAULT = 'en-us'

#: To Domain R: everything it needs to serve, sent at the start of each epoch.
#: ``host_key`` (private key, PKCS #8 text), ``host_keys`` (list of further
#: ones; earlier releases know none, and one that is missing need not be given
#: up), ``authorized_keys`` (list of lines as OpenSSH's file has them),
#: ``instance_uuid``, ``instance_name`` (text for
#: the greeting), ``address`` (``'10.0.0.5/24'``), ``gateway`` (or null),
#: ``mac``, ``mtu``, ``ssh_port``, ``ssh_networks`` (list of CIDR that may use
#: the SSH port; missing: all), ``serial_port``,
#: ``serial_networks`` (list of CIDR that may use the raw serial port),
#: ``scrollback_bytes``, ``stall_ms``, ``escape`` (the byte that escapes begin
#: with at a terminal of SSH, null for none; missing: Ctrl-]),
#: ``serial_escape`` (whether the raw serial port has those for a break;
#: missing: no); ``recorded`` (whether the output is recorded, of which users
#: are told; missing: no); ``evacuated_at`` (when the instance was built anew
#: here, as the host that it had been on was lost, in seconds since the epoch;
#: missing or null: it was not); and ``vnc``, null for none, else an
#: object: ``port``, ``proxy_networks`` (list of CIDR whose clients need no
#: password), ``direct_networks`` (list of CIDR whose clients do),
#: ``password``, ``view_only_password`` (text or null), ``tls`` (null, or an
#: object of PEM texts: ``certificate``, ``key``, ``ca``: then the proxies
#: must speak VeNCrypt X509None and show a certificate of that authority),
#: ``keymap`` (one of KEYMAPS), ``paste`` (``off``, ``key`` or ``at-once``),
#: ``exclusive`` (``share``, ``refuse``, ``cut`` or ``control``; a Domain R
#: that does not know what it says cuts) and ``banner`` (boolean); hosts of
#: release 0.2 say nothing of the last four.
CONFIG = 'config'
#: To Domain R: ``stream`` (its name in lower case), ``at`` (offset),
#: ``bytes`` (or null), ``kind`` (a GapKind), ``reason`` (text): bytes that
#: are missing from the stream at that offset.
GAP = 'gap'
#: To Domain R: ``state`` (an InstanceState): what the instance does, at the
#: start of each epoch and when it changes. An earlier worker does not say it,
#: and then it is not known; so is a value that is not known here.
STATE = 'state'
#: To Domain R: ``number``: the instance boots anew, after a reset or in
#: another QEMU. What was typed and not sent yet is not for what runs now, ...
BOOT = 'boot'
#: ... and to the host: ``number`` (the same), ``at``: nor is what was sent to
#: its serial port before this offset.
BOOT_HEARD = 'boot_heard'
#: To the host: ``stream``, ``at``: send a serial break when the instance's
#: device has taken everything before offset ``at``.
BREAK = 'break'
#: To the host: ``ssh``, ``serial``, ``vnc`` (numbers of attached clients),
#: ``boot_s`` (seconds from boot to the first listening server),
#: ``memory_kib`` (used), ``ends_sessions`` (1: those of a key that CONFIG
#: names no more; missing: it does not), ``tells_recording`` (1: users were
#: told that the output is recorded, as CONFIG says), ``hears_boots`` (1: it
#: answers BOOT; missing: it does not know it): Domain R serves.
SERVING = 'serving'
#: To the host: ``level`` (``info``, ``warning``), ``text``: for the log.
LOG = 'log'
#: To the host, at the start of each epoch: ``server`` (one of
#: SESSION_SERVERS), ``sessions``: all clients that are attached to it, each
#: with ``number`` (of no other session of this Domain R), ``age_s`` (seconds
#: since it was attached), ``address`` and ``port`` (of the client, or of the
#: proxy), ``who`` (fingerprint of its key, or null) and ``view_only``.
SESSIONS = 'sessions'
#: To the host, once each: ``server``, ``session`` (as in SESSIONS): a client
#: was attached to a server, ...
SESSION_BEGAN = 'session_began'
#: ... and ``server``, ``number``: it is not any more.
SESSION_ENDED = 'session_ended'
#: To Domain R: ``number``: cut this client off.
END_SESSION = 'end_session'

#: The servers that tell of their sessions, ...
SESSION_SERVERS = ('ssh', 'serial', 'vnc')
#: ... and of how many each, at most.
SESSIONS_MAX = 24


class InstanceState(enum.StrEnum):
    """What an instance does, as its consoles see it."""

    RUNNING = 'running'
    OFF = 'off'                 # there is no QEMU, or its guest has ended
    PAUSED = 'paused'           # it stands still, and may go on
    REBOOTING = 'rebooting'     # it was reset a moment ago
    MIGRATING = 'migrating'     # it runs, or stands still for a moment
    CRASHED = 'crashed'         # it stands still, and cannot go on


#: In these no device of the instance takes input, and none is kept for later.
STATES_WITHOUT_INPUT = frozenset({
    InstanceState.OFF, InstanceState.PAUSED, InstanceState.CRASHED})


class GapKind(enum.StrEnum):
    """How much is known about bytes that did not arrive."""

    EXACT = 'exact'             # this many bytes are missing
    AMBIGUOUS = 'ambiguous'     # this many bytes may have arrived or not
    UNKNOWN = 'unknown'         # nobody can tell how many
