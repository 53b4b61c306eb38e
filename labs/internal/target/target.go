// Package target starts the server under test, waits for what it does, and ends it together with
// everything that it left behind. It knows a server by its command, its socket and its entries
// in /proc: any server, in any language.
package target

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/sandbox"
)

// A Command is how a server is started.
type Command struct {
	Argv []string
	Dir  string // working directory; "" is the caller's

	// TakesPort is true of servers built from the kit's source: they are started with -port N, where N is 0 or the
	// port that it had before. Other servers choose their port themselves, or have it built in.
	TakesPort bool

	// Known is true of servers of which the kit knows what they do: they answer at once or never.
	// Harmless is true of those among them that signal nobody whom they must not.
	Known, Harmless bool

	// Sandbox is what keeps those that nobody trusts where they are; nil: nothing does.
	Sandbox *sandbox.Sandbox
}

// The environment variables that name the run which a process belongs to, and the server of that
// run: a daemon leaves its parent and its session, but not its environment.
const (
	mark       = "POSIXLAB_RUN"
	serverMark = "POSIXLAB_SERVER"
)

// A Run owns the processes of one scenario: those that carry its mark in their environment, that
// are in a session of one of its servers, or that descend from either.
type Run struct {
	id string

	mu       sync.Mutex
	sessions map[int]bool            // session ids: each server leads one
	started  map[int]bool            // what is ours to wait for, and not yet collected
	marked   map[process]bool        // whether a process carries the mark: asked only once
	statuses map[int]unix.WaitStatus // how those ended that we collected
	told     *sync.Cond              // with mu: one of those that were started has been collected
	servers  []*Server
	ended    bool
}

// A process is told from a later one of the same pid by its start.
type process struct {
	pid   int
	start uint64
}

// NewRun makes the calling process a child subreaper (PR_SET_CHILD_SUBREAPER(2const)), so that
// what a server leaves behind becomes our child, and not init's.
func NewRun() (*Run, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("prctl PR_SET_CHILD_SUBREAPER: %w", err)
	}
	r := &Run{
		id:       rand.Text(),
		sessions: make(map[int]bool),
		started:  make(map[int]bool),
		marked:   make(map[process]bool),
		statuses: make(map[int]unix.WaitStatus),
	}
	r.told = sync.NewCond(&r.mu)
	return r, nil
}

// A Server is one that was started, and perhaps has ended.
type Server struct {
	Root   int           // the process that was started
	PID    int           // the process that owns the listening socket: Root, or one that came of it
	Port   int           // the port that it listens on
	Log    string        // the file with its standard output and standard error
	Direct bool          // PID was started itself, behind a sandbox's wall or not: Status is its own
	Exited chan struct{} // closed once Root has ended and was collected
	Status unix.WaitStatus

	name   string // the value of serverMark
	walled bool   // Root is the program that stands between the sandbox and us
}

// mostOutput is how large a file a server, or what it starts, may write, in bytes.
const mostOutput = 64 << 20

// ErrEnded is Start's error after End.
var ErrEnded = errors.New("the run has ended")

// Start starts a server in a session of its own, with its output in the file log. The
// environment is env, and the run's mark. It does not wait for the server to listen.
func (r *Run) Start(cmd Command, env []string, log string) (*Server, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	s := &Server{Log: log, Exited: make(chan struct{}), walled: cmd.Sandbox.Wraps()}
	r.mu.Lock()
	s.name = fmt.Sprintf("%s-%d", r.id, len(r.servers)+1)
	r.servers = append(r.servers, s)
	r.mu.Unlock()
	s.Root, err = r.start(cmd, append(slices.Clone(env), serverMark+"="+s.name), out, nil, func(status unix.WaitStatus) {
		s.Status = cmd.Sandbox.Status(status)
		close(s.Exited)
	})
	if err != nil {
		return nil, err
	}
	s.PID, s.Direct = s.Root, true
	// A server that writes in a loop ends by SIGXFSZ, and not the machine for want of disk.
	unix.Prlimit(s.Root, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: mostOutput, Max: mostOutput}, nil)
	return s, nil
}

// Extra starts a process of the script's own, in a session of its own, with its standard output in
// out; nil is /dev/null. As uid it is that user, if it is not 0.
func (r *Run) Extra(cmd Command, env []string, out *os.File, uid uint32) (pid int, err error) {
	var user *syscall.Credential
	if uid != 0 {
		user = &syscall.Credential{Uid: uid, Gid: uid}
	}
	return r.start(cmd, env, out, user, func(unix.WaitStatus) {})
}

