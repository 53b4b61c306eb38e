package target

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"posixlab/labs/internal/proc"
)

// How long to wait for what may never come. Neither decides a verdict of a server that works: a
// guard only catches a hang.
const (
	// guard is the wait on an idle machine; a busy one gets more.
	guard = 10 * time.Second

	// Quiet is how long a server must have stood still to be called stuck.
	Quiet = time.Second

	// QuietSYN is the same for a connection that waits for its handshake. If its SYN was dropped,
	// the kernel sends it anew after one second, and after three (tcp(7), tcp_syn_retries).
	QuietSYN = 4 * time.Second
)

// A Hang says that what was waited for did not come.
type Hang struct {
	After time.Duration
	Quiet bool // the server stood still
}

func (h *Hang) Error() string {
	if h.Quiet {
		return fmt.Sprintf("the server stands still, after %s", h.After.Round(time.Second))
	}
	return fmt.Sprintf("nothing for %s", h.After.Round(time.Second))
}

// Await waits until cond reports true or fails. It looks again whenever wake, which may be nil,
// says that something came, and every few milliseconds. It returns a Hang when the guard ran
// out, or earlier when the server stands still: all its threads wait for somebody else, and none of
// them has had a CPU for a second, so that nothing is on its way.
func (r *Run) Await(wake <-chan struct{}, cond func() (bool, error)) error {
	return r.AwaitStill(Quiet, wake, cond)
}

// AwaitStill is Await with another time after which a server that stands still is called stuck.
func (r *Run) AwaitStill(quiet time.Duration, wake <-chan struct{}, cond func() (bool, error)) error {
	start := time.Now()
	still := stillness{run: r, since: start, next: start.Add(lookEvery)}
	return poll(wake, func() (bool, error) {
		if done, err := cond(); done || err != nil {
			return done, err
		}
		select {
		case <-over:
			return false, ErrEnded
		default:
		}
		waited := time.Since(start)
		stillFor, err := still.look()
		switch {
		case err != nil:
			return false, err
		case stillFor >= quiet:
			return lastLook(cond, &Hang{waited, true})
		case waited > guard && waited > time.Duration(load()*float64(guard)):
			return lastLook(cond, &Hang{waited, false})
		}
		return false, nil
	})
}

// AwaitKernel waits for a condition that no server has a part in, such as the end of TIME_WAIT, for
// at most this long, and looks ten times a second. It reports whether the condition came true.
func AwaitKernel(most time.Duration, cond func() (bool, error)) (came bool, err error) {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for tooLong := time.After(most); ; {
		if came, err = cond(); came || err != nil {
			return came, err
		}
		select {
		case <-over:
			return false, ErrEnded
		case <-look.C:
		case <-tooLong:
			return false, nil
		}
	}
}

// lastLook asks once more, since the condition may have come true while we looked elsewhere.
func lastLook(cond func() (bool, error), hang *Hang) (bool, error) {
	if done, err := cond(); done || err != nil {
		return done, err
	}
	return false, hang
}

// poll calls look until it reports true or fails. There is no event for most of what /proc shows:
// looking again is the only way, at first after a fifth of a millisecond, then less often. At most half of
// the time is spent on it.
func poll(wake <-chan struct{}, look func() (bool, error)) error {
	interval := 200 * time.Microsecond
	for {
		began := time.Now()
		if done, err := look(); done || err != nil {
			return err
		}
		select {
		case <-wake:
		case <-time.After(max(interval, time.Since(began))):
			interval = min(interval*3/2, 10*time.Millisecond)
		}
	}
}

// load is 1 and how many processes want each CPU, at most 5, from /proc/loadavg: the larger of the
// last minute's average and of those that can run right now.
func load() float64 {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 1
	}
	var minute, other float64
	var running, all int
	fmt.Sscanf(strings.TrimSpace(string(data)), "%f %f %f %d/%d", &minute, &other, &other, &running, &all)
	return min(5, 1+max(minute, float64(running))/float64(runtime.NumCPU()))
}

// lookEvery is how often stillness looks: a look costs a read of every thread's status.
const lookEvery = 100 * time.Millisecond

// enoughLooks is how many looks in a row must have seen the same.
const enoughLooks = 5

// stillness watches whether any thread of the run gets to run.
type stillness struct {
	run   *Run
	next  time.Time // when to look again
	since time.Time // no change since, but for the time that we ourselves could not look
	print string    // what the threads looked like then
	same  int       // how many looks in a row saw that
}

// look returns for how long nothing has changed. A thread that can run or that waits for a device is a
// change that is about to come; so is one of the server's own that has set itself an alarm clock
// (nanosleep), and not one of a sleep that it started.
func (s *stillness) look() (time.Duration, error) {
	now := time.Now()
	if now.Before(s.next) {
		return 0, nil
	}
	// A machine that gave us no CPU, or that stood still as a whole, gave the server none either.
	s.since = s.since.Add(now.Sub(s.next))
	// Among thousands of processes a look takes long: let it take a tenth of the time at most.
	defer func() { s.next = now.Add(max(lookEvery, 10*time.Since(now))) }()
	tree, err := s.run.Tree()
	if err != nil {
		return 0, err
	}
	var print strings.Builder
	for _, st := range tree {
		if st.State == "Z" {
			fmt.Fprintln(&print, st.PID)
			continue
		}
		threads, err := proc.Threads(st.PID)
		if err == proc.ErrGone {
			continue
		}
		if err != nil {
			return 0, err
		}
		for _, th := range threads {
			if th.State == "R" || th.State == "D" || th.Call == "nanosleep" && th.State != "T" && s.run.isServer(st.PID) {
				s.since, s.same = now, 0
			}
			fmt.Fprintln(&print, th.TID, th.State, th.Switches)
		}
	}
	if print.String() != s.print {
		s.print, s.since, s.same = print.String(), now, 0
	}
	if s.same++; s.same < enoughLooks {
		return 0, nil
	}
	return now.Sub(s.since), nil
}
