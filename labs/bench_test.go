package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posixlab/labs/internal/build"
	"posixlab/labs/internal/target"
)

// BenchmarkLabs measures how long a student waits, in seconds: the first three labs on the reference as
// `labs check` judges them (the goal is under 3 s on two idle CPUs), all nine (under 12 s), and the first
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
