package bench

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// `make load` asks for more of both; without, the test only shows that it works.
var (
	lasting = flag.Duration("load", 3*time.Second, "how long TestLoad asks")
	crowd   = flag.Int("load-clients", 24, "how many students TestLoad has")
)

// paces are how often a student asks for something, and how often one who is alone does: five times a second
// is her limit.
func paces() (pace, alone time.Duration) {
	if *lasting < time.Minute {
		return time.Second / 2, time.Second / 4
	}
	return 5 * time.Second, time.Second / 4
}

// TestLoad has a class of many students, who each ask for something every five seconds, in turn: START, LIST,
// STOP, and START of what ends by itself. No reply may be an error; and of the server's memory, descriptors and
// threads the medians of the second half may not be more than those of the first. How long replies take is told
// beside what one student alone waits, in the same run. At the end no zombie is left, and no process.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	server := filepath.Join(dir, "server")
	if out, err := exec.Command("go", "build", "-o", server, "posixlab/server").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := startClass(t, server, dir)

	lone := s.join(0)
	var alone latencies
	pace, paceAlone := paces()
	for end := time.Now().Add(max(*lasting/10, 2*time.Second)); time.Now().Before(end); {
		lone.round(&alone, func() { time.Sleep(paceAlone) })
	}
	lone.leave()

	before := s.cpuTime()
	var many latencies
	var students sync.WaitGroup
	end := time.Now().Add(*lasting)
	for i := range *crowd {
		st := s.join(1 + i)
		students.Go(func() {
			defer st.leave()
			next := time.Now().Add(pace * time.Duration(i) / time.Duration(*crowd)) // not all at the same moment
			for round := 0; round == 0 || time.Now().Before(end); round++ {
				st.round(&many, func() {
					time.Sleep(time.Until(next))
					next = next.Add(pace)
				})
			}
		})
	}
	seen := s.watch(end)
	students.Wait()

	t.Logf("%d students, %v; %d requests; %.2f ms of CPU time each", *crowd, *lasting, many.count(),
		(s.cpuTime()-before).Seconds()*1000/float64(many.count()))
	for verb := range many.of {
		one, all := alone.of[verb], many.of[verb]
		t.Logf("%-5s median %6.2f ms, %5.1f times one student's; p99 %6.2f ms, %5.1f times", verbs[verb],
			quantile(all, 0.5), quantile(all, 0.5)/quantile(one, 0.5), quantile(all, 0.99), quantile(all, 0.99)/quantile(one, 0.99))
	}
	for i, name := range []string{"memory in KB", "descriptors", "threads"} {
		first, second := halves(seen, i)
		t.Logf("%-12s %8.0f in the first half, %8.0f in the second", name, first, second)
		if allowed := max(first*1.05, first+2); *lasting >= time.Minute && second > allowed {
			t.Errorf("%s grows: %.0f, and then %.0f", name, first, second)
		}
	}
	s.awaitNoChild()
	s.end()
}

var verbs = [3]string{"START", "LIST", "STOP"}

// latencies are how long replies took, in ms, by verb.
type latencies struct {
	mu sync.Mutex
	of [3][]float64
}

func (l *latencies) add(verb int, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of[verb] = append(l.of[verb], took.Seconds()*1000)
}

func (l *latencies) count() (n int) {
	for _, of := range l.of {
		n += len(of)
	}
	return n
}

func quantile(of []float64, q float64) float64 {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// A class is a running server with a class's policy.
type class struct {
	t     *testing.T
	cmd   *exec.Cmd
	port  int
	ended chan error
}

func startClass(t *testing.T, server, dir string) *class {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s := &class{t: t, cmd: exec.Command(server, "-port", "0", "-lang", "en", "-class", "Q7W3E9", "-quiet", "-page", "off", "-own",
		"-max-clients", fmt.Sprint(*crowd+1), "-audit", filepath.Join(dir, "class.jsonl")), ended: make(chan error, 1)}
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait(); close(s.ended) }()
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		<-s.ended
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the end of the server's log:\n%s", text[max(0, len(text)-4000):])
		}
	})
	s.await("the server to listen", func() bool { s.port = loggedPort(log.Name()); return s.port != 0 })
	return s
}

// await waits until a condition holds.
func (s *class) await(what string, holds func() bool) {
	s.t.Helper()
	for limit := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			s.t.Fatalf("waited a minute in vain for %s", what)
		}
	}
}

