package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// inContainer is what Docker leaves to root unless it is told otherwise (capabilities(7)).
var inContainer = map[int]bool{
	unix.CAP_CHOWN: true, unix.CAP_DAC_OVERRIDE: true, unix.CAP_FOWNER: true, unix.CAP_FSETID: true,
	unix.CAP_KILL: true, unix.CAP_SETGID: true, unix.CAP_SETUID: true, unix.CAP_SETPCAP: true,
	unix.CAP_NET_BIND_SERVICE: true, unix.CAP_NET_RAW: true, unix.CAP_SYS_CHROOT: true, unix.CAP_MKNOD: true,
	unix.CAP_AUDIT_WRITE: true, unix.CAP_SETFCAP: true,
}

// container makes of a shell the first process of what looks like a container: pids, network and
// temporary folders of its own, the autograder's folder in /mnt. Then it becomes its arguments. The
// compiler's cache begins as ours, so that the standard library is not built once more.
const container = `set -eu
mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
mount --bind "$HERE" /mnt
mkdir -p /mnt/tmp /mnt/cache/build /mnt/layers
mount -t tmpfs tmpfs /mnt/layers
mkdir /mnt/layers/upper /mnt/layers/work
mount -t overlay overlay -o "lowerdir=$OUR_CACHE,upperdir=/mnt/layers/upper,workdir=/mnt/layers/work" /mnt/cache/build ||
	echo "the cache is empty" >&2
chmod 700 /mnt/layers
for dir in /tmp /var/tmp /dev/shm; do
	mkdir "/mnt/tmp$dir" 2>/dev/null || mkdir -p "/mnt/tmp$dir"
	chmod 1777 "/mnt/tmp$dir"
	mount --bind "/mnt/tmp$dir" "$dir"
done
cd /mnt
exec "$@"`

// atGradescope does what Gradescope does with an autograder: the image, and then each submission. It looks
// at what is left after each.
const atGradescope = `set -eu
sh source/setup.sh
cp source/run_autograder .
for group in $CGROUPS; do echo 0 >"$group/cgroup.procs"; done
for name in "$@"; do
	rm -rf submission results/*
	cp -R "submissions/$name" submission
	echo "{}" >submission_metadata.json
	echo "== $name" >&2
	./run_autograder >"out/$name.log" 2>&1 || echo "run_autograder: $?" >&2
	cat "out/$name.log" >&2
	grep execution_time results/results.json >&2
	cp results/results.json "out/$name.json"
	{
		ps -e -o uid=,pid=,args= | awk '$1 >= 60800'
		find /tmp /var/tmp /dev/shm -mindepth 1
		for secret in source/* results/* submission_metadata.json; do # that user must not read them
			! ./launch launch uid=60800 -- cat "$secret" 2>&1 | grep -v -e denied -e directory || echo "$secret"
		done
	} >"out/$name.left"
done
rm kit/.build/labs
./run_autograder
cp results/results.json out/broken.json
`

