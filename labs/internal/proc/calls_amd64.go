package proc

import (
	"strconv"

	"golang.org/x/sys/unix"
)

func init() {
	calls[strconv.Itoa(unix.SYS_EPOLL_WAIT)] = "epoll_wait"
	calls[strconv.Itoa(unix.SYS_POLL)] = "poll"
	calls[strconv.Itoa(unix.SYS_SELECT)] = "select"
	calls[strconv.Itoa(unix.SYS_PAUSE)] = "pause"
}