// start starts a process with the run's mark, and tells ended how it ended.
func (r *Run) start(cmd Command, env []string, out *os.File, user *syscall.Credential, ended func(unix.WaitStatus)) (pid int, err error) {
	if !shut.TryRLock() {
		return 0, ErrEnded
	}
	defer shut.RUnlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return 0, ErrEnded
	}
	name, err := lookPath(cmd)
	if err != nil {
		return 0, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	if out == nil {
		out = null
	}
	var p *os.Process
	onSpawner(func() {
		p, err = os.StartProcess(name, cmd.Argv, &os.ProcAttr{
			Dir:   cmd.Dir,
			Env:   append(slices.Clone(env), mark+"="+r.id),
			Files: []*os.File{null, out, out},
			Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL, Credential: user},
		})
	})
	if err != nil {
		return 0, err
	}
	r.sessions[p.Pid] = true
	r.started[p.Pid] = true
	go func() {
		var status unix.WaitStatus
		if state, err := p.Wait(); err == nil {
			status = unix.WaitStatus(state.Sys().(syscall.WaitStatus))
		}
		r.mu.Lock()
		delete(r.started, p.Pid)
		r.statuses[p.Pid] = status
		r.told.Broadcast()
		r.mu.Unlock()
		ended(status)
	}()
	return p.Pid, nil
}

// Status is how a process ended that is gone, if it was for the run to collect: one that it started
// itself, or an orphan. For one that it started it waits.
func (r *Run) Status(pid int) (status unix.WaitStatus, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.started[pid] { // gone, but not yet told: see start
		r.told.Wait()
	}
	status, known = r.statuses[pid]
	return status, known
}

// Collect takes the status of an orphan that was left to us, if it has ended: it is gone then. Of any
// other process it does nothing.
func (r *Run) Collect(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var status unix.WaitStatus
	if !r.started[pid] {
		if got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil); got == pid && err == nil {
			r.statuses[pid] = status
		}
	}
}

// isServer reports whether a process is one of the run's servers, and not what one started.
func (r *Run) isServer(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.servers, func(s *Server) bool { return pid == s.Root || pid == s.PID })
}

func lookPath(cmd Command) (string, error) {
	if len(cmd.Argv) == 0 {
		return "", errors.New("no command was given")
	}
	if name := cmd.Argv[0]; strings.Contains(name, "/") && !filepath.IsAbs(name) {
		return filepath.Join(cmd.Dir, name), nil
	}
	return exec.LookPath(cmd.Argv[0])
}

// spawner is the thread that starts all servers. It never ends before the process does, since
// the kernel sends a child its Pdeathsig when the thread that made it ends (prctl(2)).
var spawner = sync.OnceValue(func() chan func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		// What we may do in a namespace of our own is not for servers (capabilities(7)).
		unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
		dropInheritable()
		resetLibraryOwn()
		for f := range work {
			f()
		}
	}()
	return work
})

// resetLibraryOwn gives the two signals that glibc keeps for itself their default action. Its
// posix_spawn leaves them ignored, and so make does; servers would inherit that, and their children.
func resetLibraryOwn() {
	const size = 8 // of a signal set, in bytes
	for sig := uintptr(32); sig <= 33; sig++ {
		var action [4]uintptr // struct kernel_sigaction: the handler first
		syscall.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&action)), size, 0, 0)
		if ignored := action[0] == 1; ignored {
			action = [4]uintptr{}
			syscall.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&action)), 0, size, 0, 0)
		}
	}
}

// dropInheritable empties the calling thread's set of capabilities that exec may hand on.
func dropInheritable() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if unix.Capget(&header, &sets[0]) == nil {
		sets[0].Inheritable, sets[1].Inheritable = 0, 0
		unix.Capset(&header, &sets[0])
	}
}

func onSpawner(f func()) {
	done := make(chan struct{})
	spawner() <- func() { f(); close(done) }
	<-done
}

// Listening reports whether the server owns a socket in LISTEN, and then knows its PID and Port. Of
// several, it is the one on the port that is preferred, if there is one.
func (r *Run) Listening(s *Server, prefer int) (bool, error) {
	tree, err := r.Tree()
	if err != nil {
		return false, err
	}
	table, err := proc.TCPTable()
	if err != nil {
		return false, err
	}
	holders := proc.Holders(tree)
	found := false
	for _, sock := range table {
		h := holders[sock.Inode]
		if sock.State != proc.Listen || len(h) == 0 || !s.has(tree, h[0].PID) {
			continue
		}
		if port := int(sock.Local.Port()); !found || port == prefer {
			s.PID, s.Port, found = h[0].PID, port, true
			s.Direct = s.PID == s.Root || s.walled && parentOf(tree, s.PID) == s.Root
		}
	}
	return found, nil
}

func parentOf(tree []proc.Stat, pid int) int {
	i := slices.IndexFunc(tree, func(st proc.Stat) bool { return st.PID == pid })
	if i < 0 {
		return 0
	}
	return tree[i].Parent
}

