// Package sandbox starts programs that nobody has a reason to trust: submissions, and what builds
// them. It keeps them from the grader's files, from one another and from the network, and within
// limits. The walls are bubblewrap's (bwrap(1)) or, where that does not work and the grader is root, those
// between two users.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/show"
)

// A Wall is what stands between a program and the grader.
type Wall string

const (
	Bubblewrap Wall = "bubblewrap" // a root folder of its own, in which the system is read-only
	OtherUser  Wall = "user"       // another user id, whom no file of the grader's is open to
	None       Wall = "none"       // nothing: the grader was told to trust
)

// A Sandbox is how such a program is started. It is part of a worker's job, so it is data.
type Sandbox struct {
	Wall   Wall
	Bwrap  string // path of bwrap
	Sizes  bool   // it can give a tmpfs a size; else only the watch bounds what is written
	Actor  string // path of the actor program, which sets limits and becomes another
	UID    int    // whom the program runs as, and its group; 0 is the grader's own user
	Group  int    // another group that it is in, if it is another user: that of the submission's folder
	Limits Limits

	Contained  bool     // the caller is in namespaces made for this: they are not made again
	Namespaces bool     // the machine allows them: who is only another user gets them from Run
	Read       []string // what it may read besides the system: folders and files, by absolute paths
	Write      []string // what it may write
	Tmp        string   // the folder that it sees as /tmp, /var/tmp and /dev/shm
	Dir        string   // where it begins
	Hide       []string // what it must not see of the system: see Conceal

	fresh []string // small file systems of its own: see disk.go
}

// The user ids that submissions run as are these. systemd's table of ids (systemd.io/UIDS-GIDS) assigns
// 60706 to 61183 to nobody.
const firstUser, lastUser = 60800, 61180

// users are those that no other grader of this machine has, found by binding an abstract socket to each
// one's name (unix(7)): the kernel frees it when the grader ends, however it ends.
var users struct {
	sync.Mutex
	taken []int
}

// user returns the id of the n-th user of ours, from 0.
func user(n int) (int, error) {
	users.Lock()
	defer users.Unlock()
	next := firstUser
	if len(users.taken) > 0 {
		next = users.taken[len(users.taken)-1] + 1
	}
	for ; len(users.taken) <= n; next++ {
		if next > lastUser {
			return 0, fmt.Errorf("no user id from %d to %d is free: other graders are at work", firstUser, lastUser)
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return 0, err
		}
		if unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("@posixlab-user-%d", next)}) != nil {
			unix.Close(fd)
			continue
		}
		users.taken = append(users.taken, next) // fd stays open as long as we live
	}
	return users.taken[n], nil
}

// system is what every program may read: programs, libraries and their settings.
var system = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt"}

// ErrNoWall says that this machine offers no wall.
var ErrNoWall = errors.New("no sandbox")

// New finds the best wall: try starts a program behind one, where submissions will be, and returns
// why it cannot. The slot, from 0, tells apart those that run side by side. The error is an
// ErrNoWall and says what each wall lacks.
func New(actor string, slot int, try func(*Sandbox) error) (*Sandbox, error) {
	var lacks []error
	for _, wall := range []Wall{Bubblewrap, OtherUser} {
		s := &Sandbox{Wall: wall, Actor: actor, Limits: Usual}
		err := s.prepare()
		if err == nil {
			err = s.As(slot)
		}
		if err == nil {
			err = try(s)
		}
		if err == nil {
			return s, nil
		}
		lacks = append(lacks, fmt.Errorf("%s: %w", wall, err))
	}
	return nil, fmt.Errorf("%w: %w", ErrNoWall, errors.Join(lacks...))
}