// A student is a connection of a class, from one of the loopback's addresses: eight names have one each.
type student struct {
	t     *testing.T
	conn  net.Conn
	reply *bufio.Reader
}

func (s *class) join(number int) *student {
	s.t.Helper()
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+number/8))}}
	conn, err := from.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		s.t.Fatal(err)
	}
	st := &student{s.t, conn, bufio.NewReader(conn)}
	if _, err := st.ask(fmt.Sprintf("HELLO student %d Q7W3E9", number)); err != nil {
		s.t.Fatal(err)
	}
	return st
}

// ask sends a request and reads the first line of its reply, which may not be an error.
func (st *student) ask(request string) (line string, err error) {
	st.conn.SetDeadline(time.Now().Add(patience))
	if _, err := st.conn.Write([]byte(request + "\n")); err != nil {
		return "", err
	}
	line, err = st.reply.ReadString('\n')
	if err == nil && strings.HasPrefix(line, "Error") {
		err = errors.New(line)
	}
	return line, err
}

// round makes four requests, when each may be made.
func (st *student) round(times *latencies, wait func()) {
	pid := 0
	for _, what := range []struct {
		verb    int
		request string
	}{{0, "START sleep 1000"}, {1, "LIST"}, {2, "STOP"}, {0, "START true"}} {
		wait()
		if what.verb == 2 {
			what.request = fmt.Sprint("STOP ", pid)
		}
		began := time.Now()
		line, err := st.ask(what.request)
		if what.verb == 1 && err == nil {
			err = st.rest(pid)
		}
		times.add(what.verb, time.Since(began))
		if err != nil {
			st.t.Errorf("%s: %v", what.request, err)
			return
		}
		if _, digits, found := strings.Cut(line, "PID "); found && what.verb == 0 {
			pid, _ = strconv.Atoi(strings.TrimSpace(digits))
		}
	}
}

// rest reads what follows a table's first line: where it ends, the reply to a request that must fail marks. The
// student's own process has to be among its rows.
func (st *student) rest(pid int) error {
	if _, err := st.conn.Write([]byte("STOP 0\n")); err != nil {
		return err
	}
	found := false
	for {
		line, err := st.reply.ReadString('\n')
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(line, "Error") && !found:
			return fmt.Errorf("process %d is not in the table", pid)
		case strings.HasPrefix(line, "Error"):
			return nil
		case strings.HasPrefix(strings.TrimSpace(line), fmt.Sprint(pid, " ")):
			found = true
		}
	}
}

func (st *student) leave() { st.conn.Close() }

// A sample is what the server has at one moment: memory in KB, descriptors, threads.
type sample [3]float64

// watch looks at the server ten times a second. What it has while the first requests come is not counted.
func (s *class) watch(end time.Time) (seen []sample) {
	s.t.Helper()
	warm := time.Now().Add(*lasting / 5)
	tick := time.NewTicker(time.Second / 10)
	defer tick.Stop()
	for now := range tick.C {
		if now.After(end) {
			return seen
		}
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
		if err != nil {
			s.t.Fatal(err)
		}
		if now.After(warm) {
			seen = append(seen, sample{s.status("VmRSS"), float64(len(fds)), s.status("Threads")})
		}
	}
	return seen
}

func (s *class) status(field string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+field+":")
	number, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return number
}

// halves are the medians of a field's samples.
func halves(seen []sample, field int) (first, second float64) {
	var of []float64
	for _, s := range seen {
		of = append(of, s[field])
	}
	return quantile(of[:len(of)/2], 0.5), quantile(of[len(of)/2:], 0.5)
}

// cpuTime is what the server itself has used, without its children.
func (s *class) cpuTime() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ
}

// awaitNoChild waits until the server has no child, and no zombie.
func (s *class) awaitNoChild() {
	s.t.Helper()
	parent := fmt.Sprint(s.cmd.Process.Pid)
	s.await("the end of all children of the server", func() bool {
		all, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, path := range all {
			text, _ := os.ReadFile(path) // none: it has gone
			_, after, _ := strings.Cut(string(text), ") ")
			if fields := strings.Fields(after); len(fields) > 1 && fields[1] == parent {
				return false
			}
		}
		return true
	})
}

// end ends the server as its instructor would.
func (s *class) end() {
	s.t.Helper()
	s.cmd.Process.Signal(unix.SIGINT)
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("the server ended: %v", err)
		}
	case <-time.After(time.Minute):
		s.cmd.Process.Signal(syscall.SIGQUIT)
		s.t.Error("the server does not end")
	}
}
