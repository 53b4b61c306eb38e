package classroom

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

// start runs a program of the list, for a student who has not too many processes already.
func (g *Guest) start(argv []string, verbs Verbs, e *entry) (reply string, err error) {
	c := g.class
	if _, allowed := c.allow[argv[0]]; !allowed {
		return "", refuse(notAllowed, protocol.Quote(argv[0]), strings.Join(c.Allowed(), " "))
	}
	now, err := c.processes()
	if err != nil {
		return "", err
	}
	if own := len(now.living(g.student)); own >= c.opt.Limits.Processes {
		return "", refuse(tooManyProcesses, own)
	}
	pid, reply, err := verbs.Start(argv)
	if err != nil {
		return "", err
	}
	e.PID = pid
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.Started++
	if st, err := readStat(pid); err == nil { // else it has ended already
		r := root{pid, st.began}
		c.roots[r] = g.student
		time.AfterFunc(c.opt.Limits.Wall, func() { c.end(r) })
	}
	return reply, nil
}

// stop ends a process of the class, or only one of the student's own, by force. It looks at the process
// through a descriptor, which stays that process's even if another one gets its pid (pidfd_open(2)).
func (g *Guest) stop(arg string, verbs Verbs, e *entry) (reply string, err error) {
	c := g.class
	pid, err := protocol.ParsePID(arg)
	if err != nil {
		return "", err
	}
	e.PID = pid
	// POSIX has nothing like it: kill(pid, SIGKILL) may reach another process than the one that was looked at.
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return "", protocol.Refuse(protocol.CannotStop, pid, err)
	}
	defer unix.Close(fd) // the only copy
	now, err := c.processes()
	if err != nil {
		return "", err
	}
	owner, ours := now.owner(pid)
	switch {
	case !ours:
		return "", refuse(notOfTheClass, pid)
	case c.opt.Own && owner != g.student:
		return "", refuse(notYours, pid)
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return "", protocol.Refuse(protocol.CannotStop, pid, err)
	}
	c.mu.Lock()
	c.count.Stopped++
	c.mu.Unlock()
	return verbs.Stopped(pid), nil
}

// list is a table like that of ps, of the processes of the class; or ps's own, if the class may see all. That
// one is cut at 64 KB, oldest first, so it would not do to pick the class's rows out of it.
func (g *Guest) list(verbs Verbs) (string, error) {
	if g.class.opt.All {
		return verbs.List()
	}
	now, err := g.class.processes()
	if err != nil {
		return "", err
	}
	var pids []int
	for pid := range now.of {
		if _, ours := now.owner(pid); ours {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	table := "    PID COMMAND\n"
	for _, pid := range pids {
		row := fmt.Sprintf("%7d %s", pid, now.of[pid].comm)
		if now.of[pid].dead {
			row += " <defunct>"
		}
		if len(table)+len(row) >= protocol.Limit {
			break
		}
		table += row + "\n"
	}
	return table, nil
}

// end ends a process that a student started and all that descends from it, if it is still there.
func (c *Class) end(r root) {
	now, err := c.processes()
	if err != nil || now.of[r.pid].began != r.began {
		return
	}
	for pid := range now.of {
		if child, found := now.root(pid); found && child == r.pid {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// endAll ends every process of the class, time and again until none is left: one may fork meanwhile.
func (c *Class) endAll() error {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for tooLong := time.Now().Add(10 * time.Second); ; <-look.C {
		now, err := c.processes()
		if err != nil {
			return err
		}
		living := now.living(nil)
		switch {
		case len(living) == 0:
			return nil
		case time.Now().After(tooLong):
			return refuse(processesLeft, len(living))
		}
		for _, pid := range living {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}
