package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// buildDeck builds the lecture's server in C, or says why it cannot.
func buildDeck(b *testing.B, dir string) (path, whyNot string) {
	if _, err := exec.LookPath("cc"); err != nil {
		return "", err.Error()
	}
	for _, name := range []string{"Makefile", "server.c"} {
		text, err := os.ReadFile(filepath.Join("../../testdata/deck", name))
		check(b, err)
		check(b, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	build(b, "make", "-C", dir, "server_bin")
	return filepath.Join(dir, "server_bin"), ""
}

func build(b *testing.B, name string, args ...string) {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		b.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// ownNetwork gives the calling thread, and what it starts, a network of its own, where no
// other program has the port. It reports whether it may: only root may. The goroutine is locked
// to the thread for good.
func ownNetwork(b *testing.B) bool {
	runtime.LockOSThread()
	if unix.Unshare(unix.CLONE_NEWNET) != nil {
		return false
	}
	lo, err := unix.NewIfreq("lo")
	check(b, err)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	check(b, err)
	defer unix.Close(fd) // the only copy
	lo.SetUint16(unix.IFF_UP)
	check(b, unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo))
	return true
}

// deckPortTaken says why the deck's server, whose port is built in, cannot have it.
func deckPortTaken() string {
	l, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", protocol.Port))
	if err != nil {
		return err.Error()
	}
	l.Close()
	return ""
}
