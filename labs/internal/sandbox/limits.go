package sandbox

import (
	"fmt"
	"time"

	"posixlab/labs/internal/show"
)

// Limits are what a program behind a wall, and all that comes of it, may use in one scenario or in one
// build. The kernel holds each process to some of them (setrlimit(2)); the sum of all is looked at
// many times a second: see Watch.
type Limits struct {
	Processes int           // with their threads, at once
	Memory    int           // that is theirs alone, in bytes
	CPU       time.Duration // of all together
	Wall      time.Duration // from the beginning to the end
	FileSize  int           // of each file, in bytes
	Files     int           // that a process has open at once
	Output    int           // what it says, in bytes
	Disk      int           // what it leaves in files, in bytes
}

// Usual is what a server gets. The reference and its children use less than a third of each, in every
// scenario.
var Usual = Limits{
	Processes: 1500,
	Memory:    512 << 20,
	CPU:       time.Minute,
	Wall:      3 * time.Minute,
	FileSize:  64 << 20,
	Files:     4096,
	Output:    8 << 20,
	Disk:      64 << 20,
}

// args are the limits of a single process, as the actor's launch takes them. Each is a little more than
// what Watch allows, so that it is Watch that says so.
func (l Limits) args() []string {
	return []string{
		fmt.Sprintf("nproc=%d", l.Processes+l.Processes/10),
		fmt.Sprintf("cpu=%d", int((l.CPU + 10*time.Second).Seconds())),
		fmt.Sprintf("fsize=%d", l.FileSize),
		fmt.Sprintf("nofile=%d", l.Files),
		"core=0",
		"victim=1",
	}
}

// The limits by name, and what each says of its size.
var names = []struct {
	name string
	say  show.Text
	size func(Limits) any
}{
	{"processes", show.Text{EN: "%d processes and threads at once", ES: "%d procesos e hilos a la vez"}, func(l Limits) any { return l.Processes }},
	{"memory", show.Text{EN: "%d MiB of memory", ES: "%d MiB de memoria"}, func(l Limits) any { return l.Memory >> 20 }},
	{"cpu", show.Text{EN: "%d s of CPU time", ES: "%d s de tiempo de CPU"}, func(l Limits) any { return int(l.CPU.Seconds()) }},
	{"time", show.Text{EN: "%d s from beginning to end", ES: "%d s de principio a fin"}, func(l Limits) any { return int(l.Wall.Seconds()) }},
	{"file-size", show.Text{EN: "%d MiB for each file", ES: "%d MiB por archivo"}, func(l Limits) any { return l.FileSize >> 20 }},
	{"open-files", show.Text{EN: "%d open files for each process", ES: "%d archivos abiertos por proceso"}, func(l Limits) any { return l.Files }},
	{"output", show.Text{EN: "%d MiB of output", ES: "%d MiB de salida"}, func(l Limits) any { return l.Output >> 20 }},
	{"disk", show.Text{EN: "%d MiB of files", ES: "%d MiB de archivos"}, func(l Limits) any { return l.Disk >> 20 }},
}

// Say tells one of the limits in words: at most so much.
func (l Limits) Say(lang show.Lang, name string) string {
	for _, n := range names {
		if n.name == name {
			return n.say.In(lang, n.size(l))
		}
	}
	return name
}

// SayAll tells all of them.
func (l Limits) SayAll(lang show.Lang) (said []string) {
	for _, n := range names {
		said = append(said, l.Say(lang, n.name))
	}
	return said
}