// Descends reports whether anything that came of a server lives, now that its first process has
// ended.
func (r *Run) Descends(s *Server) (bool, error) {
	// /proc is read a process at a time: between a daemon's two forks one may be gone, and the other
	// not yet there. A second look sees the second.
	for range 3 {
		tree, err := r.Tree()
		lives := slices.ContainsFunc(tree, func(st proc.Stat) bool {
			return st.PID != s.Root && st.State != "Z" && (st.Session == s.Root || s.has(tree, st.PID))
		})
		if lives || err != nil {
			return lives, err
		}
	}
	return false, nil
}

// has reports whether a process came of the server: it is its first one, or descends from that, or
// has left it as daemons do and was started with its mark.
func (s *Server) has(tree []proc.Stat, pid int) bool {
	for at := pid; at != s.Root; {
		i := slices.IndexFunc(tree, func(st proc.Stat) bool { return st.PID == at })
		if i < 0 {
			return proc.HasEnv(pid, serverMark, s.name)
		}
		at = tree[i].Parent
	}
	return true
}

// Tree returns the run's processes, by pid, and collects those that were left to us as zombies.
func (r *Run) Tree() ([]proc.Stat, error) {
	all, err := proc.All()
	if err != nil {
		return nil, err
	}
	var orphans []int
	defer func() {
		for _, pid := range orphans {
			r.Collect(pid)
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	parent := make(map[int]int)
	for _, st := range all {
		parent[st.PID] = st.Parent
	}
	ours := make(map[int]bool)
	for _, st := range all {
		ours[st.PID] = r.sessions[st.Session] || r.carriesMark(st)
	}
	var tree []proc.Stat
	for _, st := range all {
		mine := false
		for pid := st.PID; pid > 1 && !mine; pid = parent[pid] {
			mine = ours[pid]
		}
		switch {
		case !mine:
		case st.State == "Z" && st.Parent == os.Getpid() && !r.started[st.PID]:
			orphans = append(orphans, st.PID) // nobody else waits for it
		default:
			tree = append(tree, st)
		}
	}
	return tree, nil
}

// carriesMark reports whether a process was started with the run's mark in its environment. What
// a process answers first, it answers always, but for what we start ourselves: that is in a
// session that we know.
func (r *Run) carriesMark(st proc.Stat) bool {
	key := process{st.PID, st.Start}
	carries, asked := r.marked[key]
	if !asked {
		carries = proc.HasEnv(st.PID, mark, r.id)
		// In the middle of exec a process has no environment: an orphan of ours is asked again.
		if carries || st.Parent != os.Getpid() {
			r.marked[key] = carries
		}
	}
	return carries
}

// End kills the run's processes until none is left, collects them, and returns those that it
// found alive. Nothing can be started afterwards. It may be called again.
func (r *Run) End() (found []proc.Stat, err error) {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	seen := make(map[int]bool)
	err = poll(nil, func() (bool, error) {
		tree, err := r.Tree()
		if err != nil {
			return false, err
		}
		for _, st := range tree {
			if st.State == "Z" {
				continue // its parent is about to be killed, and then it is ours
			}
			if !seen[st.PID] {
				seen[st.PID] = true
				found = append(found, st)
			}
			unix.Kill(st.PID, unix.SIGKILL)
		}
		return len(tree) == 0, nil
	})
	return found, err
}

// shut is locked, and over closed, once nothing may be started any more, in no run.
var (
	shut sync.RWMutex
	over = make(chan struct{})
)

// Shut keeps every run from starting anything, for good, and ends every Await. It returns once no
// start is under way. It is called once.
func Shut() {
	close(over)
	shut.Lock()
}

// Over is closed once Shut was called.
func Over() <-chan struct{} { return over }

// KillDescendants kills whatever descends from the calling process, a subreaper, and collects it,
// until nothing is left. It is for a process that is about to end. Processes that fork faster than
// they are killed are an error after a while; in a pid namespace they are not, since there one call
// reaches them all.
func KillDescendants() error {
	tooLong := time.After(20 * time.Second)
	return poll(nil, func() (bool, error) {
		select {
		case <-tooLong:
			return false, errors.New("processes of this run fork faster than they can be killed")
		default:
		}
		if os.Getpid() == 1 { // the init of a pid namespace
			unix.Kill(-1, unix.SIGKILL)
		}
		tree, err := proc.Tree(os.Getpid())
		if err != nil {
			return false, err
		}
		left := 0
		for _, st := range tree {
			if st.PID == os.Getpid() {
				continue
			}
			left++
			if st.State != "Z" {
				unix.Kill(st.PID, unix.SIGKILL)
			} else if st.Parent == os.Getpid() {
				unix.Wait4(st.PID, nil, unix.WNOHANG, nil)
			}
		}
		return left == 0, nil
	})
}
