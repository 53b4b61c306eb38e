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
	// START allow OMIT
	if _, allowed := c.allow[argv[0]]; !allowed {
		allowed := strings.Join(c.Allowed(), " ")
		return "", refuse(notAllowed, protocol.Quote(argv[0]), allowed)
	}
	// END allow OMIT
	g.student.starting.Lock() // or two of her connections could both be the last that is allowed
	defer g.student.starting.Unlock()
	now, err := c.endOrphans()
	if err != nil {
		return "", err
	}
	if own := len(now.living(g.student)); own >= c.opt.Limits.Processes {
		return "", refuse(tooManyProcesses, own)
	}
	pid, reply, err := verbs.Start(g.student.name, argv)
	if err != nil {
		return "", err
	}
	e.PID = pid
	c.started(pid, g.student)
	return reply, nil
}

// started remembers whose a new process is, and ends it when its time is up.
func (c *Class) started(pid int, by *student) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.Started++
	if st, err := readStat(pid); err == nil { // else it has ended already
		made := process{pid, st.began}
		wall := time.AfterFunc(c.opt.Limits.Wall, func() { made.kill() }) // what it started are orphans then
		c.roots[made] = root{by, wall}
	}
}

// stop ends a process of the class, or only one of the student's own, by force.
func (g *Guest) stop(arg string, verbs Verbs, e *entry) (reply string, err error) {
	c := g.class
	pid, err := protocol.ParsePID(arg)
	if err != nil {
		return "", err
	}
	e.PID = pid
	now, err := c.processes()
	if err != nil {
		return "", err
	}
	st, there := now.of[pid]
	owner, ours := now.owner(pid)
	switch {
	case !there:
		return "", protocol.Refuse(protocol.CannotStop, pid, unix.ESRCH)
	// START own OMIT
	case !ours:
		return "", refuse(notOfTheClass, pid)
	case c.opt.Own && owner != g.student:
		return "", refuse(notYours, pid)
		// END own OMIT
	}
	if err := (process{pid, st.began}).kill(); err != nil {
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
