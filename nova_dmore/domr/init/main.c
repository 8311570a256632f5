/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Process 1 of Domain R: keeps the agent running, and does for it what the
 * agent, which is not trusted with it, may not do. An agent that cannot stay
 * up takes the machine down, so that the host builds a new one.
 *
 * It is root only until the agent is started for the first time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "init.h"

#define DEVICE "/dev/uio0"
#define VNC "/usr/lib/nova-dmore/nova-dmore-vnc"

/* An agent that ends so often in a row does not stay up. One that served for
 * this long counts as started well. */
#define FAILURES_MAX 5
#define GOOD_START_S 60
#define PAUSE_NS 200000000

#define FREE_FD 10	/* above all that a program is started with */

static int null_file, signals;
static int network_channel = -1, vnc_channel = -1;
static pid_t agent, vnc;
static sigset_t no_signals;

/* Its last words; the host builds a new machine. */
static void give_up(const char *why) __attribute__((noreturn));

static void give_up(const char *why)
{
	dprintf(STDERR_FILENO, "nova-dmore: %s\n", why);
	reboot(RB_POWER_OFF);
	_exit(1);		/* and the kernel panics, which ends it too */
}

/* -- as root */

static void mount_all(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	/* Nothing can be written but the network's settings, and these by
	 * init alone. Who has no business with a process does not see it. */
	if (mount("none", "/proc", "proc", flags, "hidepid=2") ||
	    mount("none", "/sys", "sysfs", flags | MS_RDONLY, NULL) ||
	    mount(NULL, "/dev", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID |
		  MS_NOEXEC, NULL) ||
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY |
		  MS_NOSUID | MS_NODEV, NULL))
		give_up(strerror(errno));
}

static void prepare(void)
{
	struct failure failure;

	mount_all();
	/* The agent reads and writes the region; init opens it for reading,
	 * for the VNC process. */
	if (chown(DEVICE, AGENT_ID, INIT_ID) || chmod(DEVICE, 0640))
		give_up(DEVICE " is not there");
	null_file = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_file < 0)
		give_up("/dev/null is not there");
	if (write_network_settings(&failure) || load_filter(NULL, &failure) ||
	    bring_loopback_up(&failure) || write_kernel_settings(&failure) ||
	    leave_root(&failure))
		give_up(failure.text);
}

/* -- programs */

/* Start a program as ``role`` with these descriptors from 3 on. */
static pid_t start(const struct role *role, const int *descriptors, int count,
		   char *const *arguments, char *const *environment)
{
	struct failure failure = { "cannot be started" };
	int moved[4];
	pid_t pid = fork();

	if (pid)
		return pid;
	for (int at = 0; at < count; at++)
		moved[at] = fcntl(descriptors[at], F_DUPFD, FREE_FD);
	dup2(null_file, STDIN_FILENO);
	for (int at = 0; at < count; at++)
		if (dup2(moved[at], 3 + at) < 0)
			_exit(1);
	if (close_range(3 + count, ~0U, 0))
		_exit(1);
	sigprocmask(SIG_SETMASK, &no_signals, NULL);
	setsid();
	if (!confine(role, &failure)) {
		execve(arguments[0], arguments, environment);
		fail(&failure, "%s: %s", arguments[0], strerror(errno));
	}
	dprintf(STDERR_FILENO, "nova-dmore: %s\n", failure.text);
	_exit(1);
}

static void close_channel(int *channel)
{
	if (*channel >= 0)
		close(*channel);
	*channel = -1;
}

static void start_agent(void)
{
	static char *const arguments[] = {
		PYTHON, "-S", "-B", "-m",
		"nova_dmore.domr.agent", NULL };
	static char *const environment[] = {
		"PYTHONPATH=/usr/lib/nova-dmore:"
		"/usr/lib/python3/dist-packages", NULL };
	int network_pair[2], vnc_pair[2];
	int theirs[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
		       network_pair) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, vnc_pair))
		give_up("no sockets for the agent");
	network_channel = network_pair[0];
	vnc_channel = vnc_pair[0];
	theirs[NETWORK_FD - 3] = network_pair[1];
	theirs[VNC_FD - 3] = vnc_pair[1];
	agent = start(&agent_role, theirs, 2, arguments, environment);
	if (agent < 0)
		give_up("the agent cannot be started");
	close(network_pair[1]);
	close(vnc_pair[1]);
}

static void end_vnc(void)
{
	if (vnc > 0) {
		kill(vnc, SIGKILL);
		waitpid(vnc, NULL, 0);
	}
	vnc = 0;
}

