package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"posixlab/labs/internal/grade"
	"posixlab/labs/internal/gradebook"
	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/report"
	"posixlab/labs/internal/show"
)

// A judgement is what came of a submission of the sample class.
type judgement struct {
	Kind    gradebook.Kind
	Points  int
	Fails   string // the scenarios, or "all"
	Limit   string // that it hit
	Problem bool   // no server could be made of it
}

// sampleLabs are what the sample class is judged by here: enough to tell its members apart.
const (
	sampleLabs      = "8,forced"
	sampleScenarios = 6 + 1
	samplePoints    = 19 + 3
)

// sampleClass is what the sample class gets: see testdata/submissions/README.md.
var sampleClass = map[string]judgement{
	"ana":      {Kind: gradebook.Exercise, Points: samplePoints},
	"bruno":    {Kind: gradebook.Make, Points: samplePoints},
	"carla":    {Kind: gradebook.Exercise, Points: samplePoints - 8, Fails: "coalesced storm"},
	"diego":    {Kind: gradebook.Make, Points: 3, Fails: "before-after coalesced storm nonblocking no-trace grandchild"},
	"elena":    {Fails: "all", Problem: true},
	"fabian":   {Kind: gradebook.Program, Points: samplePoints},
	"gabriela": {Fails: "all", Problem: true},
	"hector":   {Kind: gradebook.Exercise, Points: samplePoints - 3, Fails: "forced"},
	"irene":    {Kind: gradebook.Make, Points: samplePoints},
	"javier":   {Fails: "all", Problem: true},
	"karina":   {Fails: "all", Problem: true}, // who stands in the roster only

	"attack-bomb":           {Fails: "all", Problem: true},
	"attack-builder":        {Fails: "all", Problem: true},
	"attack-caller":         {Kind: gradebook.Make, Fails: "all"},
	"attack-climber":        {Fails: "all", Problem: true},
	"attack-daemon":         {Kind: gradebook.Make, Fails: "all"},
	"attack-disk-filler":    {Kind: gradebook.Make, Fails: "all", Limit: "disk"},
	"attack-endless-output": {Kind: gradebook.Make, Fails: "all", Limit: "output"},
	"attack-forger":         {Kind: gradebook.Make, Fails: "all"},
	"attack-fork-bomb":      {Kind: gradebook.Make, Fails: "all", Limit: "processes"},
	"attack-kills-all":      {Kind: gradebook.Make, Fails: "all"},
	"attack-memory-hog":     {Kind: gradebook.Make, Fails: "all", Limit: "memory"},
	"attack-never-listens":  {Kind: gradebook.Make, Fails: "all"},
	"attack-slip":           {Fails: "all", Problem: true},
	"attack-spy":            {Kind: gradebook.Make, Fails: "all"},
}

// judgements are what came of a class.
func judgements(t *testing.T, c *gradebook.Class) map[string]judgement {
	all := make(map[string]judgement)
	for _, s := range c.Submissions {
		j := judgement{Kind: s.Kind, Points: s.Points, Problem: s.Problem != ""}
		var fails []string
		for _, r := range s.Results {
			if r.Verdict != grade.Pass {
				fails = append(fails, r.Scenario)
			}
			if r.Verdict != grade.Pass && r.Verdict != grade.Fail {
				t.Errorf("%s: %s", s.Name, why(r))
			}
			if r.Limit != "" {
				j.Limit = r.Limit
			}
		}
		if !s.Complete || s.Max != samplePoints {
			t.Errorf("%s: complete %v, of %d points; want %d", s.Name, s.Complete, s.Max, samplePoints)
		}
		if j.Fails = strings.Join(fails, " "); len(fails) == len(c.Scenarios) {
			j.Fails = "all"
		}
		all[s.Name] = j
	}
	return all
}

