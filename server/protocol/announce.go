package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode"
	"unicode/utf8"
)

// A class's server announces itself to a multicast group, in UDP, so that its students need not know its
// address. The group is of the administratively scoped block, which no router takes out of an organisation
// (RFC 2365), and the datagrams live for one hop: they stay on the LAN.
var Group = [4]byte{239, 255, 50, 2}

const (
	AnnouncePort = 5002 // UDP
	AnnounceTTL  = 1

	longestAnnouncement = 512 // bytes
	longestTitle        = 60  // runes
)

// An Announcement says that a class is open. Its server's address is not in it: whoever receives it takes
// that from the datagram. Nor is the code.
type Announcement struct {
	Posixlab int    `json:"posixlab"` // the version of this format: 1
	ID       string `json:"id"`       // of the class: the same on each of the server's networks
	Title    string `json:"title"`    // what the class is called
	Port     int    `json:"port"`     // TCP
}

// Bytes are the announcement as a datagram.
func (a Announcement) Bytes() []byte {
	a.Posixlab = 1
	data, _ := json.Marshal(a) // strings and numbers: it cannot fail
	return data
}

// ErrNoAnnouncement is of a datagram that is none.
var ErrNoAnnouncement = errors.New("not an announcement of a class")

// ParseAnnouncement reads a datagram. Anybody on the LAN can send one, so nothing in it is believed before
// it has been looked at: its size, its form, its port, and a title that can be shown on a terminal.
func ParseAnnouncement(datagram []byte) (a Announcement, err error) {
	decoder := json.NewDecoder(bytes.NewReader(datagram))
	decoder.DisallowUnknownFields()
	if len(datagram) > longestAnnouncement || decoder.Decode(&a) != nil || decoder.More() ||
		a.Posixlab != 1 || a.Port < 1 || a.Port > 65535 || !GoodTitle(a.Title) || len(a.ID) != 16 {
		return Announcement{}, ErrNoAnnouncement
	}
	for _, c := range a.ID {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return Announcement{}, ErrNoAnnouncement
		}
	}
	return a, nil
}

// GoodTitle reports whether a class may be called so: up to 60 runes that a terminal shows as they are.
func GoodTitle(title string) bool {
	if title == "" || !utf8.ValidString(title) || utf8.RuneCountInString(title) > longestTitle {
		return false
	}
	for _, r := range title {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
