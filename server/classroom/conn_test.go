package classroom

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connected are the two ends of a connection: the server's, and the guest's.
func connected(t *testing.T, limits Limits) (conn *Conn, guest int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	return NewConn(pair[0], limits), pair[1]
}

// TestHelloInTime has who sends a byte now and then be cut off when the time to say HELLO is over.
func TestHelloInTime(t *testing.T) {
	limits := Usual
	limits.Hello = 200 * time.Millisecond
	conn, guest := connected(t, limits)
	began := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if line, err := NewLines(conn).Next(); err != io.EOF {
			t.Errorf("%q, %v", line, err)
		}
	}()
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		select {
		case <-ended:
			if took := time.Since(began); took < limits.Hello {
				t.Errorf("only %v passed", took)
			}
			return
		default:
			unix.Write(guest, []byte("x"))
		}
		if time.Since(began) > time.Minute {
			t.Fatal("it goes on")
		}
	}
}

// TestJoinedMayThink has a student take her time.
func TestJoinedMayThink(t *testing.T) {
	limits := Usual
	limits.Hello = time.Millisecond
	conn, guest := connected(t, limits)
	conn.Joined()
	lines := NewLines(conn)
	late := time.AfterFunc(20*limits.Hello, func() { unix.Write(guest, []byte("LIST\n")) })
	defer late.Stop()
	if line, err := lines.Next(); line != "LIST" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
}

// TestUnread has a reply that nobody reads fail in time, and one that is read come whole.
func TestUnread(t *testing.T) {
	limits := Usual
	limits.Reply = 100 * time.Millisecond
	conn, guest := connected(t, limits)
	long := strings.Repeat("x", 1<<20)
	began := time.Now()
	if err := conn.Send(long); err != ErrUnread || time.Since(began) < limits.Reply {
		t.Errorf("%v, after %v", err, time.Since(began))
	}

	limits.Reply = time.Minute
	conn, guest = connected(t, limits)
	read := make(chan int)
	go func() {
		n, buf := 0, make([]byte, 1<<16)
		for {
			got, err := unix.Read(guest, buf)
			if n += got; got <= 0 || err != nil && err != unix.EINTR {
				read <- n
				return
			}
		}
	}()
	if err := conn.Send(long); err != nil {
		t.Error(err)
	}
	unix.Shutdown(conn.fd, unix.SHUT_WR)
	if n := <-read; n != len(long) {
		t.Errorf("%d bytes of %d came", n, len(long))
	}
}

// TestUnreadIsWritten has the log say why a connection was closed.
func TestUnreadIsWritten(t *testing.T) {
	s := open(t, nil)
	s.join("ana", "10.0.0.1").Unread()
	data, err := os.ReadFile(s.opt.Audit)
	if want := `"event":"unread","peer":"10.0.0.1:1000","student":"ana","reply":"the connection was closed: she did not read her reply within 10s"`; err != nil || !strings.Contains(string(data), want) {
		t.Errorf("%v\n%s", err, data)
	}
}
