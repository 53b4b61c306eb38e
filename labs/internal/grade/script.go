package grade

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptT is what testscript needs of a testing.T.
type scriptT struct {
	log             bytes.Buffer
	failed, skipped bool
	reason          string
}

func (t *scriptT) Skip(args ...any) {
	t.skipped, t.reason = true, strings.TrimSpace(fmt.Sprint(args...))
	runtime.Goexit()
}

func (t *scriptT) FailNow() {
	t.failed = true
	runtime.Goexit()
}

func (t *scriptT) Fatal(args ...any) {
	t.Log(args...)
	t.FailNow()
}

func (t *scriptT) Log(args ...any) { fmt.Fprintln(&t.log, args...) }

func (t *scriptT) Parallel() {}

func (t *scriptT) Verbose() bool { return false }

// Run runs a script in a goroutine of its own, which FailNow and Skip can end.
func (t *scriptT) Run(_ string, f func(testscript.T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(t)
	}()
	<-done
}