// TestPackGradescope has a packed autograder grade four submissions as Gradescope would: root of a container
// without namespaces, with the capabilities that Docker leaves, half a CPU and 768 MB.
func TestPackGradescope(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a container for it")
	}
	if testing.Short() {
		t.Skip("it takes a minute or two")
	}
	k := buildKit(t)
	here := t.TempDir()
	setMode(t, here, 0o755)

	// A hidden lab, which students do not have.
	hidden := filepath.Join(t.TempDir(), "01-hidden")
	writePlain(t, filepath.Join(hidden, "lab.toml"), `slide = "01"
[title]
en = "Hidden"
es = "Oculto"
[topic]
en = "hidden"
es = "oculto"
[[scenario]]
name = "again"
points = 5
[scenario.claim]
en = "The same once more."
es = "Lo mismo otra vez."
[scenario.hint]
en = "As before."
es = "Como antes."
`)
	script, err := os.ReadFile(filepath.Join(k.course.Root, "labs", "01-sockets", "lifecycle.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	writePlain(t, filepath.Join(hidden, "again.txtar"), string(script))

	file := filepath.Join(t.TempDir(), "autograder.zip")
	if out, err := exec.Command(self(t), "pack", "-lang", "en", "-labs", "1,8", "-hidden", hidden, "gradescope", file).CombinedOutput(); err != nil {
		t.Fatalf("labs pack: %v\n%s", err, out)
	}
	unzip(t, file, filepath.Join(here, "source"))
	submissions := []string{"ana", "bruno", "elena", "attack-kills-all"}
	for _, name := range submissions {
		from := filepath.Join(k.course.Root, "testdata", "submissions", name)
		if err := os.CopyFS(filepath.Join(here, "submissions", name), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"out", "results"} {
		if err := os.Mkdir(filepath.Join(here, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}

	var env struct{ GOROOT, GOCACHE, GOMODCACHE string }
	said, err := exec.Command("go", "env", "-json", "GOROOT", "GOCACHE", "GOMODCACHE").Output()
	if err == nil {
		err = json.Unmarshal(said, &env)
	}
	if err != nil {
		t.Fatal(err)
	}
	launch := []string{k.actor, "launch", "namespaces=0"}
	for capability := 0; capability <= unix.CAP_LAST_CAP; capability++ {
		if !inContainer[capability] {
			launch = append(launch, fmt.Sprintf("without=%d", capability))
		}
	}
	// The container's /tmp hides our actor, perhaps: it goes along.
	data, err := os.ReadFile(k.actor)
	if err != nil {
		t.Fatal(err)
	}
	writePlain(t, filepath.Join(here, "launch"), string(data))
	setMode(t, filepath.Join(here, "launch"), 0o755)
	launch[0] = "/mnt/launch"

	argv := append([]string{"-c", container, "sh"}, launch...)
	argv = append(argv, "--", "sh", "-c", atGradescope, "sh")
	cmd := exec.CommandContext(t.Context(), "sh", append(argv, submissions...)...)
	cmd.Env = []string{"PATH=" + filepath.Join(env.GOROOT, "bin") + ":" + os.Getenv("PATH"), "HOME=/root", "AUTOGRADER=/mnt",
		"HERE=" + here, "OUR_CACHE=" + env.GOCACHE, "CGROUPS=" + strings.Join(cgroups(t), " "),
		"GOPROXY=file://" + filepath.Join(env.GOMODCACHE, "cache", "download"), "GONOSUMDB=*", "GOTELEMETRY=off"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET,
		Setsid: true, Pdeathsig: unix.SIGKILL}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}

	// What each lab is worth to each of them, and how many scenarios have which status.
	type outcome struct {
		Score  float64
		Labs   map[string]int
		Status map[string]int
		Secret string // the visibility of what is hidden
		Left   string
	}
	full := map[string]int{"01-hidden": 5}
	count := 1
	total := 5.0
	for _, lab := range k.course.Labs {
		if lab.Number == 1 || lab.Number == 8 {
			for _, sc := range lab.Scenarios {
				full[lab.Name] += sc.Points
				total += float64(sc.Points)
				count++
			}
		}
	}
	none := map[string]int{"01-hidden": 0, "01-sockets": 0, "08-zombies": 0}
	want := map[string]outcome{
		"ana":              {total, full, map[string]int{"passed": count}, "after_published", ""},
		"bruno":            {total, full, map[string]int{"passed": count}, "after_published", ""},
		"elena":            {0, none, map[string]int{"failed": count}, "after_published", ""},
		"attack-kills-all": {0, none, map[string]int{"failed": count}, "after_published", ""},
	}
	got := make(map[string]outcome)
	for _, name := range submissions {
		var results struct {
			Score *float64
			Tests []struct {
				Score              *int
				Name               string
				Status, Visibility string
				Tags               []string
				Output             string
			}
		}
		data, err := os.ReadFile(filepath.Join(here, "out", name+".json"))
		if err == nil {
			err = json.Unmarshal(data, &results)
		}
		if err != nil || results.Score == nil {
			t.Errorf("%s: no score: %v\n%s", name, err, data)
			continue
		}
		left, err := os.ReadFile(filepath.Join(here, "out", name+".left"))
		if err != nil {
			t.Fatal(err)
		}
		o := outcome{*results.Score, map[string]int{}, map[string]int{}, "", string(left)}
		for _, test := range results.Tests {
			o.Status[test.Status]++
			if test.Score != nil {
				o.Labs[test.Tags[0]] += *test.Score
			}
			if test.Tags[0] == "01-hidden" {
				o.Secret = test.Visibility
			}
		}
		got[name] = o
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	// Without a grader there is no score, and the student is told that it is not her fault.
	data, err = os.ReadFile(filepath.Join(here, "out", "broken.json"))
	if err != nil {
		t.Fatal(err)
	}
	var broken map[string]any
	if err := json.Unmarshal(data, &broken); err != nil || broken["score"] != nil || broken["tests"] != nil || broken["output"] == "" {
		t.Errorf("the grader is missing: %s, %v", data, err)
	}
}

// TestPackAutolab looks at what Autolab is given, and at what must not be in it.
func TestPackAutolab(t *testing.T) {
	file := filepath.Join(t.TempDir(), "autolab.zip")
	if out, err := exec.Command(self(t), "pack", "-lang", "es", "autolab", file).CombinedOutput(); err != nil {
		t.Fatalf("labs pack: %v\n%s", err, out)
	}
	dir := t.TempDir()
	unzip(t, file, dir)
	if diff := cmp.Diff([]string{"Dockerfile", "autograde-Makefile", "autograde.tar"}, entries(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	said, err := exec.Command("make", "-n", "-C", dir, "-f", "autograde-Makefile").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "run_autolab handin.zip") {
		t.Errorf("make: %v\n%s", err, said)
	}
	listed, err := exec.Command("tar", "-tf", filepath.Join(dir, "autograde.tar")).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for name := range strings.Lines(string(listed)) {
		name = strings.TrimSpace(name)
		names[name] = true
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/.") {
			t.Errorf("%s is packed", name)
		}
	}
	for _, name := range []string{"setup.sh", "run_autolab", "failed.txt", "kit/go.mod", "kit/server/main.go",
		"kit/labs/08-zombies/lab.toml", "kit/labs/08-zombies/exercise/reap.go", "kit/labs/pack/setup.sh"} {
		if !names[name] {
			t.Errorf("%s is not packed", name)
		}
	}
	exercise, err := exec.Command("tar", "-xOf", filepath.Join(dir, "autograde.tar"), "kit/labs/08-zombies/exercise/reap.go").Output()
	if err != nil || strings.Contains(string(exercise), "func") {
		t.Errorf("somebody's solution would be packed: %v\n%s", err, exercise)
	}
}

// TestPackScripts has the shell read every script that can be packed.
func TestPackScripts(t *testing.T) {
	for _, s := range systems {
		files, err := expand(s.scripts, map[string]any{"Lang": "en", "Options": "-labs 1", "Hidden": true})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			cmd := exec.Command("sh", "-n")
			cmd.Stdin = strings.NewReader(string(f.data))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", f.name, err, out)
			}
		}
	}
}

// cgroups makes groups that get half a CPU and 768 MB, of either version (cgroups(7)). There are none
// where they cannot be made, and the test says why.
func cgroups(t *testing.T) (groups []string) {
	const memory, period = 768 << 20, 100000
	type knob struct{ file, value string }
	name := fmt.Sprintf("posixlab-test-%d", os.Getpid())
	wanted := map[string][]knob{
		"/sys/fs/cgroup/memory": {{"memory.limit_in_bytes", fmt.Sprint(memory)}},
		"/sys/fs/cgroup/cpu":    {{"cpu.cfs_period_us", fmt.Sprint(period)}, {"cpu.cfs_quota_us", fmt.Sprint(period / 2)}},
	}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+cpu +memory"), 0)
		wanted = map[string][]knob{"/sys/fs/cgroup": {{"memory.max", fmt.Sprint(memory)}, {"cpu.max", fmt.Sprintf("%d %d", period/2, period)}}}
	}
	for parent, knobs := range wanted {
		group := filepath.Join(parent, name)
		err := os.Mkdir(group, 0o755)
		if err == nil {
			t.Cleanup(func() { os.Remove(group) })
		}
		for _, k := range knobs {
			if err == nil {
				err = os.WriteFile(filepath.Join(group, k.file), []byte(k.value), 0)
			}
		}
		if err != nil {
			t.Logf("without the limits of %s: %v", parent, err)
			continue
		}
		groups = append(groups, group)
	}
	return groups
}

// unzip unpacks a zip, with the modes of its files.
func unzip(t *testing.T, file, dir string) {
	t.Helper()
	archive, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	for _, f := range archive.File {
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, f.Name)
		writePlain(t, path, string(data))
		setMode(t, path, f.Mode().Perm())
	}
}

func writePlain(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func setMode(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
