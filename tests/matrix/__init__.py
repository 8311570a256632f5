import os

# Nova patches the sockets of whoever imports its test modules, otherwise;
# nova-compute itself runs with native threads.
os.environ.setdefault('OS_NOVA_DISABLE_EVENTLET_PATCHING', 'true')
