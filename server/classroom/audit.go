package classroom

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// An entry is a line of the log: a JSON object.
type entry struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"` // begin; intent, before a START or STOP is done; request, with what came of it; unread, a reply; end
	Peer    string    `json:"peer,omitempty"`
	Student string    `json:"student,omitempty"`
	Request string    `json:"request,omitempty"` // without the class's code
	Outcome string    `json:"outcome,omitempty"` // ok, error, refused: by the policy
	PID     int       `json:"pid,omitempty"`     // of START and STOP
	Reply   string    `json:"reply,omitempty"`   // its first line

	// Unwritten counts requests before this one, of strangers at its address, that have no entry: see stranger.
	// That of the end counts those of all addresses.
	Unwritten int `json:"unwritten,omitempty"`
}

// An audit is the log: a file that is only ever appended to. Each entry is one write: that of what a START or
// STOP is about to do before it is done, and that of the outcome before the reply is sent. So a server that
// crashes loses none, and at most leaves the last line unended. Against a crash of
// the machine, the file is synchronised (fsync(2)) once a second while there is something new.
type audit struct {
	mu    sync.Mutex
	torn  bool // the last line of the file has no end: a machine crashed, or its disk was full
	fd    int
	dirty bool
	stop  chan struct{}
	done  sync.WaitGroup
}

func openAudit(path string) (*audit, error) {
	// POSIX: int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	a := &audit{fd: fd, torn: endsTorn(fd), stop: make(chan struct{})}
	a.done.Go(a.syncing)
	return a, nil
}

// endsTorn reports whether the last line of a file has no end. There may be nothing to read, as in a FIFO.
func endsTorn(fd int) bool {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size == 0 {
		return false
	}
	file, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return false
	}
	defer file.Close()
	var last [1]byte
	_, err = file.ReadAt(last[:], st.Size-1)
	return err == nil && last[0] != '\n'
}

// write appends an entry.
func (a *audit) write(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.torn { // the entry is going to have a line of its own all the same
		line = append([]byte{'\n'}, line...)
	}
	a.dirty = true
	// START write OMIT
	n, err := unix.Write(a.fd, line)
	for err == unix.EINTR {
		n, err = unix.Write(a.fd, line)
	}
	if err == nil && n < len(line) {
		err = unix.ENOSPC // the disk is full, and the entry is not whole
	}
	// END write OMIT
	if n > 0 {
		a.torn = line[n-1] != '\n'
	}
	return err
}

func (a *audit) syncing() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.sync()
		case <-a.stop:
			return
		}
	}
}

func (a *audit) sync() error {
	a.mu.Lock()
	dirty := a.dirty
	a.dirty = false
	a.mu.Unlock()
	if !dirty {
		return nil
	}
	return unix.Fsync(a.fd) // without the lock: it may take long
}

func (a *audit) close() error {
	close(a.stop)
	a.done.Wait()
	err := a.sync()
	a.mu.Lock()
	defer a.mu.Unlock()
	unix.Close(a.fd) // the only copy
	a.fd = -1        // and not another's, for whoever still asks
	return err
}
