package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/submission"
	"posixlab/labs/internal/target"
)

// BenchmarkLabs measures how long a student waits, in seconds: the first three labs on the reference as
// `labs check` judges them (the goal is under 3 s on two idle CPUs), all of them (under 14 s), and the first
// three with their known-bad servers as `labs run` tells them (under 20 s). The ratio is to the least that
// could be done: start a server, connect to it, and read one LIST.
//
// Every program is built beforehand, and the runner is the program itself, not the test.
func BenchmarkLabs(b *testing.B) {
	k := buildKit(b)
	for name := range k.course.Bugs {
		k.bug(b, name)
	}
	labs := buildLabs(b)
	b.Setenv("TMPDIR", b.TempDir())
	cases := []struct {
		name string
		args []string
	}{
		{"check-1-2-3", []string{"check", "-reference", "1", "2", "3"}},
		{"check-all", []string{"check", "-reference"}},
		{"run-1", []string{"run", "1"}},
		{"run-2", []string{"run", "2"}},
		{"run-3", []string{"run", "3"}},
		{"run-1-2-3", []string{"run", "1", "2", "3"}},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			var took, bare time.Duration
			for b.Loop() {
				start := time.Now()
				out, err := exec.Command(labs, c.args...).CombinedOutput()
				took += time.Since(start)
				if err != nil {
					b.Fatalf("labs %s: %v\n%s", strings.Join(c.args, " "), err, out)
				}
				bare += bareList(b, k.server)
			}
			b.ReportMetric(took.Seconds()/float64(b.N), "s")
			b.ReportMetric(took.Seconds()/bare.Seconds(), "bare-ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// bareList starts the reference, connects to it, asks for LIST and EXIT, and reads up to the end of
// the connection.
func bareList(b *testing.B, server string) time.Duration {
	start := time.Now()
	run, err := target.NewRun()
	if err != nil {
		b.Fatal(err)
	}
	defer run.End()
	s, err := run.Start(target.Command{Argv: []string{server, "-port", "0"}}, os.Environ(), filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	if err := run.Await(nil, func() (bool, error) { return run.Listening(s, 0) }); err != nil {
		b.Fatal(err)
	}
	conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", s.Port))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "LIST\nEXIT\n"); err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// BenchmarkBuild measures what the first `make lab-1` builds beside the runner, in seconds, with the
// packages of the standard library compiled already.
func BenchmarkBuild(b *testing.B) {
	k := loadKit(b)
	var took time.Duration
	for b.Loop() {
		builder := build.Builder{Root: k.course.Root, Dir: b.TempDir()}
		start := time.Now()
		if _, err := builder.Actor(context.Background()); err != nil {
			b.Fatal(err)
		}
		if _, err := builder.Server(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "s")
	b.ReportMetric(0, "ns/op")
}

var classSize = flag.Int("class", 100, "how many submissions BenchmarkClass grades")

// BenchmarkClass grades a class of 100, the sample class repeated, by all labs: as many submissions side by
// side as there are cores, and then one after another. It tells
//
//   - how many submissions a core grades in an hour (of which more than half are attackers, who use up all
//     the time that they are given),
//   - jobs-ratio, the one-by-one time to the other: what -jobs gains,
//   - memory-ratio, the most that the grader had in the second half of the class to that in the first: 1 is flat,
//   - differ, the verdicts that are not the same in both: it must be 0.
//
// -class 24 makes do with a smaller one.
func BenchmarkClass(b *testing.B) {
	submissions := repeatedClass(b, sample(b), *classSize)
	labs := buildLabs(b)
	b.Setenv("TMPDIR", b.TempDir())
	for b.Loop() {
		cores := runtime.NumCPU()
		many := gradeAll(b, labs, submissions, cores)
		one := gradeAll(b, labs, submissions, 1)
		differ := 0
		for id, verdict := range many.verdicts {
			if one.verdicts[id] != verdict {
				differ++
				b.Errorf("%s: %s, and %s with -jobs 1", id, verdict, one.verdicts[id])
			}
		}
		b.ReportMetric(float64(*classSize)/many.took.Hours()/float64(cores), "submissions/core-hour")
		b.ReportMetric(one.took.Seconds()/many.took.Seconds(), "jobs-ratio")
		b.ReportMetric(many.secondHalf/many.firstHalf, "memory-ratio")
		b.ReportMetric(many.secondHalf/(1<<20), "MiB")
		b.ReportMetric(float64(differ), "differ")
		b.ReportMetric(0, "ns/op")
	}
}

// repeatedClass copies a class into a folder until it has so many submissions: ana-1, bruno-1, … ana-2.
func repeatedClass(b *testing.B, class string, size int) string {
	sources, err := submission.List(class)
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for n := range size {
		source := sources[n%len(sources)]
		base := filepath.Base(source.Path)
		to := fmt.Sprintf("%s-%d%s", source.Name, n/len(sources)+1, base[len(source.Name):])
		if out, err := exec.Command("cp", "-r", source.Path, filepath.Join(dir, to)).CombinedOutput(); err != nil {
			b.Fatalf("%v %s", err, out)
		}
	}
	return dir
}

// A graded is what came of a class, and what that took.
type graded struct {
	took                  time.Duration
	firstHalf, secondHalf float64           // the most memory that the grader had meanwhile, in bytes (VmRSS)
	verdicts              map[string]string // by submission, lab and scenario
}

func gradeAll(b *testing.B, labs, submissions string, jobs int) (g graded) {
	out := filepath.Join(b.TempDir(), "out")
	cmd := exec.Command(labs, "grade", "-lang", "en", "-jobs", strconv.Itoa(jobs), "-out", out, submissions)
	lines, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	var rest strings.Builder
	for said := bufio.NewScanner(lines); said.Scan(); { // a line for each submission that is complete: "37 %  ana-1: …"
		var percent float64
		if _, err := fmt.Sscanf(said.Text(), "%f %%", &percent); err != nil {
			fmt.Fprintln(&rest, said.Text())
			continue
		}
		now, _, err := proc.Memory(cmd.Process.Pid)
		if err != nil {
			continue
		}
		if percent < 50 {
			g.firstHalf = max(g.firstHalf, float64(now))
		} else {
			g.secondHalf = max(g.secondHalf, float64(now))
		}
	}
	if err := cmd.Wait(); err != nil {
		b.Fatalf("-jobs %d: %v\n%s", jobs, err, rest.String())
	}
	g.took = time.Since(start)
	class, err := gradebook.Read(out)
	if err != nil {
		b.Fatal(err)
	}
	g.verdicts = make(map[string]string)
	for _, s := range class.Submissions {
		for _, r := range s.Results {
			g.verdicts[s.Name+" "+r.Lab+"/"+r.Scenario] = string(r.Verdict)
		}
	}
	return g
}
