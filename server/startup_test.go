package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStartUpErrors(t *testing.T) {
	taken := start(t, options{}).port
	tests := []struct {
		name   string
		port   int
		change func(*exec.Cmd)
		en, es string
	}{
		{"port in use", taken, nil,
			"address already in use (EADDRINUSE): is another server running? look with `ss -ltnp`, or try -port 0",
			"la dirección ya está en uso (EADDRINUSE): ¿hay otro servidor corriendo? búscalo con `ss -ltnp`, o prueba -port 0"},
		{"above the range", 70000, nil,
			"a port is a number from 0 to 65535: choose one with -port",
			"un puerto es un número de 0 a 65535: elige uno con -port"},
		{"below the range", -1, nil,
			"a port is a number from 0 to 65535: choose one with -port",
			"un puerto es un número de 0 a 65535: elige uno con -port"},
		{"privileged", 80, asNobody,
			"permission denied (EACCES): ports under 1024 are root's: choose a larger one with -port",
			"permiso denegado (EACCES): los puertos menores a 1024 son de root: elige uno mayor con -port"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.port == 80 && firstFreePort(t) <= 80 {
				t.Skip("on this machine port 80 is everybody's (net.ipv4.ip_unprivileged_port_start)")
			}
			for lang, text := range map[string]string{"en": test.en, "es": test.es} {
				args := []string{"-lang", lang, "-port", strconv.Itoa(test.port)}
				stdout, stderr, status := run(t, nil, args, test.change)
				want := fmt.Sprintf("Error: bind 0.0.0.0:%d: %s\n", test.port, text)
				if stdout != "" || stderr != want || status != 1 {
					t.Errorf("in %s: status %d, standard output %q, error %s", lang, status, stdout, cmp.Diff(want, stderr))
				}
			}
		})
	}
}

// firstFreePort is the first port that needs no privilege.
func firstFreePort(t *testing.T) int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return port
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{"-bogus"}, {"-port"}, {"-port", "x"}, {"-port", "5002x"}, {"extra"}, {"-open", "extra"},
		{"-lang", "fr"}, {"-lang", ""}, {"-max-clients", "0"}, {"-max-clients", "-1"},
		{"-max-clients", "8001"}, {"-max-clients", "many"}, {"\x1b[31m"},
	} {
		for env, usage := range map[string]string{"LANG=en_US.UTF-8": "usage: server ", "LANG=es_MX.UTF-8": "uso: server "} {
			stdout, stderr, status := run(t, []string{env}, args, nil)
			if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "server: ") ||
				(!strings.Contains(stderr, "\n\n"+usage) && args[0] != "-lang") || strings.Contains(stderr, "\x1b") {
				t.Errorf("%q, %s: status %d, standard output %q, error %q", args, env, status, stdout, stderr)
			}
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, test := range []struct{ env, arg, begins string }{
		{"LANG=C", "-h", "usage: server "},
		{"LANG=es_MX.UTF-8", "--help", "uso: server "},
		{"LANG=C", "-version", "posixlab server "},
	} {
		stdout, stderr, status := run(t, []string{test.env}, []string{test.arg}, nil)
		if status != 0 || stderr != "" || !strings.HasPrefix(stdout, test.begins) {
			t.Errorf("%s %s: status %d, %q, error %q", test.env, test.arg, status, stdout, stderr)
		}
	}
}

func TestLanguage(t *testing.T) {
	for _, test := range []struct{ env, option, bye string }{
		{"LANG=C", "", "Goodbye."},
		{"LANG=es_MX.UTF-8", "", "Adiós."},
		{"LC_ALL=en_US.UTF-8", "-lang=es", "Adiós."},
		{"LC_ALL=es_MX.UTF-8", "-lang=en", "Goodbye."},
	} {
		s := start(t, options{env: []string{test.env}, change: func(cmd *exec.Cmd) {
			cmd.Args = []string{binary, "-port", "0"}
			if test.option != "" {
				cmd.Args = append(cmd.Args, test.option)
			}
		}})
		c := s.connect()
		if bye := c.ask("EXIT"); bye != test.bye {
			t.Errorf("%s %s: %q, want %q", test.env, test.option, bye, test.bye)
		}
	}
}
