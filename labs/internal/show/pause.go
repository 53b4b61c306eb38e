package show

import (
	"fmt"
	"io"
	"os"
)

// Enter returns what waits until Enter is pressed. It reads byte by byte, so that what was typed
// ahead is there for the next reader. At the end of the input it waits no more.
func Enter(in io.Reader) func() {
	over := false
	return func() {
		if over {
			return
		}
		fmt.Fprint(os.Stdout, "    [Enter] ")
		for b := make([]byte, 1); b[0] != '\n'; {
			if _, err := in.Read(b); err != nil {
				over = true
				return
			}
		}
	}
}
