package main

import (
	"bytes"
	"errors"
)

// sayHello tells a class who the user is, and returns once she knows whether she is in. Of one who is not, nothing
// more is asked.
func sayHello(fd int, name, code string, out *replies) error {
	if err := send(fd, "HELLO "+name+" "+code+"\n"); err != nil {
		return err
	}
	if err := receive(fd, answer{out}); err != errAnswered {
		return err
	}
	return nil
}

// errAnswered is the end of an answer, which is a line.
var errAnswered = errors.New("answered")

// An answer is passed on up to its end.
type answer struct{ *replies }

func (a answer) Write(p []byte) (int, error) {
	n, err := a.replies.Write(p)
	if err == nil && bytes.HasSuffix(p, []byte("\n")) {
		err = errAnswered
	}
	return n, err
}
