package classroom

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// A process is one and no other: its pid alone could be another one's later.
type process struct {
	pid   int
	began uint64 // since the machine was started, in clock ticks: starttime of proc_pid_stat(5)
}

// kill ends it by force.
func (p process) kill() error { return p.signal(unix.SIGKILL) }

// signal signals it, and nobody who has its pid by now: a descriptor stays that of the process which it was
// opened for (pidfd_open(2)); so what the pid shows afterwards is what gets the signal, or it has gone.
//
// POSIX has nothing like it: kill(pid, SIGKILL) may reach another process than the one that was looked at.
func (p process) signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) // the only copy
	if st, err := readStat(p.pid); err != nil || st.began != p.began {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// A root is a process that START made, from which those of its student descend.
type root struct {
	of   *student
	wall *time.Timer // ends it when its time is up
}

// A tree is what descends from the server at one moment. The server is a subreaper (prctl(2)), so that an
// orphan stays in it: it becomes the server's own child.
type tree struct {
	class *Class
	of    map[int]stat // by pid: the whole machine
	roots map[int]*student
	torn  bool // a process ended while we looked: one that it had forked may be missing
}

// A stat is what /proc/PID/stat says of a process.
type stat struct {
	comm   string // the program's name, printable
	parent int
	dead   bool // a zombie
	began  uint64
}

// A look is one look around, for all who asked for one before it began.
type look struct {
	once sync.Once
	tree *tree
	err  error
}

// processes looks around, and not before it was asked to. A look takes 10 µs for each process of the machine;
// so whoever asks while one is going on shares the next one with all who do.
func (c *Class) processes() (*tree, error) {
	c.mu.Lock()
	l := c.next
	c.mu.Unlock()
	l.once.Do(func() {
		c.looking.Lock() // until the one that is going on is done
		defer c.looking.Unlock()
		c.mu.Lock()
		c.next = new(look) // for who asks from here on
		c.mu.Unlock()
		l.tree, l.err = c.look()
	})
	return l.tree, l.err
}

// look looks at the machine's processes, and forgets the roots that have gone.
func (c *Class) look() (*tree, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close() // the only copy
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	t := &tree{class: c, of: make(map[int]stat), roots: make(map[int]*student)}
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			st, err := readStat(pid)
			switch {
			case err == nil:
				t.of[pid] = st
			case gone(err):
				t.torn = true
			default:
				return nil, err
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for r, made := range c.roots {
		if st, there := t.of[r.pid]; there && st.began == r.began {
			t.roots[r.pid] = made.of
		} else if _, err := readStat(r.pid); gone(err) { // and not only younger than the look around
			made.wall.Stop()
			delete(c.roots, r)
		}
	}
	return t, nil
}

// root climbs from a process to the child of the server that it descends from. There is none if it does not
// descend from the server.
func (t *tree) root(pid int) (child int, found bool) {
	for range len(t.of) { // a pid that is used anew meanwhile could make a circle
		st, there := t.of[pid]
		if !there {
			return 0, false
		}
		if st.parent == t.class.server {
			return pid, true
		}
		pid = st.parent
	}
	return 0, false
}

// owner tells whose a process is: of the student who started what it descends from; of nobody, if it is an
// orphan; and not the class's at all, if it does not descend from the server, or is the ps of a LIST.
func (t *tree) owner(pid int) (s *student, ours bool) {
	child, found := t.root(pid)
	if !found {
		return nil, false
	}
	if s, started := t.roots[child]; started {
		return s, true
	}
	return nil, !t.class.before[process{child, t.of[child].began}] && !t.class.forked(child)
}

// living are the processes of a student, or of the whole class if she is nil, that have not ended.
func (t *tree) living(of *student) (pids []int) {
	for pid, st := range t.of {
		if owner, ours := t.owner(pid); ours && !st.dead && (of == nil || owner == of) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// gone reports whether a file in /proc could not be opened, or read, because its process has gone; and not because
// we have no descriptor left.
func gone(err error) bool { return err == unix.ENOENT || err == unix.ESRCH }

// readStat reads the fields after the program's name, which may hold anything: up to the last bracket.
func readStat(pid int) (st stat, err error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)             // the only copy
	var line [2048]byte              // 52 numbers and a name of 64 bytes at most
	n, err := unix.Read(fd, line[:]) // the kernel makes it all at the first read
	if err != nil {
		return st, err
	}
	data := line[:n]
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return st, os.ErrInvalid
	}
	st.comm = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, string(data[open+1:end]))
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) < 20 {
		return st, os.ErrInvalid
	}
	st.dead = fields[0] == "Z"
	if st.parent, err = strconv.Atoi(fields[1]); err != nil {
		return st, err
	}
	st.began, err = strconv.ParseUint(fields[19], 10, 64)
	return st, err
}
