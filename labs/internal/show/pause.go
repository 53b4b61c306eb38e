package show

import (
	"fmt"
	"io"
	"os"
)

// A Reader reads what a person types, a line at a time. It reads byte by byte, so that what was typed
// ahead is there for the next reader.
type Reader struct {
	In   io.Reader
	over bool // the input has ended
}

// Line returns a line without its ending, and false at the end of the input.
func (r *Reader) Line() (line string, ok bool) {
	var text []byte
	for b := make([]byte, 1); !r.over; {
		if _, err := r.In.Read(b); err != nil {
			r.over = true
			break
		}
		if b[0] == '\n' {
			return string(text), true
		}
		text = append(text, b[0])
	}
	return "", false
}

// Enter waits until Enter is pressed. At the end of the input it waits no more.
func (r *Reader) Enter() {
	if !r.over {
		fmt.Fprint(os.Stdout, "    [Enter] ")
		r.Line()
	}
}
