package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"posixlab/server/protocol"
)

const tooLong = "(too long)" // stands for a line's error; no line of these tests says it

// receive feeds pieces to requests, each as one recv, and returns the lines that come out.
// A socket of type SOCK_SEQPACKET is a stream with its pieces kept apart.
func receive(t *testing.T, pieces [][]byte) (lines []string) {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		var err error
		for _, piece := range pieces {
			if _, err = unix.SendmsgN(ends[0], piece, nil, nil, unix.MSG_NOSIGNAL); err != nil {
				break
			}
		}
		unix.Close(ends[0]) // the sender's end: the other sees the end of the stream
		sent <- err
	}()
	r := requests{conn: ends[1]}
	for {
		line, err := r.next()
		if err == errClosed {
			break
		}
		if err != nil {
			line = tooLong
		}
		lines = append(lines, line)
	}
	unix.Close(ends[1]) // the receiver's end
	if err := <-sent; err != nil {
		t.Fatalf("send: %v", err)
	}
	return lines
}

// split is the reference: what the whole input says, had it come at once.
func split(input []byte) (lines []string) {
	for len(input) > 0 {
		line, rest, _ := bytes.Cut(input, []byte("\n"))
		input = rest
		text := strings.TrimSuffix(string(line), "\r")
		if len(text) > protocol.Limit {
			text = tooLong
		}
		lines = append(lines, text)
	}
	return lines
}

// cutInto cuts input into pieces of the sizes given, over and over.
func cutInto(input []byte, sizes ...int) (pieces [][]byte) {
	for i := 0; len(input) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(input))
		pieces = append(pieces, input[:n])
		input = input[n:]
	}
	return pieces
}

func diffOf(input []byte, got []string) string {
	return cmp.Diff(shortened(split(input)), shortened(got))
}

// shortened makes long lines fit to be read: their length tells them apart.
func shortened(lines []string) (short []string) {
	for _, line := range lines {
		if len(line) > 60 {
			line = fmt.Sprintf("%d bytes %q…", len(line), line[:20])
		}
		short = append(short, line)
	}
	return short
}

// TestRequestBoundaries sends a line about as long as the limit, ended in each way and cut at
// each place near its end, between two short ones.
func TestRequestBoundaries(t *testing.T) {
	for length := protocol.Limit - 2; length <= protocol.Limit+3; length++ {
		for _, ending := range []string{"\n", "\r\n", "", "\r", "\nEXIT\n", "\r\nEXIT", "\r\r\n"} {
			input := []byte("LIST\n" + strings.Repeat("x", length) + ending)
			end := len("LIST\n") + length
			for at := end - 2; at <= min(end+2, len(input)); at++ {
				pieces := append(cutInto(input[:at], 4096), cutInto(input[at:], 4096)...)
				if diff := diffOf(input, receive(t, pieces)); diff != "" {
					t.Fatalf("%d bytes ended by %q, cut at byte %d (-want +got):\n%s", length, ending, at, diff)
				}
			}
		}
	}
}

// TestRequestStreams sends a few requests cut in every regular way.
func TestRequestStreams(t *testing.T) {
	for _, input := range []string{
		"", "\n", "\r\n", "\r", "\n\n\n", "LIST", "LIST\n", "LIST\r\n", "LIST\nSTOP 1\r\nEXIT",
		"a\rb\n", "a\r\r\n", strings.Repeat("STOP 0\n", 10), "\x00\xff\n\x1b\n",
	} {
		for size := 1; size <= max(1, len(input)); size++ {
			if diff := diffOf([]byte(input), receive(t, cutInto([]byte(input), size))); diff != "" {
				t.Errorf("%q in pieces of %d (-want +got):\n%s", input, size, diff)
			}
		}
	}
}

// TestEndlessLine: a line without an end takes no more memory than the limit.
func TestEndlessLine(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		chunk := bytes.Repeat([]byte("x"), 64*1024)
		for range 64 * 1024 * 1024 / len(chunk) {
			unix.SendmsgN(ends[0], chunk, nil, nil, unix.MSG_NOSIGNAL)
		}
		unix.SendmsgN(ends[0], []byte("\nEXIT"), nil, nil, unix.MSG_NOSIGNAL)
		unix.Close(ends[0]) // the sender's end
	}()
	r := requests{conn: ends[1]}
	if _, err := r.next(); err == nil {
		t.Error("64 MB were taken for a request")
	}
	line, err := r.next()
	if line != "EXIT" || err != nil {
		t.Errorf("after the long line comes %q, %v", line, err)
	}
	if most := 4 * protocol.Limit; cap(r.held) > most {
		t.Errorf("%d bytes are held", cap(r.held))
	}
	unix.Close(ends[1]) // the receiver's end
}

// FuzzRequests: however the bytes are cut, the same lines come out. In the data, byte 0xff
// stands for a run of 65,530 bytes, so that a short input reaches the limit.
func FuzzRequests(f *testing.F) {
	f.Add([]byte("LIST\nSTOP 1\r\nEXIT"), []byte{0})
	f.Add([]byte("\r\n\n\r"), []byte{0, 1})
	f.Add([]byte("\xff\r\nEXIT\n"), []byte{255})
	f.Add([]byte("\xffxxxxxx\nEXIT\n"), []byte{255, 3})
	f.Add([]byte("\xffxxxxxxx\nEXIT\n"), []byte{255, 250})
	f.Add([]byte("\xffxxxxxx\r\nEXIT"), []byte{254})
	f.Add([]byte("\xffxxxxxxx\r"), []byte{253})
	f.Add([]byte("\xff\xff\xff\nLIST\n\xff"), []byte{255})
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		if len(data) > 512 || bytes.Count(data, []byte{0xff}) > 4 {
			t.Skip("longer than is of use")
		}
		input := bytes.ReplaceAll(data, []byte{0xff}, bytes.Repeat([]byte("x"), protocol.Limit-6))
		steps := []int{4096}
		for i, size := range sizes {
			step := 1 + int(size) // short pieces
			if size >= 250 || len(input) > 4096 {
				step = 4096 - int(size) // long ones, else a run would be thousands of them
			}
			if i == 0 {
				steps = nil
			}
			steps = append(steps, step)
		}
		if diff := diffOf(input, receive(t, cutInto(input, steps...))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
