package script

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"posixlab/labs/internal/proc"
	"posixlab/labs/internal/show"
	"posixlab/labs/internal/target"
)

// mostRequests is when a flood gives up: far more than any kernel holds.
const mostRequests = 2000

// cmdFlood sends LIST again and again for a client that does not read, each when the reply to the one
// before is with the kernel, until one is not: the server is in the middle of sending it.
func (s *Story) cmdFlood(c *call) error {
	if len(c.args) != 2 || s.table == nil {
		return misuse("flood NAME LIST, after a table")
	}
	conn, err := s.need(c.args[0])
	if err != nil {
		return err
	}
	if !conn.deaf {
		return misuse(conn.name + " is not deaf")
	}
	size := len(fits(s.table))
	for conn.asked < mostRequests {
		if err := s.write(conn, []byte(c.args[1]+"\n")); err != nil {
			return err
		}
		conn.asked++
		blocked, err := s.isBlocked(conn, conn.asked*size)
		if hang, ok := errors.AsType[*target.Hang](err); ok {
			return &failure{
				s.say(show.Text{EN: "%s bytes of replies on their way to %s", ES: "%s bytes de respuestas en camino a %s"},
					show.Thousands(conn.asked*size), conn.name),
				s.say(show.Text{EN: "%s bytes (%s)", ES: "%s bytes (%s)"}, show.Thousands(s.delivered(conn)), s.sayHang(hang))}
		}
		if err != nil {
			return err
		}
		if blocked {
			s.Out.Sends(conn.name, s.say(show.Text{EN: "%s   (%d times)", ES: "%s   (%d veces)"}, c.args[1], conn.asked))
			s.Out.Note(show.Text{
				EN: "%s reads nothing; %s bytes are with the kernel, and the rest with the server",
				ES: "%s no lee nada; el kernel tiene %s bytes, y el servidor el resto"}, conn.name, show.Thousands(s.delivered(conn)))
			return nil
		}
	}
	return s.fails(
		show.Text{EN: "a server whose send blocks when the client does not read", ES: "un servidor cuyo send se bloquea cuando el cliente no lee"},
		show.Text{EN: "it goes on sending, or drops what it should send", ES: "sigue enviando, o tira lo que debería enviar"})
}

// stalled is how long nothing more may have been delivered by a thread that is in a sending call: it
// then waits for the client, and not for the kernel to find more room.
const stalled = 200 * time.Millisecond

// isBlocked waits until the kernel has all that a client asked for, or the server waits for room: in a
// sending call or, if it is built another way, by standing still.
func (s *Story) isBlocked(conn *conn, all int) (blocked bool, err error) {
	last, since := -1, time.Now()
	err = s.run.AwaitStill(cmp.Or(s.Patience, target.Quiet), nil,
		func() (bool, error) {
			got := s.delivered(conn)
			if got != last {
				last, since = got, time.Now()
			}
			if got >= all {
				return true, nil
			}
			threads, err := proc.Threads(s.server.PID)
			if err != nil {
				return false, err
			}
			sending := slices.ContainsFunc(threads, func(th proc.Thread) bool {
				return th.State == "S" && slices.Contains([]string{"send", "sendmsg", "write", "writev"}, th.Call)
			})
			blocked = got > 0 && sending && time.Since(since) > stalled
			return blocked, nil
		})
	if hang, ok := errors.AsType[*target.Hang](err); ok && hang.Quiet && last > 0 {
		return true, nil
	}
	return blocked, err
}

// delivered is how many bytes for a deaf client are with the kernel: those that wait in its own
// socket, and those that wait at the server's end.
func (s *Story) delivered(conn *conn) (bytes int) {
	raw, err := conn.tcp.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		bytes, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ)
	})
	table, err := proc.TCPTable()
	if err != nil {
		return 0
	}
	for _, t := range table {
		if (end{conn, true}).matches(t, 0) {
			bytes += t.SendQueue
		}
	}
	return bytes
}