// sample is the folder of the sample class. The test is skipped where its servers cannot be built, or be
// kept behind a wall.
func sample(t testing.TB) string {
	needs(t, "make", "cc", "bwrap")
	if _, err := os.Stat("/usr/bin/python3"); err != nil { // fabian's server names it
		needs(t, "/usr/bin/python3")
	}
	r := newRunner(t, show.English)
	if _, err := r.Sandbox(0); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return filepath.Join(loadKit(t).course.Root, "testdata", "submissions")
}

// verdictsIn counts the verdicts that a grader has kept so far.
func verdictsIn(out string) (n int) {
	files, _ := filepath.Glob(filepath.Join(out, "*", gradebook.File))
	for _, file := range files {
		if s, err := gradebook.ReadFile[gradebook.Submission](file); err == nil {
			n += len(s.Results)
		}
	}
	return n
}

// TestSampleClass grades the sample class: interrupted and killed several times, and resumed, it gets
// what it should. Its attackers are among its honest members, whose verdicts are the same as without
// them, and nothing is left of them.
func TestSampleClass(t *testing.T) {
	submissions := sample(t)
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"grade", "-lang", "en", "-out", out, "-labs", sampleLabs,
		"-roster", filepath.Join(submissions, "roster.csv"), "-resume", submissions}
	all := len(sampleClass) * sampleScenarios
	program := buildLabs(t) // without the race detector, which TestCaller has
	for i, moment := range []int{1, all / 3, all - 40} {
		run := startProgram(t, program, args...)
		await(t, fmt.Sprintf("%d verdicts", moment), func() bool {
			return verdictsIn(out) >= moment || run.cmd.ProcessState != nil
		})
		kept := verdictsIn(out)
		s := []signalling{signallings[0], signallings[3], signallings[1]}[i]
		s.send(run)
		if status := run.wait(); status != s.status {
			t.Errorf("%s: status %d\n%s", s.name, status, run.stderr.String())
		}
		await(t, "the end of all that the grader started", func() bool { return len(run.living()) == 0 })
		if left := entries(t, run.tmp); len(left) > 0 && s.status != -1 {
			t.Errorf("%s: left in TMPDIR: %v", s.name, left)
		}
		if now := verdictsIn(out); now < kept {
			t.Errorf("%s: %d verdicts were kept; now there are %d", s.name, kept, now)
		}
	}
	run := startProgram(t, program, args...)
	if status := run.wait(); status != grade.ExitPass {
		t.Fatalf("status %d\n%s\n%s", status, run.stderr.String(), run.read.String())
	}
	run.mustBeGone(t)
	class, err := gradebook.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sampleClass, judgements(t, class)); diff != "" {
		t.Errorf("the sample class (-want +got):\n%s", diff)
	}
	mustHaveReports(t, out, class)
	mustBeKeptApart(t, class)

	again := startProgram(t, program, args...)
	if status := again.wait(); status != grade.ExitPass || strings.Contains(again.stderr.String(), "%") {
		t.Errorf("a complete class was judged anew: status %d\n%s", status, again.stderr.String())
	}
	fresh := startProgram(t, program, slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return arg == "-resume" })...)
	if status := fresh.wait(); status != grade.ExitInfra || !strings.Contains(fresh.stderr.String(), "-resume") {
		t.Errorf("results that were there: status %d\n%s", status, fresh.stderr.String())
	}
}

// mustHaveReports has every format tell each submission's points.
func mustHaveReports(t *testing.T, out string, class *gradebook.Class) {
	t.Helper()
	for _, f := range report.Formats {
		if !f.PerSubmission {
			if info, err := os.Stat(filepath.Join(out, f.File)); err != nil || info.Size() == 0 {
				t.Errorf("%s: %v", f.Name, err)
			}
			continue
		}
		for _, s := range class.Submissions {
			data, err := os.ReadFile(filepath.Join(out, s.Name, f.File))
			if err != nil {
				t.Error(err)
				continue
			}
			var points float64
			switch f.Name {
			case "gradescope", "classroom50":
				var said struct{ Score float64 }
				err = json.Unmarshal(data, &said)
				points = said.Score
			case "autolab":
				lines := strings.Split(strings.TrimSpace(string(data)), "\n")
				var said struct{ Scores map[string]float64 }
				err = json.Unmarshal([]byte(lines[len(lines)-1]), &said)
				for _, of := range said.Scores {
					points += of
				}
			}
			if err != nil || points != float64(s.Points) {
				t.Errorf("%s of %s: %v points; want %d (%v)", f.Name, s.Name, points, s.Points, err)
			}
		}
	}
}

