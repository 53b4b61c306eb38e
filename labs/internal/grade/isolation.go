package grade

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// tryIsolation starts a worker that does nothing but bring its own loopback up.
func (r *Runner) tryIsolation() error {
	cmd := exec.Command(r.Worker[0], append(r.Worker[1:], probeArg)...)
	cmd.SysProcAttr = isolated()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("a network namespace: %w %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// probeArg makes a worker only try the isolation.
const probeArg = "-probe"

// Probe is what a worker does that was started with probeArg.
func Probe() int {
	if err := loopbackUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return ExitInfra
	}
	return ExitPass
}

// isolated is how a process gets a network namespace of its own (network_namespaces(7)). Root may
// have one; others may in a user namespace (user_namespaces(7)) in which they are who they are, with
// the one capability that it takes to bring the loopback up.
func isolated() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN}
	}
	return attr
}

// loopbackUp brings the loopback interface of a new network namespace up (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return fmt.Errorf("ioctl SIOCGIFFLAGS lo: %w", err)
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("ioctl SIOCSIFFLAGS lo: %w", err)
	}
	return nil
}
