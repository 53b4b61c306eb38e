package script

import (
	"cmp"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
)

// procUser waits until a process is this user in every way: all its ids, and no group beside that user's
// own. What the server starts can be another user only if the server is root, and may change its ids:
// else it must be the server's own user. Where not even that can show anything, the scenario is skipped.
func (s *Story) procUser(_ *call, pid int, args []string) error {
	if s.server == nil {
		return misuse("no server was started")
	}
	u, err := user.Lookup(args[0])
	if err != nil {
		return skipped(s.say(show.Text{EN: "this machine has no user %s", ES: "esta máquina no tiene un usuario %s"}, args[0]))
	}
	uid, _ := strconv.Atoi(u.Uid) // on Linux they are numbers
	gid, _ := strconv.Atoi(u.Gid)
	server, err := proc.ReadCredentials(s.server.PID)
	if err != nil {
		return err
	}
	const change = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	groups := []int{gid}
	if server.UID[1] != 0 || server.Capabilities&change != change {
		if server.NoNewPrivs {
			return skipped(s.say(show.Text{
				EN: "the server is user %d, who can become nobody else, and its sandbox has taken all from it that it could take",
				ES: "el servidor es el usuario %d, que no puede volverse otro, y su caja de arena ya le quitó todo lo que él podría quitar"}, server.UID[1]))
		}
		s.Out.Note(show.Text{
			EN: "the server is user %d, and not root: what it starts can be nobody else",
			ES: "el servidor es el usuario %d, no root: lo que inicia no puede ser otro"}, server.UID[1])
		uid, gid, groups = server.UID[1], server.GID[1], append(server.Groups, server.GID[1])
	}
	isUser := func(c proc.Credentials) bool {
		return c.UID == [4]int{uid, uid, uid, uid} && c.GID == [4]int{gid, gid, gid, gid} &&
			!slices.ContainsFunc(c.Groups, func(g int) bool { return !slices.Contains(groups, g) })
	}
	return s.credentials(pid, []string{"Uid", "Gid", "Groups"}, s.say(show.Text{
		EN: "/proc/%d/status: user %d, group %d, and no other, in every place",
		ES: "/proc/%d/status: usuario %d, grupo %d, y ningún otro, en todos los lugares"}, pid, uid, gid), isUser)
}

// procPowerless waits until a process has no capability, and can gain nothing by exec.
func (s *Story) procPowerless(_ *call, pid int, _ []string) error {
	return s.credentials(pid, []string{"CapEff", "NoNewPrivs"}, s.say(show.Text{
		EN: "/proc/%d/status: CapEff 0, and NoNewPrivs 1",
		ES: "/proc/%d/status: CapEff 0 y NoNewPrivs 1"}, pid),
		func(c proc.Credentials) bool { return c.NoNewPrivs && c.Capabilities == 0 })
}

// credentials waits until those of a process are what is wanted, and shows these fields of them.
func (s *Story) credentials(pid int, fields []string, expected string, wanted func(proc.Credentials) bool) error {
	var got proc.Credentials
	table := func() show.Table {
		t := show.Table{
			Source: fmt.Sprintf("/proc/%d/status", pid),
			Head:   []show.Text{{EN: "field", ES: "campo"}, {EN: "value", ES: "valor"}},
		}
		ids := func(of ...int) string { return strings.Trim(fmt.Sprint(of), "[]") }
		values := map[string]string{
			"Uid": ids(got.UID[:]...), "Gid": ids(got.GID[:]...), "Groups": ids(got.Groups...),
			"CapEff":     fmt.Sprintf("%016x", got.Capabilities),
			"NoNewPrivs": map[bool]string{true: "1", false: "0"}[got.NoNewPrivs]}
		for _, field := range fields {
			t.Rows = append(t.Rows, []string{field, values[field]})
		}
		return t
	}
	err := s.await(nil, expected,
		func() string {
			var seen []string
			for _, row := range table().Rows {
				seen = append(seen, row[0]+": "+row[1])
			}
			return strings.Join(seen, "; ")
		},
		func() (_ bool, err error) {
			got, err = proc.ReadCredentials(pid)
			return wanted(got), err
		})
	if err == nil {
		s.exhibit(pid, table())
	}
	return err
}

// resources are the limits that a script can ask for, by the names that /proc/PID/limits has for them.
var resources = map[string][]string{
	"cpu":         {"Max cpu time"},
	"memory":      {"Max address space", "Max data size"}, // either will do
	"file":        {"Max file size"},
	"descriptors": {"Max open files"},
}

// procLimits waits until a process may use no more than this of each of these resources, nor raise its
// own limits above that.
func (s *Story) procLimits(_ *call, pid int, args []string) error {
	type wanted struct {
		names []string
		most  uint64
	}
	var wants []wanted
	var expected []string
	for _, arg := range args {
		resource, value, _ := strings.Cut(arg, "=")
		most, err := strconv.ParseUint(value, 10, 64)
		names := resources[resource]
		if names == nil || err != nil {
			return misuse("not RESOURCE=MOST: " + arg)
		}
		wants = append(wants, wanted{names, most})
		expected = append(expected, fmt.Sprintf("%s ≤ %s", strings.Join(names, "|"), sayLimit(most)))
	}
	file := fmt.Sprintf("/proc/%d/limits", pid)
	t := show.Table{Source: file, Head: []show.Text{
		{EN: "limit", ES: "límite"}, {EN: "soft", ES: "blando"}, {EN: "hard", ES: "duro"}}}
	var tooMuch []string
	err := s.await(nil, file+": "+strings.Join(expected, "; "),
		func() string { return strings.Join(tooMuch, "; ") },
		func() (bool, error) {
			limits, err := proc.ReadLimits(pid)
			t.Rows, tooMuch = nil, nil
			for _, want := range wants {
				name := slices.MinFunc(want.names, func(a, b string) int { return cmp.Compare(limits[a].Hard, limits[b].Hard) })
				l := limits[name]
				t.Rows = append(t.Rows, []string{name, sayLimit(l.Soft), sayLimit(l.Hard)})
				if l.Hard > want.most { // the soft one is never higher
					tooMuch = append(tooMuch, fmt.Sprintf("%s: %s, %s", name, sayLimit(l.Soft), sayLimit(l.Hard)))
				}
			}
			return len(tooMuch) == 0, err
		})
	if err == nil {
		s.exhibit(pid, t)
	}
	return err
}

// sayLimit writes a limit as /proc/PID/limits does, but for the commas.
func sayLimit(n uint64) string {
	if n == proc.Unlimited {
		return "unlimited"
	}
	return show.Thousands(int(n))
}