// Groups are so many groups that nobody else is in, beside those of the first users: see As.
func Groups(users, n int) (groups []int, err error) {
	for i := range n {
		group, err := user(users + i)
		if err != nil {
			return nil, err
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// As makes the sandbox one for the n-th of those that run side by side, from 0: where we are root, each
// has a user of its own.
func (s *Sandbox) As(n int) (err error) {
	if os.Geteuid() == 0 && s.Wall != None {
		s.UID, err = user(n)
	}
	return err
}

// Trusting is the sandbox of those who need none.
func Trusting(actor string) *Sandbox { return &Sandbox{Wall: None, Actor: actor, Limits: Usual} }

func (s *Sandbox) prepare() (err error) {
	switch s.Wall {
	case Bubblewrap:
		if s.Bwrap, err = exec.LookPath("bwrap"); err == nil {
			help, _ := exec.Command(s.Bwrap, "--help").Output()
			s.Sizes = strings.Contains(string(help), "--size ") // since 0.7
		}
	case OtherUser:
		if os.Geteuid() != 0 {
			err = errors.New("only root can become another user")
		}
	}
	return err
}

// Command is the argv that starts a program behind the wall, under the sandbox's limits and then
// under more, as the actor's launch takes them.
func (s *Sandbox) Command(argv, limits []string) []string {
	launch := slices.Concat([]string{s.Actor, "launch"}, s.Limits.args())
	if s.ownNamespaces() {
		launch = append(launch, "settle=1")
	}
	if s.Group != 0 && s.Wall == OtherUser {
		launch = append(launch, fmt.Sprintf("group=%d", s.Group))
	}
	if s.fresh != nil {
		launch = append(launch, lending(s.fresh)...)
	}
	if s.UID != 0 {
		launch = append(launch, fmt.Sprintf("uid=%d", s.UID))
	}
	launch = slices.Concat(launch, limits, []string{"--"}, argv)
	switch s.Wall {
	case Bubblewrap:
		return slices.Concat([]string{s.Bwrap}, s.walls(), []string{"--"}, launch)
	case OtherUser:
		return launch
	}
	return slices.Concat([]string{s.Actor, "launch"}, limits, []string{"--"}, argv)
}

// ownNamespaces reports whether Run has to make namespaces for a program: bwrap makes its own.
func (s *Sandbox) ownNamespaces() bool { return s.Wall == OtherUser && s.Namespaces && !s.Contained }

// newNamespaces are the flags of those (clone(2)).
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// walls are bwrap's options.
func (s *Sandbox) walls() []string {
	args := []string{"--die-with-parent", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"}
	if s.UID == 0 {
		args = append(args, "--unshare-user")
	} else {
		args = append(args, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID") // until launch is that user
	}
	if s.Contained {
		args = append(args, "--bind", "/proc", "/proc") // the one that the caller sees
	} else {
		args = append(args, "--unshare-pid", "--unshare-net", "--proc", "/proc")
	}
	for _, dir := range system {
		if target, err := os.Readlink(dir); err == nil {
			args = append(args, "--symlink", target, dir)
		} else if _, err := os.Stat(dir); err == nil {
			args = append(args, "--ro-bind", dir, dir)
		}
	}
	var readOnly []string // what bwrap makes, as file systems of its own
	for _, path := range s.Hide {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			args = append(args, "--perms", "0755", "--tmpfs", path)
			readOnly = append(readOnly, path)
		} else if err == nil {
			args = append(args, "--ro-bind", os.DevNull, path)
		}
	}
	args = append(args, "--dev", "/dev")
	readOnly = append(readOnly, "/dev", "/")
	made := make(map[string]bool)
	if s.fresh != nil {
		for _, path := range Shared {
			args = append(args, s.own(path, "1777", made)...)
		}
	} else if s.Tmp != "" {
		for _, path := range Shared {
			args = append(append(args, s.parents(path, made)...), "--bind", s.Tmp, path)
		}
	}
	for _, bind := range []struct {
		how   string
		paths []string
	}{{"--ro-bind", append([]string{s.Actor}, s.Read...)}, {"--bind", s.Write}} {
		for _, path := range bind.paths {
			args = append(args, s.parents(path, made)...)
			args = append(args, bind.how, path, path)
		}
	}
	for _, path := range s.fresh {
		if !slices.Contains(Shared, path) {
			args = append(args, s.own(path, "0755", made)...)
		}
	}
	for _, path := range readOnly { // after all that had to be made in them
		args = append(args, "--remount-ro", path)
	}
	if s.Dir != "" {
		args = append(args, "--chdir", s.Dir)
	}
	return args
}

// parents makes the folders above a path, which others would make for their own user alone.
func (s *Sandbox) parents(path string, made map[string]bool) (args []string) {
	dir := filepath.Dir(path)
	if dir == "/" || slices.Contains(Shared, dir) || made[dir] || slices.Contains(s.Hide, dir) || under(dir, system) && !under(dir, s.Hide) {
		return nil
	}
	made[dir] = true
	return append(s.parents(dir, made), "--perms", "0755", "--dir", dir)
}

// own are bwrap's options for a file system of its own, of the size of all that may be written.
func (s *Sandbox) own(path, mode string, made map[string]bool) []string {
	args := append(s.parents(path, made), "--perms", mode)
	if s.Sizes {
		args = append(args, "--size", fmt.Sprint(s.Limits.Disk))
	}
	return append(args, "--tmpfs", path)
}

// under reports whether a path is one of some folders, or lies in one.
func under(path string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") })
}

// Conceal hides folders and files of the grader's that lie in a part of the system that every program sees:
// where the grader is no other user than its programs, permissions would not. It is an error if one of
// them holds such a part.
func (s *Sandbox) Conceal(paths ...string) error {
	for _, path := range paths {
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			continue // there is nothing to hide
		}
		switch {
		case slices.Contains(system, path):
			return fmt.Errorf("%s is a part of the system, which every submission sees: put what is yours elsewhere, such as in your home folder", path)
		case under(path, system) && !under(path, s.Hide):
			s.Hide = append(slices.Clip(s.Hide), path)
		}
	}
	return nil
}

// Showing is the same sandbox with folders or files more that its program may read.
func (s *Sandbox) Showing(paths ...string) *Sandbox {
	more := *s
	more.Read = append(slices.Clone(s.Read), paths...)
	return &more
}

// In is the same sandbox, whose program is in a group more.
func (s *Sandbox) In(group int) *Sandbox {
	more := *s
	more.Group = group
	return &more
}

// Wraps reports whether a program of its own stands between the caller and what it starts: Command's
// process waits for that, and tells how it ended. Of no sandbox at all it is false.
func (s *Sandbox) Wraps() bool { return s != nil && s.Wall == Bubblewrap }

// Status is how a program ended, by the status of Command's process: bwrap tells of a signal by a status
// of 128 and its number, as shells do.
func (s *Sandbox) Status(status unix.WaitStatus) unix.WaitStatus {
	if sig := status.ExitStatus() - 128; s.Wraps() && sig > 0 && sig <= 64 {
		return unix.WaitStatus(sig)
	}
	return status
}

// Env is what a program behind a wall finds in its environment: nothing of the grader's.
func (s *Sandbox) Env() []string {
	if s.Wall == None {
		return os.Environ()
	}
	return []string{"PATH=" + Path, "HOME=/tmp", "TMPDIR=/tmp", "SHELL=/bin/sh", "TERM=dumb"}
}

// Path is the PATH of those programs.
const Path = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

// Say names the walls in words.
func (s *Sandbox) Say(lang show.Lang, contained bool) string {
	wall := map[Wall]show.Text{
		Bubblewrap: {
			EN: "bubblewrap: a read-only system, a temporary folder of its own, none of the grader's files",
			ES: "bubblewrap: un sistema de solo lectura, una carpeta temporal propia, ningún archivo del evaluador"},
		OtherUser: {
			EN: "another user (%d), under limits",
			ES: "otro usuario (%d), con límites"},
		None: {EN: "none: the submissions are trusted (-trust)", ES: "ninguno: se confía en las entregas (-trust)"},
	}[s.Wall]
	said := wall.In(lang)
	if s.Wall == OtherUser {
		said = wall.In(lang, s.UID)
	}
	spaces := show.Text{
		EN: "no namespaces: the machine's processes and its network can be seen",
		ES: "sin espacios de nombres: se ven los procesos de la máquina y su red"}
	if contained {
		spaces = show.Text{
			EN: "namespaces of its own for pids and for the network, with nothing but the loopback",
			ES: "espacios de nombres propios para los pids y la red, que solo tiene la interfaz loopback"}
	}
	return said + "; " + spaces.In(lang)
}

// Mine reports whether a process runs behind the wall: as its user or, if that is the grader's own,
// in another mount namespace than the grader (mount_namespaces(7)). Of one that is gone it is false.
func (s *Sandbox) Mine(pid int) bool {
	if s.UID != 0 {
		var st unix.Stat_t
		return unix.Stat(fmt.Sprintf("/proc/%d", pid), &st) == nil && int(st.Uid) == s.UID
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	ours, _ := os.Readlink("/proc/self/ns/mnt")
	return s.Wall == Bubblewrap && err == nil && theirs != ours
}
