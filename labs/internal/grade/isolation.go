package grade

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/namespace"
	"posixlab/labs/internal/sandbox"
)

// An Isolation is how far a worker, and the server with it, is kept apart from the machine.
type Isolation int

const (
	// Alone: not at all. Scenarios of a server whose port is built in run one at a time.
	Alone Isolation = iota

	// OwnNetwork: a network namespace, in which every port is free (network_namespaces(7)).
	OwnNetwork

	// Contained: a pid namespace as well, of which the worker is the init (pid_namespaces(7)). A
	// server that calls kill(-1, SIGKILL) reaches nobody outside; and when the worker ends, by
	// whatever cause, the kernel ends all that the server ever started.
	Contained
)

// strongest finds out which isolation the machine allows, and why it refuses a stronger one.
func strongest(worker []string) (level Isolation, whyNot error) {
	for level = Contained; level > Alone; level-- {
		err := level.try(worker)
		if err == nil {
			return level, whyNot
		}
		if whyNot == nil {
			whyNot = err
		}
	}
	return Alone, whyNot
}

// try has a worker probe an isolation.
func (level Isolation) try(worker []string, env ...string) error {
	cmd := exec.Command(worker[0], append(slices.Clip(worker[1:]), probeArg)...)
	cmd.SysProcAttr = level.attr()
	cmd.Env = slices.Concat(os.Environ(), []string{fmt.Sprintf("%s=%d", probeEnv, level)}, env)
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w %s", err, bytes.TrimSpace(said))
	}
	return nil
}

// probeArg makes a worker only enter the isolation that the environment names, and start a program in
// the sandbox that it describes, if it does.
const (
	probeArg   = "-probe"
	probeEnv   = "POSIXLAB_PROBE"
	sandboxEnv = "POSIXLAB_PROBE_SANDBOX"
)

// probe is what a worker does that was started with probeArg.
func probe() int {
	var level Isolation
	fmt.Sscan(os.Getenv(probeEnv), &level)
	err := level.enter()
	if description := os.Getenv(sandboxEnv); err == nil && description != "" {
		err = start(description)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return ExitInfra
	}
	return ExitPass
}

// start starts a program as servers are started: without what we may do in a namespace of our own.
func start(description string) error {
	var box sandbox.Sandbox
	if err := json.Unmarshal([]byte(description), &box); err != nil {
		return err
	}
	program := []string{"/bin/sh", "-c", "exit 0"}
	if box.Wall == sandbox.OtherUser { // who must be able to reach what we make for it
		program = []string{"/bin/sh", "-c", `cd "$0"`, os.TempDir()}
	}
	argv := box.Command(program, nil)
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	said, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w %s", err, bytes.TrimSpace(said))
	}
	return nil
}

// Sandbox finds the best sandbox for submissions' servers. The slot tells apart those that run side by
// side.
func (r *Runner) Sandbox(slot int) (*sandbox.Sandbox, error) {
	return sandbox.New(r.Actor, slot, func(box *sandbox.Sandbox) error {
		box.Contained = r.Isolation == Contained
		box.Namespaces = box.Contained
		description, err := json.Marshal(box)
		if err != nil {
			return err
		}
		return r.Isolation.try(r.Worker, sandboxEnv+"="+string(description))
	})
}

// attr is how a process gets its namespaces. Root may have them; others may in a user namespace
// (user_namespaces(7)) in which they are who they are, with the capabilities that enter needs.
func (level Isolation) attr() *syscall.SysProcAttr {
	attr := new(syscall.SysProcAttr)
	switch level {
	case Alone:
		return attr
	case Contained:
		attr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS
	}
	attr.Cloneflags |= unix.CLONE_NEWNET
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN}
	}
	return attr
}

// tableArg makes a worker take a small table of connections before it begins.
const tableArg = "-table"

// takeTable moves the process to a network namespace whose table of connections is its own, and
// starts the worker anew in it. All namespaces share one hash table otherwise, and whoever reads
// /proc/net/tcp goes through all of its buckets: hundreds of thousands, some milliseconds, a hundred
// times in a scenario. Linux has tcp_child_ehash_entries since 6.1 (Documentation/networking/ip-sysctl.rst);
// where it is missing or refused, the worker begins in the namespace that it has.
func takeTable() error {
	const entries, timeWait = "2048", "8192"
	if os.WriteFile("/proc/sys/net/ipv4/tcp_child_ehash_entries", []byte(entries), 0) == nil {
		runtime.LockOSThread() // unshare(2) moves one thread, execve(2) makes it the whole process
		if unix.Unshare(unix.CLONE_NEWNET) == nil {
			// The limit on connections in TIME_WAIT comes from the size, and would be 1024.
			os.WriteFile("/proc/sys/net/ipv4/tcp_max_tw_buckets", []byte(timeWait), 0)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return os.NewSyscallError("execve", unix.Exec(self, os.Args[:len(os.Args)-1], os.Environ()))
}

// enter makes new namespaces fit to live in: /proc shows the processes of this one, and the
// loopback interface is up.
func (level Isolation) enter() error {
	if level == Contained {
		if err := namespace.ShowProcesses(); err != nil {
			return err
		}
	}
	if level >= OwnNetwork {
		return namespace.LoopbackUp()
	}
	return nil
}
