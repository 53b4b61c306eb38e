package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
)

// Usage is what runs behind a wall uses at one moment; of Files, the process that has most.
type Usage struct {
	Processes, Memory, Files, Output, Disk int
	CPU, Wall                              time.Duration
}

// over is the first of the limits that a usage exceeds; "" is none.
func (l Limits) over(u Usage) string {
	for _, limit := range []struct {
		name string
		hit  bool
	}{
		{"processes", u.Processes > l.Processes},
		{"memory", u.Memory > l.Memory},
		{"cpu", u.CPU > l.CPU},
		{"time", u.Wall > l.Wall},
		{"open-files", u.Files >= l.Files-1},
		{"output", u.Output >= l.Output},
		{"disk", u.Disk >= l.Disk},
	} {
		if limit.hit {
			return limit.name
		}
	}
	return ""
}

// A Watched is what is looked at.
type Watched struct {
	Processes func() ([]proc.Stat, error) // all that may run behind the wall
	Mine      func(pid int) bool          // which of them do; nil: all
	Output    func() int                  // what they said so far, in bytes
	Disk      func() int                  // what they left in files, in bytes
	Collected func() time.Duration        // the CPU time of those that we have waited for; nil: not known
	Whole     []uint64                    // the devices of the file systems that Disk counts whole
}

// A Watch looks at what runs behind a wall, and ends it when it exceeds a limit.
type Watch struct {
	limits Limits
	of     Watched
	start  time.Time
	known  map[process]bool // whether it runs behind the wall
	spent  map[process]int  // the CPU time that each had when it was seen last, in ticks
	all    int              // the sum of these

	stop    chan struct{}
	looking sync.WaitGroup

	mu   sync.Mutex
	disk int // when that was looked at last
	hit  string
	peak Usage
}

// A process is told from a later one of the same pid by its start.
type process struct {
	pid   int
	start uint64
}

// Watch begins to look, until Close.
func (s *Sandbox) Watch(of Watched) *Watch {
	w := &Watch{limits: s.Limits, of: of, start: time.Now(), known: make(map[process]bool),
		spent: make(map[process]int), stop: make(chan struct{})}
	w.looking.Go(func() { w.again(w.look) })
	w.looking.Go(func() { w.again(w.lookAtDisk) }) // may take long, where there are many files
	return w
}

// again looks until Close, 50 times a second. That costs at most a tenth of a CPU, however much there is to
// look at. What counts is the thread's CPU time: on a busy machine a look takes longer without costing more.
func (w *Watch) again(look func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		began := threadTime()
		look()
		select {
		case <-w.stop:
			return
		case <-time.After(max(20*time.Millisecond, 10*(threadTime()-began))):
		}
	}
}

// threadTime is the CPU time that the calling thread has used.
func threadTime() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) // cannot fail: clock_gettime(2)
	return time.Duration(ts.Nano())
}

func (w *Watch) lookAtDisk() {
	disk := w.of.Disk()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disk = disk
}

// Close looks for the last time, and returns the limit that was hit and what was used at most.
func (w *Watch) Close() (hit string, peak Usage) {
	close(w.stop)
	w.looking.Wait()
	w.lookAtDisk()
	w.look()
	return w.Hit(), w.peak
}

// Hit is the limit that was hit; "" is none.
func (w *Watch) Hit() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hit
}

// look ends all that runs behind the wall, time and again, once a limit was hit.
func (w *Watch) look() {
	all, err := w.of.Processes()
	if err != nil {
		return
	}
	now := Usage{Wall: time.Since(w.start), Output: w.of.Output()}
	var theirs []int
	waited := 0 // for: with their CPU time
	unnamed, seen := 0, make(map[fileID]bool)
	for _, st := range all {
		if !w.mine(st) {
			continue
		}
		theirs = append(theirs, st.PID)
		now.Processes += max(1, st.Threads)
		waited += st.CPU + st.ChildCPU
		key := process{st.PID, st.Start}
		w.all += st.CPU - w.spent[key]
		w.spent[key] = st.CPU
		now.Memory += used(st.PID)
		open, bytes := descriptors(st.PID, seen, w.of.Whole)
		now.Files, unnamed = max(now.Files, open), unnamed+bytes
	}
	now.CPU = time.Duration(waited) * time.Second / ticks
	if w.of.Collected != nil {
		now.CPU += w.of.Collected()
	}
	// The time of a child that nobody waited for, since SIGCHLD is ignored, is in no sum of the kernel's
	// (NOTES in wait(2)): that of those that were seen is in ours.
	now.CPU = max(now.CPU, time.Duration(w.all)*time.Second/ticks)
	w.mu.Lock()
	defer w.mu.Unlock()
	now.Disk = w.disk + unnamed
	w.peak = w.peak.most(now)
	if w.hit == "" {
		w.hit = w.limits.over(now)
	}
	if w.hit != "" {
		for _, pid := range theirs {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// mine reports whether a process runs behind the wall. One that has not yet come there is asked again.
func (w *Watch) mine(st proc.Stat) bool {
	key := process{st.PID, st.Start}
	if !w.known[key] {
		w.known[key] = w.of.Mine == nil || w.of.Mine(st.PID)
	}
	return w.known[key]
}

func (u Usage) most(v Usage) Usage {
	return Usage{max(u.Processes, v.Processes), max(u.Memory, v.Memory), max(u.Files, v.Files),
		max(u.Output, v.Output), max(u.Disk, v.Disk), max(u.CPU, v.CPU), max(u.Wall, v.Wall)}
}

// ticks is the unit of CPU time in /proc, per second (sysconf(3), _SC_CLK_TCK).
const ticks = 100

// used is the memory of a process that is of no file, in bytes (proc_pid_status(5)): its own pages, those of
// shared memory, and what was swapped out. What fork has not yet copied counts for both.
func used(pid int) int {
	kilobytes := 0
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		if name == "RssAnon" || name == "RssShmem" || name == "VmSwap" {
			n := 0
			fmt.Sscan(value, &n)
			kilobytes += n
		}
	}
	return kilobytes << 10
}

// descriptors counts what a process has open, and the files among it that have no name (any more), in
// bytes: but for those that were seen, or are on a file system that is counted whole.
func descriptors(pid int, seen map[fileID]bool, whole []uint64) (n, unnamed int) {
	dir, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		var st unix.Stat_t
		if unix.Fstatat(int(dir.Fd()), name, &st, 0) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 0 {
			continue
		}
		if id := idOf(&st); !seen[id] && !slices.Contains(whole, st.Dev) {
			seen[id] = true
			unnamed += int(st.Blocks) * 512
		}
	}
	return len(names), unnamed
}

// Left is what the program left in files, in bytes: in a folder that is a file system of its own or, of
// another user, in that and wherever everybody may write.
func (s *Sandbox) Left(dir string) int {
	if s.Contained {
		var fs unix.Statfs_t
		if unix.Statfs(dir, &fs) != nil {
			return 0
		}
		return occupied(&fs)
	}
	return leftBy(s.UID, append(slices.Clone(Shared), dir)...)
}

// Shared are the folders in which every user of a machine may write.
var Shared = []string{"/tmp", "/var/tmp", "/dev/shm"}
