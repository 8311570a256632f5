/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * See filter.h. A filter is a program of the kernel's classic BPF: it is
 * written here by hand, as libseccomp would be as large as all the rest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "filter.h"

#ifdef NO_FILTER

const char *filter_system_calls(void)
{
	return "built for a sanitizer";
}

#else

#define LOAD(field)							\
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* The lower half of an argument: the machine is little-endian. */
#define LOAD_ARGUMENT(number)						\
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS,				\
		 offsetof(struct seccomp_data, args)			\
		 + (number) * sizeof(__u64))
#define ANSWER(answer) BPF_STMT(BPF_RET | BPF_K, answer)
#define ALLOW(name)							\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ ## name, 0, 1),	\
	ANSWER(SECCOMP_RET_ALLOW)
/* Only if this argument has none of these bits. */
#define ALLOW_WITHOUT(name, number, bits)				\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ ## name, 0, 4),	\
	LOAD_ARGUMENT(number),						\
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1),		\
	ANSWER(SECCOMP_RET_KILL_PROCESS),				\
	ANSWER(SECCOMP_RET_ALLOW)
/* Only if this argument has all of the bits: of a mask, exactly these. */
#define ALLOW_MASKED(name, number, mask, bits)				\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ ## name, 0, 5),	\
	LOAD_ARGUMENT(number),						\
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),			\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bits, 1, 0),		\
	ANSWER(SECCOMP_RET_KILL_PROCESS),				\
	ANSWER(SECCOMP_RET_ALLOW)
/* The C library then tries something else. */
#define ABSENT(name)							\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ ## name, 0, 1),	\
	ANSWER(SECCOMP_RET_ERRNO | ENOSYS)

static struct sock_filter instructions[] = {
	LOAD(arch),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
	ANSWER(SECCOMP_RET_KILL_PROCESS),
	LOAD(nr),
	/* The busiest first. */
	ALLOW(futex),
	ALLOW(recvfrom),
	ALLOW(recvmsg),
	ALLOW(sendto),
	ALLOW(write),
	ALLOW(read),
	ALLOW(poll),
	ALLOW(select),
	ALLOW(pselect6),
	ALLOW(clock_gettime),
	ALLOW(gettimeofday),
	ALLOW(restart_syscall),
	ALLOW(sched_yield),
	/* Memory, none of it to be run. */
	ALLOW(brk),
	ALLOW(madvise),
	ALLOW(mremap),
	ALLOW(munmap),
	ALLOW_WITHOUT(mmap, 2, PROT_EXEC),
	ALLOW_WITHOUT(mprotect, 2, PROT_EXEC),
	/* Threads, and no processes: clone3 has its flags in memory. */
	ABSENT(clone3),
	ALLOW_MASKED(clone, 0, CLONE_THREAD | CLONE_VM | CLONE_SIGHAND,
		     CLONE_THREAD | CLONE_VM | CLONE_SIGHAND),
	ALLOW(set_robust_list),
	ALLOW(rseq),
	ALLOW(rt_sigprocmask),
	ALLOW(rt_sigaction),
	ALLOW(rt_sigreturn),
	ALLOW(gettid),
	ALLOW(getpid),
	ALLOW(exit),
	ALLOW(exit_group),
	/* abort() of the C library's own checks */
	ALLOW(tgkill),
	/* A client's socket, as the library begins with it. */
	ALLOW_MASKED(socketpair, 0, ~0u, AF_UNIX),
	ALLOW(dup3),
	ALLOW(close),
	ALLOW(shutdown),
	ALLOW(fcntl),
	ALLOW(getpeername),
	ALLOW(setsockopt),
	ALLOW(uname),
	/* A last word on the standard error output. */
	ALLOW(newfstatat),
	ALLOW(writev),
	ALLOW(getrandom),
	ANSWER(SECCOMP_RET_KILL_PROCESS),
};

const char *filter_system_calls(void)
{
	struct sock_fprog program = {
		sizeof(instructions) / sizeof(*instructions), instructions};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return strerror(errno);
	/* Threads begin later, and inherit it. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return strerror(errno);
	return NULL;
}

#endif
