# SPDX-License-Identifier: Apache-2.0
"""Another user asks the host service; only root can be one."""

import os
import stat

from oslotest import base

from nova_dmore.link import hostd_protocol
from tests.unit import hostd_process


class OtherUserTest(base.BaseTestCase):

    def test_another_user_is_refused(self):
        self.assertEqual(0, os.geteuid(), 'to be another user needs root')
        hostd = hostd_process.shared()
        for path in (os.path.dirname(hostd.run_dir), hostd.run_dir,
                     hostd_protocol.path_of(hostd.run_dir)):
            os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | 0o7)
        self.addCleanup(os.chmod, hostd_protocol.path_of(hostd.run_dir), 0o660)
        ready, told = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
                with hostd_protocol.connect(hostd.run_dir) as sock:
                    sock.settimeout(10)
                    try:
                        hostd_protocol.send(sock, {'type': 'list'})
                        answer = hostd_protocol.receive(sock)
                        os.write(told, repr(answer).encode())
                    except ConnectionError:
                        os.write(told, b'(None, [])')
            except BaseException as error:
                os.write(told, repr(error).encode())
            finally:
                os._exit(0)
        os.close(told)
        os.waitpid(pid, 0)
        self.addCleanup(os.close, ready)
        self.assertEqual(b'(None, [])', os.read(ready, 1000))
        self.assertIn('is refused', hostd.read_log())
