package page

import (
	"crypto/subtle"
	"embed"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"rsc.io/qr"

	"posixlab/server/classroom"
	"posixlab/server/protocol"
)

//go:embed web
var web embed.FS

// A hello is what a browser is told first. The code is for the projector: who else reads it could be anybody.
type hello struct {
	Title     string        `json:"title"`
	Lang      protocol.Lang `json:"lang"` // of the class: a browser may choose the other
	Host      string        `json:"host"`
	Shown     string        `json:"shown"` // the page's own address
	Port      int           `json:"port"`
	Page      int           `json:"page"`
	Server    int           `json:"server"` // its pid
	Projector bool          `json:"projector"`
	Code      string        `json:"code,omitempty"`
}

func (s *show) hello(projector bool) hello {
	h := hello{Title: s.Title, Lang: s.Lang, Host: s.Host, Shown: s.Shown, Port: s.Port, Page: s.Page, Server: s.Server, Projector: projector}
	if projector {
		h.Code = s.Code
	}
	return h
}

// policy is what a browser may do with the page: load what we serve, and nothing else. Names that students
// chose are put in as text; should one get in as HTML all the same, no script of it would run.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *show) handler() http.Handler {
	mux := http.NewServeMux()
	for path, file := range map[string]struct{ name, kind string }{
		"/{$}":      {"page.html", "text/html; charset=utf-8"},
		"/page.css": {"page.css", "text/css; charset=utf-8"},
		"/page.js":  {"page.js", "text/javascript; charset=utf-8"},
		"/view.js":  {"view.js", "text/javascript; charset=utf-8"},
		"/texts.js": {"texts.js", "text/javascript; charset=utf-8"},
		"/icon.svg": {"icon.svg", "image/svg+xml"},
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			data, err := web.ReadFile("web/" + file.name)
			if err != nil {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", file.kind)
			w.Write(data)
		})
	}
	mux.HandleFunc("GET /qr.svg", s.qr)
	mux.HandleFunc("GET /feed", s.feed)
	mux.HandleFunc("POST /door/{order}", s.order)
	mux.HandleFunc("POST /score", s.score)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			w.Header().Set(name, value)
		}
		mux.ServeHTTP(w, r)
	})
}

// nobodysLog is for the complaints of package http about strangers' connections.
func nobodysLog() *log.Logger { return log.New(io.Discard, "", 0) }

// qr draws the page's own address, for phones.
func (s *show) qr(w http.ResponseWriter, r *http.Request) {
	code, err := qr.Encode(fmt.Sprintf("http://%s:%d/", s.Shown, s.Page), qr.M)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	size := code.Size + 2*quiet
	w.Header().Set("Content-Type", "image/svg+xml")
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`+
		`<rect width="%[1]d" height="%[1]d" fill="#fff"/><path d="%[3]s" fill="#000"/></svg>`, size, size, path.String())
}

// quiet is the white margin of a QR code, in its modules (ISO/IEC 18004).
const quiet = 4

// isProjector reports whether a request comes with the instructor's secret. EventSource sends no header of
// ours, so the feed has it in a cookie; orders have it in a header, which no other site can make a browser send.
func (s *show) isProjector(r *http.Request) bool {
	cookie, err := r.Cookie("door")
	return err == nil && s.rightSecret(cookie.Value)
}

func (s *show) rightSecret(guess string) bool {
	return subtle.ConstantTimeCompare([]byte(guess), []byte(s.Secret)) == 1
}

// order carries out what the instructor orders: POST /door/ORDER, Authorization: Bearer SECRET. POST
// /door/open only lets her in. 204 is done, 403 a wrong secret, 429 too many of them, 409 that the server is frozen.
func (s *show) order(w http.ResponseWriter, r *http.Request) {
	secret, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch s.door.try(s.machine(machine(r)), s.rightSecret(secret)) {
	case wait:
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case wrong:
		w.WriteHeader(http.StatusForbidden)
		return
	}
	order := classroom.Order(r.PathValue("order"))
	switch order {
	case "open":
		http.SetCookie(w, &http.Cookie{Name: "door", Value: s.Secret, Path: "/feed", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	case classroom.Thaw:
		if err := s.thaw(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	case classroom.Exit:
		s.endWaiters()
	case classroom.Freeze, classroom.Ten, classroom.Fill, classroom.Empty:
		if !s.mayOrder(order) {
			w.WriteHeader(http.StatusConflict)
			return
		}
		if err := unix.Send(pairFD, []byte(order), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	default:
		http.NotFound(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// mayOrder reports whether the server takes orders: not while it is frozen or about to be, or a second freeze
// would wait for it to be thawed.
func (s *show) mayOrder(order classroom.Order) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.State == "T" || time.Since(s.freezing) < time.Second {
		return false
	}
	switch order {
	case classroom.Freeze:
		s.freezing = time.Now()
	case classroom.Ten:
		unix.Read(waitFD, make([]byte, 1<<10)) // what earlier ones, who were killed, have left; it does not wait
	}
	return true
}

// endWaiters has the ten end: a byte for each that lives, and once.
func (s *show) endWaiters() {
	s.mu.Lock()
	defer s.mu.Unlock()
	unix.Read(waitFD, make([]byte, 1<<10)) // as for Ten
	unix.Write(exitFD, make([]byte, s.now.Waiters))
	s.now.Waiters = 0
}

// thaw lets the server go on. We are not its user, but of its session, which is enough for this one signal
// (kill(2)).
func (s *show) thaw() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.State == "T" {
		s.thawed = time.Now()
	}
	s.freezing = time.Time{}
	return unix.Kill(s.Server, unix.SIGCONT)
}
