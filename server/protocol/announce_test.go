package protocol

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnnouncement(t *testing.T) {
	want := Announcement{Posixlab: 1, ID: "0123456789abcdef", Title: "Sistemas operativos, grupo 3", Port: 5002}
	got, err := ParseAnnouncement(want.Bytes())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	good := string(want.Bytes())
	for _, bad := range []string{
		"", "{}", "HELLO ana", good + good, good + "x", good[:len(good)-1],
		strings.Replace(good, `"posixlab":1`, `"posixlab":2`, 1),
		strings.Replace(good, "5002", "0", 1), strings.Replace(good, "5002", "65536", 1), strings.Replace(good, "5002", "-1", 1),
		strings.Replace(good, "0123456789abcdef", "0123456789ABCDEF", 1), strings.Replace(good, "0123456789abcdef", "", 1),
		strings.Replace(good, "grupo", `\u001b[2J`, 1), strings.Replace(good, "grupo", "\u202e", 1),
		strings.Replace(good, "Sistemas operativos, grupo 3", "", 1),
		strings.Replace(good, "grupo", strings.Repeat("o", 60), 1),
		strings.Replace(good, `"port"`, `"host":"10.0.0.1","port"`, 1),
		strings.Repeat(" ", 512) + good,
	} {
		if a, err := ParseAnnouncement([]byte(bad)); err != ErrNoAnnouncement || a != (Announcement{}) {
			t.Errorf("%q: %+v, %v", bad, a, err)
		}
	}
}

// FuzzAnnouncement has whatever is accepted be shown safely, and be the same again.
func FuzzAnnouncement(f *testing.F) {
	f.Add(Announcement{ID: "0123456789abcdef", Title: "a", Port: 1}.Bytes())
	f.Add([]byte(`{"posixlab":1,"id":"0123456789abcdef","title":"\u0000","port":5002}`))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		a, err := ParseAnnouncement(datagram)
		if err != nil {
			return
		}
		again, err := ParseAnnouncement(a.Bytes())
		if err != nil || again != a || strings.ContainsAny(a.Title, "\x1b\n\r\x00") || a.Port < 1 {
			t.Errorf("%q: %+v, %+v, %v", datagram, a, again, err)
		}
	})
}
