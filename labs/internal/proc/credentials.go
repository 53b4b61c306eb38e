package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Credentials are whom a process is, and what it may, as /proc/PID/status shows it (credentials(7)).
type Credentials struct {
	UID, GID     [4]int // real, effective, saved set, file system
	Groups       []int  // the supplementary ones
	NoNewPrivs   bool   // exec gives it no more than it has: prctl(2)
	Capabilities uint64 // the effective ones, a bit each: capabilities(7)
}

// ReadCredentials reads those of a process's first thread.
func ReadCredentials(pid int) (c Credentials, err error) {
	data, err := os.ReadFile(path(pid, "status"))
	if err != nil {
		return c, gone(err)
	}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch name {
		case "Uid":
			_, err = fmt.Sscan(value, &c.UID[0], &c.UID[1], &c.UID[2], &c.UID[3])
		case "Gid":
			_, err = fmt.Sscan(value, &c.GID[0], &c.GID[1], &c.GID[2], &c.GID[3])
		case "Groups":
			for _, word := range strings.Fields(value) {
				gid, err := strconv.Atoi(word)
				if err != nil {
					return c, err
				}
				c.Groups = append(c.Groups, gid)
			}
		case "NoNewPrivs":
			c.NoNewPrivs = value == "1"
		case "CapEff":
			c.Capabilities, err = strconv.ParseUint(value, 16, 64)
		}
		if err != nil {
			return c, fmt.Errorf("/proc/%d/status: %s: %w", pid, name, err)
		}
	}
	return c, nil
}

// Unlimited is a limit that there is not: RLIM_INFINITY.
const Unlimited = ^uint64(0)

// A Limit is how much of a resource a process may use: up to Soft, and it may raise that up to Hard
// (getrlimit(2)).
type Limit struct {
	Soft, Hard uint64 // in seconds, in bytes, or how many; Unlimited
}

// ReadLimits reads a process's limits, by the names that /proc/PID/limits has for them: "Max cpu time".
func ReadLimits(pid int) (map[string]Limit, error) {
	data, err := os.ReadFile(path(pid, "limits"))
	if err != nil {
		return nil, gone(err)
	}
	limits := make(map[string]Limit)
	for line := range strings.Lines(string(data)) {
		const name = 26 // columns
		if len(line) < name || strings.HasPrefix(line, "Limit ") {
			continue
		}
		var l Limit
		fields := strings.Fields(line[name:])
		if len(fields) < 2 {
			return nil, fmt.Errorf("/proc/%d/limits: %q", pid, line)
		}
		for i, to := range []*uint64{&l.Soft, &l.Hard} {
			if *to = Unlimited; fields[i] != "unlimited" {
				if *to, err = strconv.ParseUint(fields[i], 10, 64); err != nil {
					return nil, fmt.Errorf("/proc/%d/limits: %w", pid, err)
				}
			}
		}
		limits[strings.TrimSpace(line[:name])] = l
	}
	if len(limits) == 0 {
		return nil, ErrGone // a zombie has none
	}
	return limits, nil
}
