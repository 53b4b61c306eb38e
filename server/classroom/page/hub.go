package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A message is a server-sent event: https://html.spec.whatwg.org/multipage/server-sent-events.html
type message struct {
	name string
	data any
}

func (m message) bytes() []byte {
	data, err := json.Marshal(m.data)
	if err != nil {
		return nil
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", m.name, data)
}

// A hub hands messages on to browsers. It waits for none: one that does not read is dropped, and comes back
// by itself when it can.
type hub struct {
	mu       sync.Mutex
	browsers map[*browser]bool
}

// A browser is one that shows the page.
type browser struct {
	messages  chan []byte // closed when it is dropped
	projector bool        // it has the instructor's secret
}

// waiting is how many messages may wait for a browser.
const waiting = 64

func everybody(*browser) bool { return true }

func (h *hub) send(m message, to func(*browser) bool) {
	data := m.bytes()
	h.mu.Lock()
	defer h.mu.Unlock()
	for b := range h.browsers {
		if !to(b) {
			continue
		}
		select {
		case b.messages <- data:
		default:
			delete(h.browsers, b)
			close(b.messages)
		}
	}
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.browsers)
}

func (h *hub) leave(b *browser) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.browsers[b] {
		delete(h.browsers, b)
		close(b.messages)
	}
}

// patience is how long a browser may take to take a message.
const patience = 5 * time.Second

// feed is a browser's stream of events: all that there is at first, and then what changes.
func (s *show) feed(w http.ResponseWriter, r *http.Request) {
	b := &browser{messages: make(chan []byte, waiting), projector: s.isProjector(r)}
	s.mu.Lock()
	first := [][]byte{message{"hello", s.hello(b.projector)}.bytes(), message{"view", s.view()}.bytes()}
	first = append(first, message{"lines", s.story}.bytes())
	s.hub.mu.Lock()
	s.hub.browsers[b] = true
	s.hub.mu.Unlock()
	s.mu.Unlock()
	defer s.hub.leave(b)

	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	out.SetReadDeadline(time.Time{}) // it has said all that it has to say
	write := func(data []byte) error {
		if err := out.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
		return out.Flush()
	}
	for _, data := range first {
		if write(data) != nil {
			return
		}
	}
	// A browser that has gone, without a word, is noticed when it is written to.
	alive := time.NewTicker(15 * time.Second)
	defer alive.Stop()
	for {
		select {
		case data, kept := <-b.messages:
			if !kept || write(data) != nil {
				return
			}
		case <-alive.C:
			if write(message{"alive", nil}.bytes()) != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