// mustBeKeptApart reads what the attackers themselves say of what they achieved.
func mustBeKeptApart(t *testing.T, class *gradebook.Class) {
	t.Helper()
	said := make(map[string]string)
	for _, s := range class.Submissions {
		for _, r := range s.Results {
			said[s.Name] += strings.Join(r.Evidence, "\n") + "\n" + r.Seen + "\n"
		}
	}
	for _, want := range []struct{ name, says, never string }{
		{"attack-spy", "spy: nothing", "spy: read"},
		{"attack-spy", "spy: nothing", "spy: traced"},
		{"attack-caller", "caller: refused", "caller: connected"},
		{"attack-kills-all", "kills-all: killed", "nobody"},
		{"attack-daemon", "daemon:", "nobody"},
		{"attack-memory-hog", "memory-hog:", "memory-hog: 1024 MiB"},
	} {
		if got := said[want.name]; !strings.Contains(got, want.says) || strings.Contains(got, want.never) {
			t.Errorf("%s: want %q and never %q in\n%s", want.name, want.says, want.never, got)
		}
	}
	for _, climbed := range []string{"/tmp/climbed", "/etc/climbed", os.Getenv("HOME") + "/climbed"} {
		if _, err := os.Lstat(climbed); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", climbed, err)
		}
	}
	free := freeUsers(t)
	processes, err := proc.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range processes {
		var who unix.Stat_t
		if unix.Stat(fmt.Sprintf("/proc/%d", st.PID), &who) == nil && free[int(who.Uid)] && st.State != "Z" {
			t.Errorf("a process of a submission's user is left: %+v", st)
		}
	}
}

// freeUsers are the user ids of submissions that no grader has, and none takes until the test ends: package
// sandbox binds a name for each of those that it uses, and other tests grade at the same time.
func freeUsers(t *testing.T) map[int]bool {
	free := make(map[int]bool)
	for id := 60800; id <= 61000; id++ { // the first of them
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) }) // the only copy
		free[id] = unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("@posixlab-user-%d", id)}) == nil
	}
	return free
}

// withoutBwrap starts a program where bubblewrap does not work and the compiler's cache is closed to other
// users, as root's home folder often is.
const withoutBwrap = `set -e
mount --bind /dev/null "$BWRAP"
mkdir -p "$CLOSED/cache"
chmod 700 "$CLOSED"
mount --bind "$CACHE" "$CLOSED/cache"
GOCACHE=$CLOSED/cache exec "$@"
`

