# SPDX-License-Identifier: Apache-2.0
"""Code that changes its process for good, in a process of its own."""

import os
import signal
import traceback


def outcome(function):
    """Run a function in a fork -> what it returned, as text, or the name of
    the signal that ended it."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(theirs, str(function()).encode())
        except BaseException:
            os.write(theirs, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours, 'rb') as pipe:
        said = pipe.read().decode()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return said


def error(function):
    """-> the number of the OSError that a function raises, or None."""
    try:
        function()
    except OSError as e:
        return e.errno
    return None
