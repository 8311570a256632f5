/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The system calls that the agent and the VNC process may make. All others
 * fail with EPERM.
 *
 * The filter is there before the program is: what the loader, Python and the
 * C library call at their start is in it. It leaves out what opens a
 * connection, makes or reads another process, and changes a file system or
 * user; and no memory is executable that is mapped writable. The agent can
 * still map as executable what it has written into a file without a name; it
 * gains nothing by it that Python could not do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <asm/ioctls.h>
#include <seccomp.h>
#include "init.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CALL(name) SCMP_SYS(name)
/* The bits ``mask`` of the argument are ``value``. */
#define BITS(argument, mask, value) \
	SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value)
#define IS(argument, value) SCMP_CMP64(argument, SCMP_CMP_EQ, value)

static const int for_both[] = {
	/* files, which are all of the read-only root */
	CALL(access), CALL(close), CALL(close_range), CALL(dup), CALL(dup2),
	CALL(dup3), CALL(faccessat), CALL(faccessat2), CALL(fcntl),
	CALL(fstat), CALL(fstatfs), CALL(getcwd), CALL(getdents64),
	CALL(lseek), CALL(lstat), CALL(newfstatat), CALL(open), CALL(openat),
	CALL(pread64), CALL(preadv), CALL(read), CALL(readlink),
	CALL(readlinkat), CALL(readv), CALL(stat), CALL(statfs), CALL(statx),
	CALL(write), CALL(writev),
	/* waiting, and telling each other */
	CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_pwait),
	CALL(epoll_pwait2), CALL(epoll_wait), CALL(eventfd2), CALL(pipe),
	CALL(pipe2), CALL(poll), CALL(ppoll), CALL(pselect6), CALL(select),
	CALL(timerfd_create), CALL(timerfd_gettime), CALL(timerfd_settime),
	CALL(clock_nanosleep), CALL(nanosleep), CALL(restart_syscall),
	/* memory */
	CALL(brk), CALL(madvise), CALL(mremap), CALL(munmap),
	/* time */
	CALL(clock_getres), CALL(clock_gettime), CALL(gettimeofday),
	CALL(time), CALL(times),
	/* threads and signals of their own */
	CALL(exit), CALL(exit_group), CALL(futex), CALL(get_robust_list),
	CALL(getcpu), CALL(gettid), CALL(membarrier), CALL(rseq),
	CALL(rt_sigaction), CALL(rt_sigpending), CALL(rt_sigprocmask),
	CALL(rt_sigreturn), CALL(rt_sigtimedwait), CALL(sched_getaffinity),
	CALL(sched_yield), CALL(set_robust_list), CALL(set_tid_address),
	CALL(sigaltstack), CALL(tgkill), CALL(signalfd4),
	/* what one is */
	CALL(arch_prctl), CALL(capget), CALL(getegid), CALL(geteuid),
	CALL(getgid), CALL(getgroups), CALL(getpgrp), CALL(getpid),
	CALL(getppid), CALL(getrandom), CALL(getresgid), CALL(getresuid),
	CALL(getrlimit), CALL(getrusage), CALL(getuid), CALL(sysinfo),
	CALL(uname),
	/* Once, to become the program. Nothing in the image could be gained
	 * by it: it changes neither user, capabilities nor this filter. */
	CALL(execve),
	/* sockets that one has */
	CALL(getpeername), CALL(getsockname), CALL(getsockopt),
	CALL(recvfrom), CALL(recvmsg), CALL(setsockopt), CALL(shutdown),
};

static const int for_agent[] = {
	CALL(accept), CALL(accept4), CALL(bind), CALL(listen),
	/* Python's TLS reads keys from files alone: these have no name. What
	 * is written there can be mapped as executable. */
	CALL(ftruncate), CALL(memfd_create),
};

/* A program may make the filter stricter; the VNC process does. */
static const int prctls[] = {
	PR_SET_NAME, PR_GET_NAME, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP,
};

/* What isatty(), a file's start and asyncio ask for. */
static const unsigned int ioctls[] = {
	FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, TCGETS, TIOCGWINSZ, TIOCOUTQ,
};

static int allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int result = 0;

	for (size_t at = 0; !result && at < count; at++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[at],
					  0);
	return result;
}

static int allow_with_limits(scmp_filter_ctx filter)
{
	int result = 0;

	for (size_t at = 0; !result && at < COUNT(ioctls); at++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(ioctl),
					  1, IS(1, ioctls[at]));
	for (size_t at = 0; !result && at < COUNT(prctls); at++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(prctl),
					  1, IS(0, prctls[at]));
	return result ||
		/* A thread, no process; glibc falls back from clone3, the
		 * arguments of which cannot be seen. */
		seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(clone), 1,
				 BITS(0, CLONE_THREAD, CLONE_THREAD)) ||
		seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3),
				 0) ||
		/* No mapping is both writable and executable, nor first one
		 * and then the other. */
		seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(mmap), 1,
				 BITS(2, PROT_EXEC, 0)) ||
		seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(mmap), 1,
				 BITS(2, PROT_EXEC | PROT_WRITE,
				      PROT_EXEC)) ||
		seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(mprotect), 1,
				 BITS(2, PROT_EXEC, 0)) ||
		/* Limits may be read. */
		seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(prlimit64), 1,
				 IS(2, 0)) ||
		/* MSG_FASTOPEN is a connection that is opened. */
		seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(sendto), 1,
				 BITS(3, MSG_FASTOPEN, 0)) ||
		seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(sendmsg), 1,
				 BITS(2, MSG_FASTOPEN, 0)) ||
		seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(socketpair), 1,
				 IS(0, AF_UNIX)) ? -1 : 0;
}

int allow_vnc(void *filter)
{
	return allow(filter, for_both, COUNT(for_both)) ||
		allow_with_limits(filter) ? -1 : 0;
}

int allow_agent(void *filter)
{
	/* TCP alone; SOCK_CLOEXEC and SOCK_NONBLOCK may be set. */
	static const int families[] = { AF_INET, AF_INET6 };
	int result = allow_vnc(filter) ||
		allow(filter, for_agent, COUNT(for_agent));

	for (size_t at = 0; !result && at < COUNT(families); at++)
		result = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, CALL(socket), 2,
			IS(0, families[at]), BITS(1, 0xf, SOCK_STREAM));
	return result ? -1 : 0;
}