// TestOtherUser grades where nothing but another user keeps submissions apart: one that the grader builds, and
// one that builds itself.
func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	needs(t, "unshare")
	submissions := sample(t)
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	class := filepath.Join(t.TempDir(), "class")
	for _, name := range []string{"ana", "diego"} {
		if err := os.CopyFS(filepath.Join(class, name), os.DirFS(filepath.Join(submissions, name))); err != nil {
			t.Fatal(err)
		}
	}
	// What the grader makes in TMPDIR is for that user to read, and the submissions are not.
	if err := errors.Join(os.Chmod(filepath.Dir(t.TempDir()), 0o711), os.Chmod(class, 0o700)); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	env := []string{"BWRAP=" + bwrap, "CACHE=" + strings.TrimSpace(string(cache)), "CLOSED=" + filepath.Join(t.TempDir(), "closed")}
	run := startIn(t, "unshare", env, "-m", "sh", "-c", withoutBwrap, "sh",
		self(t), "grade", "-lang", "en", "-out", out, "-labs", "before-after", class)
	if status := run.wait(); status != grade.ExitPass {
		t.Fatalf("status %d\n%s\n%s", status, run.stderr.String(), run.read.String())
	}
	run.mustBeGone(t)
	got, err := gradebook.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.Isolation, "another user") {
		t.Errorf("isolation: %s", got.Isolation)
	}
	verdicts := make(map[string]grade.Verdict)
	for _, s := range got.Submissions {
		for _, r := range s.Results {
			verdicts[s.Name] = r.Verdict
			if r.Verdict == grade.Infra {
				t.Error(why(r))
			}
		}
	}
	if diff := cmp.Diff(map[string]grade.Verdict{"ana": grade.Pass, "diego": grade.Fail}, verdicts); diff != "" {
		t.Error(diff)
	}
}

// TestCaller has an attacker that connects outwards reach nobody, though somebody listens there: an
// address of the network namespace in which the grader runs.
func TestCaller(t *testing.T) {
	needs(t, "ip")
	submissions := sample(t)
	if !inNetns(t) {
		return
	}
	if out, err := exec.Command("ip", "address", "add", "192.0.2.1/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	listener, err := net.Listen("tcp", "192.0.2.1:5999")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	called := make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			called <- conn.RemoteAddr().String()
			conn.Close()
		}
	}()
	if conn, err := net.Dial("tcp", "192.0.2.1:5999"); err != nil { // that it can be reached at all
		t.Fatal(err)
	} else {
		conn.Close()
	}
	<-called
	for _, attacker := range []string{"attack-caller", "attack-builder"} {
		out := filepath.Join(t.TempDir(), "out")
		run := startLabs(t, "grade", "-lang", "en", "-one", "-out", out, "-labs", "1", filepath.Join(submissions, attacker))
		if status := run.wait(); status != grade.ExitPass {
			t.Fatalf("status %d\n%s", status, run.stderr.String())
		}
		run.mustBeGone(t)
	}
	select {
	case from := <-called:
		t.Errorf("called from %s", from)
	default:
	}
}

// TestWitness has a server find nothing outside of its own folder that it could write to when a script has a
// witness: that runs outside of the sandbox, and its FIFO would command it.
func TestWitness(t *testing.T) {
	sample(t)
	hostile := filepath.Join(t.TempDir(), "hostile")
	const server = `#!/bin/sh
cd "${PATH%%:*}/../.." || exit
find . -mindepth 1 -path ./tmp -prune -o ! -type l \( -type p -o -writable \) -printf 'hostile: can write to %p\n'
echo hostile: looked
`
	if err := errors.Join(os.Mkdir(hostile, 0o755), os.WriteFile(filepath.Join(hostile, "server_bin"), []byte(server), 0o755)); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	run := startLabs(t, "grade", "-lang", "en", "-one", "-out", out, "-labs", "pids", hostile)
	if status := run.wait(); status != grade.ExitPass {
		t.Fatalf("status %d\n%s", status, run.stderr.String())
	}
	class, err := gradebook.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	if why := strings.Join(class.Submissions[0].Results[0].Evidence, "\n"); !strings.Contains(why, "hostile: looked") || strings.Contains(why, "can write") {
		t.Error(why)
	}
}

