package classroom

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Order is what the instructor has the server do, to show it to the class.
type Order string

const (
	Freeze Order = "freeze" // the server stops, as by SIGSTOP: whoever dies now stays a zombie
	Thaw   Order = "thaw"   // it goes on. Only another process can do that
	Ten    Order = "ten"    // ten children, which wait
	Exit   Order = "exit"   // they end, all at once. The page does that too: the server may be frozen
	Fill   Order = "fill"   // processes enough for a table of more than 64 KB
	Empty  Order = "end"    // every process of the class ends
)

// Instructor is whom processes of the instructor's orders belong to. No student can have that name.
const Instructor = "*"

// Obey writes an order down and carries it out.
func (c *Class) Obey(order Order, verbs Verbs) error {
	if err := c.log.write(entry{Time: c.now(), Event: "instructor", Request: string(order)}); err != nil {
		return errUnwritten
	}
	switch order {
	case Freeze:
		// POSIX: kill(getpid(), SIGSTOP);
		return unix.Kill(os.Getpid(), unix.SIGSTOP)
	case Ten:
		for range 10 {
			if err := c.demonstrate(verbs, Waiter); err != nil {
				return err
			}
		}
	case Fill:
		return c.demonstrate(verbs, Herd, "3000")
	case Empty:
		c.disperse()
		return c.endAll()
	}
	return nil
}

// demonstrate starts a child that is the instructor's.
func (c *Class) demonstrate(verbs Verbs, argv ...string) error {
	pid, _, err := verbs.Start(Instructor, argv)
	if err != nil {
		return err
	}
	c.started(pid, c.instructor)
	if st, err := readStat(pid); err == nil && argv[0] == Herd {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.herds = append(c.herds, process{pid, st.began})
	}
	return nil
}

// disperse has the herds end in order, for five seconds at most.
func (c *Class) disperse() {
	c.mu.Lock()
	herds := c.herds
	c.herds = nil
	c.mu.Unlock()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for _, herd := range herds {
		herd.signal(unix.SIGTERM)
	}
	for tooLong := time.Now().Add(5 * time.Second); len(herds) > 0 && time.Now().Before(tooLong); <-look.C {
		herds = slices.DeleteFunc(herds, func(herd process) bool {
			st, err := readStat(herd.pid)
			return err != nil || st.began != herd.began || st.dead
		})
	}
}

// Waiter is the name of a program that is the server's own: it waits for a byte on its standard input, or the end
// of it, and ends. The ten have one pipe: ten bytes end them all.
const Waiter = "posixlab-waiter"

// BeWaiter waits, and never returns.
func BeWaiter() {
	called("waiter")
	for {
		if _, err := unix.Read(unix.Stdin, make([]byte, 1)); err != unix.EINTR {
			os.Exit(0)
		}
	}
}

// called gives this process the name of its program: it was started as /proc/self/exe.
func called(name string) {
	if name, err := unix.BytePtrFromString(name); err == nil {
		unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0)
	}
}

// Herd is the name of a program that is the server's own: it fills the process table with zombies, its
// children, which cost next to nothing. It ends when it is ended.
const Herd = "posixlab-herd"

// herd is what a child is to do to itself to become a herd, which may have any number of processes.
func (c *Class) herd() confinement {
	herd := confinement{Path: "/proc/self/exe", Limits: []limit{{unix.RLIMIT_CORE, 0}, {unix.RLIMIT_FSIZE, 0}}}
	if c.as != nil {
		herd.As = &credential{herdUser, herdUser}
	}
	return herd
}

// herdUser is whom a herd runs as when the server is root: limits count the processes of a user, and a herd
// that was the students' would leave them none. Nobody is assigned this id (systemd.io/UIDS-GIDS).
const herdUser = 60798

// BeHerd makes n children that end at once, and collects them on SIGTERM. It never returns.
func BeHerd(n int) {
	called("herd")
	end := make(chan os.Signal, 1)
	signal.Notify(end, unix.SIGTERM)
	for range n {
		if _, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{}); err != nil {
			break // a limit: as many as there are
		}
	}
	<-end
	for { // or they would be the server's to collect, and to tell of
		if _, err := unix.Wait4(-1, nil, 0, nil); err != nil && err != unix.EINTR {
			os.Exit(0)
		}
	}
}
