# SPDX-License-Identifier: Apache-2.0
"""What goes on beside a test."""

import threading


class Watcher(threading.Thread):
    """A context manager; the thread that enters it decides about the network.
    """

    def __init__(self, name):
        super().__init__(name=name, daemon=True)
        self.ended = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_error):
        self.ended.set()
        self.join()
