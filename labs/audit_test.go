package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posixlab/labs/internal/grade"
)

const auditLog = `{"time":"2026-03-02T10:00:00Z","event":"begin"}
{"time":"2026-03-02T10:00:01Z","event":"request","peer":"10.0.0.1:1","request":"LIST","outcome":"refused","reply":"Error: say HELLO"}
{"time":"2026-03-02T10:00:02Z","event":"request","peer":"10.0.0.1:1","student":"ana","request":"HELLO ana","outcome":"ok"}
{"time":"2026-03-02T10:00:03Z","event":"intent","peer":"10.0.0.1:1","student":"ana","request":"START sleep 9"}
{"time":"2026-03-02T10:00:03Z","event":"request","peer":"10.0.0.1:1","student":"ana","request":"START sleep 9","outcome":"ok","pid":77}
{"time":"2026-03-02T10:00:04Z","event":"intent","peer":"10.0.0.2:1","student":"bea","request":"STOP \u001b[2J77"}
`

// TestAudit reads a log that ends in the middle of a line, as one of a server that was killed does.
func TestAudit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "class.jsonl")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(auditLog + `{"time":"2026-03-02T10:00:05Z","ev`)
	run := startLabs(t, "audit", "-lang", "en", path)
	if status := run.wait(); status != grade.ExitPass {
		t.Fatalf("status %d\n%s", status, run.stderr.String())
	}
	said := run.read.String()
	for _, want := range []string{"refused  LIST  Error: say HELLO", "ok       START sleep 9", "the server was killed", "(nobody: before HELLO)",
		"requests: 2, refused: 0", "lines that are not whole: 1", `\x1b[2J77`} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	run = startLabs(t, "audit", "-lang", "en", "-student", "ana", path)
	if status := run.wait(); status != grade.ExitPass || strings.Contains(run.read.String(), "bea") || strings.Contains(run.read.String(), "refused  LIST") {
		t.Errorf("status %d\n%s", status, run.read.String())
	}
	write(`{"event":"begin"}
{"event":"request","peer":"10.0.0.1:1","request":"LIST","outcome":"refused","unwritten":80}
{"event":"unread","peer":"10.0.0.1:1","student":"ana","reply":"she did not read"}
{"event":"end","unwritten":17}
`)
	run = startLabs(t, "audit", "-lang", "en", path)
	if status := run.wait(); status != grade.ExitPass || !strings.Contains(run.read.String(), "counted but not written, so as not to fill the log: 97\n") ||
		!strings.Contains(run.read.String(), "unread     she did not read") {
		t.Errorf("status %d\n%s", status, run.read.String())
	}
	// A term in one file: of its first class the machine crashed.
	write(auditLog + `{"time":"2026-03-02T10:00:05Z","ev
{"time":"2026-03-09T10:00:00Z","event":"begin"}
{"time":"2026-03-09T10:00:01Z","event":"request","peer":"10.0.0.1:1","student":"ana","request":"HELLO ana","outcome":"ok"}
{"time":"2026-03-09T10:00:02Z","event":"end"}
`)
	run = startLabs(t, "audit", "-lang", "en", path)
	sums := regexp.MustCompile(`(?m)^  .*requests: .*$`)
	want := []string{"  (nobody: before HELLO)           requests: 1, refused: 1", "  ana                              requests: 2, refused: 0",
		"  ana                              requests: 1, refused: 0"}
	if status := run.wait(); status != grade.ExitPass || !strings.Contains(run.read.String(), "not whole: 1;") {
		t.Errorf("status %d\n%s", status, run.read.String())
	}
	if diff := cmp.Diff(want, sums.FindAllString(run.read.String(), -1)); diff != "" {
		t.Errorf("each class by itself (-want +got):\n%s\n%s", diff, run.read.String())
	}
	write("what\n" + auditLog)
	run = startLabs(t, "audit", "-lang", "en", path)
	if status := run.wait(); status != grade.ExitInfra || !strings.Contains(run.stderr.String(), "line 1 is no entry") {
		t.Errorf("status %d\n%s", status, run.stderr.String())
	}
}