/* Returns the agent's end of the channel to the new VNC process. */
static int start_vnc(struct failure *failure)
{
	static char *const arguments[] = { VNC, NULL };
	static char *const environment[] = { NULL };
	int pair[2], descriptors[2], device;

	end_vnc();
	device = open(DEVICE, O_RDONLY | O_CLOEXEC);
	if (device < 0)
		return fail(failure, DEVICE ": %s", strerror(errno));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		close(device);
		return fail(failure, "vnc: %s", strerror(errno));
	}
	descriptors[VNC_CHANNEL_FD - 3] = pair[0];
	descriptors[VNC_DEVICE_FD - 3] = device;
	vnc = start(&vnc_role, descriptors, 2, arguments, environment);
	if (vnc < 0)
		fail(failure, "vnc: %s", strerror(errno));
	close(device);
	close(pair[0]);
	if (vnc > 0)
		return pair[1];
	close(pair[1]);
	return -1;
}

/* -- what the agent asks for */

/* Answer: done if ``failure`` is NULL; ``passed`` is a descriptor or -1. */
static void answer(int channel, const struct failure *failure, int passed)
{
	struct answer answer = {
		.status = failure ? ANSWER_FAILED : ANSWER_DONE };
	struct iovec data = { &answer, offsetof(struct answer, text) };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

	if (failure) {
		size_t size = strnlen(failure->text, sizeof(answer.text));

		memcpy(answer.text, failure->text, size);
		data.iov_len += size;
	}
	if (passed >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &passed, sizeof(int));
	}
	/* Who does not read its answers gets none. */
	sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void serve_network(void)
{
	static char request[NETWORK_REQUEST_MAX];
	struct failure failure;
	ssize_t size = recv(network_channel, request, sizeof(request),
			    MSG_DONTWAIT | MSG_TRUNC);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		close_channel(&network_channel);
		return;
	}
	if ((size_t)size > sizeof(request))
		fail(&failure, "request: %zd bytes", size);
	else if (!check_network_request(request, size, &failure) &&
		 !set_up_network((struct network_request *)request,
				 &failure)) {
		answer(network_channel, NULL, -1);
		return;
	}
	answer(network_channel, &failure, -1);
}

static void serve_vnc(void)
{
	uint32_t kind;
	struct failure failure;
	int passed = -1;
	ssize_t size = recv(vnc_channel, &kind, sizeof(kind),
			    MSG_DONTWAIT | MSG_TRUNC);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		close_channel(&vnc_channel);
		return;
	}
	if (size != sizeof(kind) || kind != REQUEST_VNC)
		fail(&failure, "request: %zd bytes", size);
	else
		passed = start_vnc(&failure);
	answer(vnc_channel, passed < 0 ? &failure : NULL, passed);
	if (passed >= 0)
		close(passed);
}

/* -- the loop */

static time_t seconds_since_boot(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

static void reap(void)
{
	struct signalfd_siginfo ignored;
	int status;
	pid_t pid;

	/* Several may have become one signal: wait for all that ended. */
	while (read(signals, &ignored, sizeof(ignored)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		const struct role *role = pid == agent ? &agent_role :
			&vnc_role;

		if (pid == agent)
			agent = 0;
		else if (pid == vnc)
			vnc = 0;
		else
			continue;
		dprintf(STDERR_FILENO, "nova-dmore: %s ended with %s %d\n",
			role->user, WIFSIGNALED(status) ? "signal" : "status",
			WIFSIGNALED(status) ? WTERMSIG(status) :
			WEXITSTATUS(status));
	}
}

/* Serve one agent until it ends. */
static void run_agent(void)
{
	start_agent();
	while (agent) {
		struct pollfd polled[] = {
			{ .fd = signals, .events = POLLIN },
			{ .fd = network_channel, .events = POLLIN },
			{ .fd = vnc_channel, .events = POLLIN },
		};

		if (poll(polled, 3, -1) < 0)
			continue;
		if (polled[1].revents)
			serve_network();
		if (polled[2].revents)
			serve_vnc();
		if (polled[0].revents)
			reap();
	}
	close_channel(&network_channel);
	close_channel(&vnc_channel);
	end_vnc();
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	sigset_t children;
	int failures = 0;

	if (getpid() != 1) {
		fputs("This is the process 1 of Domain R.\n", stderr);
		return 2;
	}
	sigemptyset(&no_signals);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		give_up("no signalfd");
	prepare();
	while (failures < FAILURES_MAX) {
		time_t started = seconds_since_boot();

		run_agent();
		if (seconds_since_boot() - started < GOOD_START_S)
			failures++;
		else
			failures = 1;
		nanosleep(&pause, NULL);
	}
	give_up("the agent does not stay up");
}