// TestGradeMisuse has wrong use of the grader be told what to do, and lose nothing.
func TestGradeMisuse(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("class/ana/stop.go", "package main\n")
	write("twice/ana/stop.go", "package main\n")
	write("twice/ana.zip", "")
	write("none/roster.csv", "")
	write("full/notes.txt", "mine")
	noName := write("no-name.csv", "student,grade\nana,10\n")
	twice := write("twice.csv", "submission,name\nana,Ana\nana,Eva\n")
	upwards := write("upwards.csv", "submission,name\n../ana,Ana\n")
	ragged := write("ragged.csv", "submission,name\nana\n")
	made := `{"version": 1, "lang": "en", "scenarios": [{"lab": "01-sockets", "name": "restart"}]}`
	write("made/results.json", made)
	write("hecho/results.json", strings.Replace(made, `"en"`, `"es"`, 1))
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, use := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{at("class")}, grade.ExitUsage, "-out DIR"},
		{[]string{"-out", at("new")}, grade.ExitUsage, "one folder of submissions"},
		{[]string{"-out", at("new"), "-jobs", "0", at("class")}, grade.ExitUsage, "at least 1"},
		{[]string{"-out", at("new"), "-labs", "1,99", at("class")}, grade.ExitUsage, `"99"`},
		{[]string{"-out", at("new"), "-detail", "some", at("class")}, grade.ExitUsage, `"some"`},
		{[]string{"-out", at("new"), "-formats", "pdf", at("class")}, grade.ExitUsage, `"pdf"`},
		{[]string{"-out", at("new"), at("nowhere")}, grade.ExitInfra, "nowhere"},
		{[]string{"-out", at("new"), at("none")}, grade.ExitInfra, "holds no submission"},
		{[]string{"-out", at("new"), at("twice")}, grade.ExitInfra, "two submissions of one name"},
		{[]string{"-out", at("full"), at("class")}, grade.ExitInfra, "is not empty"},
		{[]string{"-out", at("made"), at("class")}, grade.ExitInfra, "-resume"},
		{[]string{"-out", at("made"), "-resume", "-labs", "8", at("class")}, grade.ExitInfra, "of other scenarios (1, and now 6)"},
		{[]string{"-out", at("hecho"), "-resume", "-labs", "restart", at("class")}, grade.ExitInfra, "-lang es"},
		{[]string{"-out", at("new"), "-hidden", at("full"), at("class")}, grade.ExitInfra, "lab.toml"},
		{[]string{"-out", at("new"), "-roster", noName, at("class")}, grade.ExitInfra, "submission and name"},
		{[]string{"-out", at("new"), "-roster", twice, at("class")}, grade.ExitInfra, "twice"},
		{[]string{"-out", at("new"), "-roster", upwards, at("class")}, grade.ExitInfra, `"../ana"`},
		{[]string{"-out", at("new"), "-roster", ragged, at("class")}, grade.ExitInfra, "line 2"},
	} {
		run := startLabs(t, append([]string{"grade", "-lang", "en"}, use.args...)...)
		if status := run.wait(); status != use.status || !strings.Contains(run.stderr.String(), use.says) {
			t.Errorf("labs grade %q: status %d, want %d and %q in\n%s", use.args, status, use.status, use.says, run.stderr.String())
		}
	}
	if _, err := os.Stat(at("new")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a folder for results was made in vain")
	}
	if data, err := os.ReadFile(at("full/notes.txt")); err != nil || string(data) != "mine" {
		t.Errorf("the notes: %q, %v", data, err)
	}
}

// TestSelfcheck has the machine on which the tests run be found good, and a wrong verdict be told.
func TestSelfcheck(t *testing.T) {
	if status := labs(t.Context(), []string{"selfcheck", "-lang", "en", "-count", "2", "restart", "08-zombies/before-after"}); status != grade.ExitPass {
		t.Errorf("status %d", status)
	}
	k, a := loadKit(t), &app{lang: show.English}
	a.out = show.NewNarrator(os.Stdout, a.lang, false)
	trials := []trial{{"", "", k.course.Scenarios()[0]}, {"sigterm", "", k.course.Scenario("07-signals/forced")}}
	if status := a.verdictOf(trials, 10, map[string]int{trials[1].name(): 1}, nil); status != grade.ExitFail {
		t.Errorf("one verdict of ten was wrong: status %d", status)
	}
}
