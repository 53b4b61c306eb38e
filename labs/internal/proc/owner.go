package proc

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// asOwner does what the kernel allows only to whoever may trace a process (PTRACE_MODE_READ_FSCREDS in
// ptrace(2)): its own user does, and root with CAP_SYS_PTRACE. Root in a container often lacks that; then
// do runs on a thread that has the process's owner's ids where files are concerned (setfsuid(2)), and in
// nothing else, so that the owner has no power over it. It must start no goroutine.
func asOwner(pid int, do func() error) error {
	var st unix.Stat_t
	if mayTrace() || unix.Stat(path(pid), &st) != nil || st.Uid == 0 {
		return do()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	unix.Setfsgid(int(st.Gid)) // first: then it is still root's to change
	defer unix.Setfsgid(os.Getegid())
	unix.Setfsuid(int(st.Uid))
	defer unix.Setfsuid(os.Geteuid())
	return do()
}

// mayTrace reports whether there is nothing to gain from being another: we may trace all, or are not root.
var mayTrace = sync.OnceValue(func() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	err := unix.Capget(&header, &sets[0])
	return os.Geteuid() != 0 || err == nil && sets[0].Effective&(1<<unix.CAP_SYS_PTRACE) != 0
})
