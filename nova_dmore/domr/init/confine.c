/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Users, capabilities and limits: who may do what.
 *
 * build.py gives the numbers of the users: INIT_ID, AGENT_ID and VNC_ID.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <seccomp.h>
#include "init.h"

const struct role agent_role = {
	.user = "agent", .id = AGENT_ID, .allow = allow_agent,
	.file_size_max = 2 << 20, .files_max = 512, .processes_max = 64,
};

/* If memory runs out, it costs the clients of VNC their sessions. */
const struct role vnc_role = {
	.user = "vnc", .id = VNC_ID, .allow = allow_vnc,
	.files_max = 256, .processes_max = 64, .oom_score = "500",
};

/* What init keeps: to set addresses, the filter and settings of the network;
 * to give its children their users; to end them; to power off. */
static const int init_capabilities[] = {
	CAP_NET_ADMIN, CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_SYS_BOOT,
};

static int set_capabilities(const int *kept, size_t count)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	for (size_t at = 0; at < count; at++)
		data[CAP_TO_INDEX(kept[at])].permitted |=
			CAP_TO_MASK(kept[at]);
	for (int half = 0; half < 2; half++)
		data[half].effective = data[half].permitted;
	return syscall(SYS_capset, &header, data);
}

static int become(unsigned int id)
{
	return setgroups(0, NULL) || setresgid(id, id, id) ||
		setresuid(id, id, id) ? -1 : 0;
}

int leave_root(struct failure *failure)
{
	/* The user's number means nothing for capabilities any more: who
	 * becomes another user keeps what it does not drop itself, and no
	 * program gets any by being started. For children too. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
		  SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
		  SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
		  SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED))
		return fail(failure, "securebits: %s", strerror(errno));
	for (int each = 0; prctl(PR_CAPBSET_READ, each) >= 0; each++)
		if (prctl(PR_CAPBSET_DROP, each))
			return fail(failure, "bounding set: %s",
				    strerror(errno));
	if (become(INIT_ID))
		return fail(failure, "user of init: %s", strerror(errno));
	if (set_capabilities(init_capabilities, sizeof(init_capabilities) /
			     sizeof(init_capabilities[0])))
		return fail(failure, "capabilities of init: %s",
			    strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fail(failure, "no_new_privs: %s", strerror(errno));
	return 0;
}

static int set_limits(const struct role *role)
{
	const struct {
		__rlimit_resource_t resource;
		rlim_t most;
	} limits[] = {
		{ RLIMIT_CORE, 0 }, { RLIMIT_FSIZE, role->file_size_max },
		{ RLIMIT_MEMLOCK, 0 }, { RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_NOFILE, role->files_max },
		{ RLIMIT_NPROC, role->processes_max },
	};

	for (size_t at = 0; at < sizeof(limits) / sizeof(limits[0]); at++) {
		const struct rlimit limit = { limits[at].most,
					      limits[at].most };

		if (setrlimit(limits[at].resource, &limit))
			return -1;
	}
	return 0;
}

static int set_oom_score(const char *score)
{
	int file, failed;

	/* As long as this process is not dumpable, the file is root's, and
	 * it cannot be opened from here. */
	if (prctl(PR_SET_DUMPABLE, 1))
		return -1;
	file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return -1;
	failed = write(file, score, strlen(score)) < 0;
	close(file);
	return failed ? -1 : 0;
}

static int filter_calls(const struct role *role)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int result;

	if (!filter)
		return -1;
	/* A tree: as many comparisons as the list is long cost time. */
	result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!result)
		result = role->allow(filter);
	if (!result)
		result = seccomp_load(filter);
	seccomp_release(filter);
	if (!result)
		return 0;
	errno = -result;
	return -1;
}

int confine(const struct role *role, struct failure *failure)
{
	if (set_limits(role))
		return fail(failure, "%s: limits: %s", role->user,
			    strerror(errno));
	if (role->oom_score && set_oom_score(role->oom_score))
		return fail(failure, "%s: oom_score_adj: %s", role->user,
			    strerror(errno));
	if (become(role->id))
		return fail(failure, "%s: user: %s", role->user,
			    strerror(errno));
	if (set_capabilities(NULL, 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fail(failure, "%s: capabilities: %s", role->user,
			    strerror(errno));
	if (filter_calls(role))
		return fail(failure, "%s: seccomp: %s", role->user,
			    strerror(errno));
	return 0;
}
