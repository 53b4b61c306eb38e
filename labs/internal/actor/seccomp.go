package main

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A filter of system calls (seccomp(2)) is a program for the kernel's small machine (BPF), which
// looks at struct seccomp_data: the call's number, the architecture, the arguments.
const (
	numberAt   = 0
	archAt     = 4
	argumentAt = 16 // the low half of the first argument: both architectures are little-endian
)

// archs names the architectures whose calls we know.
var archs = map[string]uint32{
	"amd64": unix.AUDIT_ARCH_X86_64,
	"arm64": unix.AUDIT_ARCH_AARCH64,
}

func statement(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

func load(at uint32) unix.SockFilter { return statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, at) }

// jump goes on with the next statement if the test holds, and leaves out some if not.
func jump(test uint16, k uint32, otherwise uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, Jf: otherwise, K: k}
}

func fails(errno uint32) unix.SockFilter {
	return statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ERRNO|errno)
}

var allow = statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW)

// noForks refuses every call that makes a process, and lets those pass that make a thread. The flags
// of clone3 stand in memory, where a filter cannot look; without it, libraries use clone.
func noForks() (program []unix.SockFilter) {
	for _, number := range forks {
		program = append(program, jump(unix.BPF_JEQ, number, 1), fails(uint32(unix.EAGAIN)))
	}
	return append(program,
		jump(unix.BPF_JEQ, unix.SYS_CLONE3, 1), fails(uint32(unix.ENOSYS)),
		jump(unix.BPF_JEQ, unix.SYS_CLONE, 4),
		load(argumentAt), jump(unix.BPF_JSET, unix.CLONE_THREAD, 1), allow, fails(uint32(unix.EAGAIN)))
}

// noSignalsTo refuses every call that would send a signal to this process.
func noSignalsTo(pid int) (program []unix.SockFilter) {
	for _, number := range []uint32{unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_TGKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_PIDFD_OPEN} {
		program = append(program, jump(unix.BPF_JEQ, number, 4),
			load(argumentAt), jump(unix.BPF_JEQ, uint32(pid), 1), fails(uint32(unix.EPERM)),
			load(numberAt))
	}
	return program
}

// newNamespaces are the flags of clone and unshare that make a namespace.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
	unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

// noNamespaces refuses what containers usually refuse even to root: namespaces, and mounts.
func noNamespaces() (program []unix.SockFilter) {
	for _, number := range []uint32{unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT} {
		program = append(program, jump(unix.BPF_JEQ, number, 1), fails(uint32(unix.EPERM)))
	}
	for _, number := range []uint32{unix.SYS_UNSHARE, unix.SYS_CLONE} {
		program = append(program, jump(unix.BPF_JEQ, number, 4),
			load(argumentAt), jump(unix.BPF_JSET, newNamespaces, 1), fails(uint32(unix.EPERM)),
			load(numberAt))
	}
	return append(program, jump(unix.BPF_JEQ, unix.SYS_CLONE3, 1), fails(uint32(unix.ENOSYS)))
}

// install gives the calling thread, and what it becomes by exec, a filter.
func install(rules []unix.SockFilter) error {
	arch, known := archs[runtime.GOARCH]
	if !known {
		return errors.New("not known on " + runtime.GOARCH)
	}
	program := append([]unix.SockFilter{
		load(archAt), jump(unix.BPF_JEQ, arch, 1), load(numberAt), // another's number is larger than any call's
	}, rules...)
	program = append(program, allow)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}
