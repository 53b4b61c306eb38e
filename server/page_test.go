package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// pictures is where the page's tests leave what they see: go test ./server -run TestPage -pictures DIR
var pictures = flag.String("pictures", "", "a folder for pictures of the class's page")

// startClassWithPage starts a class that has a page on the loopback network, and returns the page's address
// and the instructor's secret.
func startClassWithPage(t *testing.T, args ...string) (s *server, url, secret string) {
	t.Helper()
	s, _ = startClass(t, append([]string{"-page", "127.0.0.1:0", "-allow", "sleep,yes", "-title", "<b>Redes</b> & sistemas"}, args...)...)
	found := regexp.MustCompile(`(http://127\.0\.0\.1:\d+/)#(\w+)`).FindStringSubmatch(s.log())
	if found == nil {
		t.Fatalf("no page in\n%s", s.log())
	}
	return s, found[1], found[2]
}

// pageOf is the pid of the page's process.
func pageOf(t *testing.T, s *server) int {
	t.Helper()
	s.awaitLog(`  fork     child \d+: posixlab-page$`)
	pid, err := strconv.Atoi(regexp.MustCompile(`child (\d+): posixlab-page`).FindStringSubmatch(s.log())[1])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// A pageShown is a browser that shows a class.
type pageShown struct {
	context.Context
	t *testing.T
}

// openBrowser starts a browser, or skips the test where there is none.
func openBrowser(t *testing.T) *pageShown {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		skipOrFail(t, "there is no browser: install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.WindowSize(1280, 720))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has none for root; it reads our own page only
	}
	allocator, _ := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, closeAll := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		chromedp.Cancel(ctx) // waits until it has gone
		closeAll()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return &pageShown{ctx, t}
}

func (p *pageShown) open(url string, width, height int64) {
	p.t.Helper()
	if err := chromedp.Do(p, chromedp.EmulateViewport(width, height), chromedp.Navigate(url)); err != nil {
		p.t.Fatal(err)
	}
}

// await waits until a condition, in the browser's language, holds.
func (p *pageShown) await(what, condition string) {
	p.t.Helper()
	deadline := time.Now().Add(guard)
	for {
		holds, err := chromedp.Run(p, chromedp.Evaluate[bool]("!!("+condition+")"))
		if err != nil {
			p.t.Fatal(err)
		}
		if holds {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(p, chromedp.Evaluate[string]("document.body.innerText"))
			p.t.Fatalf("waited in vain for %s; the page says:\n%s", what, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *pageShown) click(selector string) {
	p.t.Helper()
	p.await(selector, fmt.Sprintf("document.querySelector(%s)?.disabled === false", quote(selector)))
	if err := chromedp.Do(p, chromedp.Click(selector)); err != nil {
		p.t.Fatal(err)
	}
}

// picture keeps a picture of what is shown, if pictures are wanted.
func (p *pageShown) picture(name string) {
	p.t.Helper()
	if *pictures == "" {
		return
	}
	data, err := chromedp.Run(p, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(*pictures, name+".png"), data, 0o644)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// quote is a text as JavaScript writes it.
func quote(text string) string {
	data, _ := json.Marshal(text)
	return string(data)
}

// says is a condition: an element that is like this says so.
func says(selector, text string) string {
	return fmt.Sprintf("[...document.querySelectorAll(%s)].some((e) => e.innerText.includes(%s))", quote(selector), quote(text))
}

// TestPage is the lesson on the projector: a join, a START, a zombie while the server is frozen, and its end.
func TestPage(t *testing.T) {
	p := openBrowser(t)
	s, url, secret := startClassWithPage(t)
	p.open(url+"#"+secret, 1280, 720)
	p.await("the code", says("#code", "Q7W3E9"))
	if hidden, err := chromedp.Run(p, chromedp.Evaluate[bool](`!location.href.includes("#")`)); err != nil || !hidden {
		t.Errorf("the secret stays in the address bar (%v)", err)
	}
	p.await("the title, as text", says("#title", "<b>Redes</b> & sistemas"))
	ana, bea := s.join("ana"), s.join("Bea O'Neil")
	p.await("ana", says("#students li .name", "ana"))
	p.await("Bea", says("#students li .name", "Bea O'Neil"))
	pid := ana.start("sleep 1000")
	bea.start("sleep 1000")
	p.await("the process", says("#processes li.isS", fmt.Sprint(pid)))
	p.await("whose it is", says("#processes li.isS", "ana"))
	p.await("fork", says("#story li.fork", fmt.Sprint("fork: child ", pid)))
	p.await("exec", says("#story li.exec", fmt.Sprintf("exec: %d is sleep 1000", pid)))
	p.picture("lesson-1-running")

	p.click("#door .freeze")
	p.await("the server's state", says("#processes li.server", "frozen"))
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.await("the zombie", says("#processes li.isZ", fmt.Sprint(pid)))
	p.await("the signal that waits", says("#processes li.server", "SIGCHLD is pending"))
	p.await("the end of the process", says("#story li.exit", fmt.Sprintf("child %d ended: a zombie", pid)))
	p.picture("lesson-2-frozen")
	p.click("#door .thaw")
	p.await("no zombie", `!document.querySelector("#processes li.isZ")`)
	p.await("the wait", says("#story li.reap", fmt.Sprintf("wait: child %d (sleep) was killed by signal 9", pid)))
	p.await("no frozen server", `!document.body.classList.contains("frozen")`)

	p.click("#door .ten")
	const waiters = `[...document.querySelectorAll("#processes li.isS .program")].filter((e) => e.innerText === "waiter").length`
	p.await("ten children that wait", waiters+" === 10")
	p.click("#door .freeze")
	p.await("the server's state", says("#processes li.server", "frozen"))
	p.await("ten children that still wait", waiters+" === 10")
	p.click("#door .exit")
	p.await("ten zombies", `document.querySelectorAll("#processes li.isZ").length === 10`)
	p.picture("lesson-3-ten-zombies")
	p.click("#door .thaw")
	p.await("ten collected", says("#story li.reap", "10 children collected"))
	p.click("#door .fill")
	p.await("a table of more than 64 KB", `document.querySelector("#table").classList.contains("cut")`)
	p.picture("lesson-4-full")
	p.click("#door .end")
	p.await("nothing left", says("#processes li.none", "none"))
	p.click("#lang")
	p.await("Spanish", says("#story h2", "Qué está pasando"))
	p.click("#theme")
	p.picture("lesson-5-es-other-theme")
	// A phone: it has no secret, and no cookie.
	if _, err := chromedp.Call(p, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(p, chromedp.Evaluate[bool]("sessionStorage.clear(), true")); err != nil {
		t.Fatal(err)
	}
	p.open(url, 390, 844)
	p.await("the class", says("#students li .name", "ana"))
	p.picture("phone")
	if shown, err := chromedp.Run(p, chromedp.Evaluate[string]("document.body.innerText")); err != nil || strings.Contains(shown, "Q7W3E9") {
		t.Errorf("the code is shown to those who have no secret (%v):\n%s", err, shown)
	}
	s.end(unix.SIGINT)
	p.await("word that the server has gone", `!document.querySelector("#lost").hidden`)
}

// TestPageTexts: each language of the page says what the other one says.
func TestPageTexts(t *testing.T) {
	p := openBrowser(t)
	_, url, _ := startClassWithPage(t)
	p.open(url, 1280, 720)
	var said [2]string
	for i, lang := range []string{"en", "es"} {
		all, err := chromedp.Run(p, chromedp.Evaluate[string](`(async () => {
			const walk = (of, path) => Object.entries(of).flatMap(([name, value]) => {
				if (typeof value === "object") return walk(value, path + name + ".");
				return path + name + " " + typeof value + (typeof value === "function" ? value.length : "");
			});
			return walk((await import("/texts.js")).texts.`+lang+`, "").join("\n");
		})()`, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		said[i] = all
	}
	if diff := cmp.Diff(strings.Split(said[0], "\n"), strings.Split(said[1], "\n")); diff != "" || len(said[0]) < 100 {
		t.Errorf("texts.js (-en +es):\n%s", diff)
	}
}

// TestPageHostile has students put HTML wherever they can. It is refused, or shown as the text that it is.
func TestPageHostile(t *testing.T) {
	p := openBrowser(t)
	s, url, secret := startClassWithPage(t)
	p.open(url+"#"+secret, 1280, 720)
	p.await("the code", says("#code", "Q7W3E9"))
	const before = `document.querySelectorAll("*").length - document.querySelectorAll("#story *, #students *, #sockets *, #threads *, #processes *").length`
	elements, err := chromedp.Run(p, chromedp.Evaluate[int](before))
	if err != nil {
		t.Fatal(err)
	}
	hostile := []string{"<script>document.title='owned'</script>", "<img src=x onerror=document.title='owned'>",
		"<svg/onload=document.title='owned'>", "javascript:document.title='owned'", "${document.title='owned'}", "\x1b]0;owned\a"}
	ana := s.join("ana")
	for _, name := range hostile {
		c := s.connect()
		if reply := c.ask("HELLO " + name + " Q7W3E9"); !strings.HasPrefix(reply, "Error: that is not a name") {
			t.Errorf("HELLO %q: %q", name, reply)
		}
		if reply := ana.ask("START " + name); !strings.HasPrefix(reply, "Error: ") {
			t.Errorf("START %q: %q", name, reply)
		}
		data, _ := json.Marshal(map[string]any{"name": name, "code": "Q7W3E9", "lab": "01-sockets", "of": 4, "verdicts": map[string]string{"restart": "pass"}})
		if status := post(t, url+"score", "", string(data)); status != http.StatusBadRequest {
			t.Errorf("a score of %q: status %d", name, status)
		}
	}
	p.await("the last of them, as text", says("#story li.answer", "owned"))
	p.await("the first, as text", says("#story li.request", "START "+hostile[0]))
	after, err := chromedp.Run(p, chromedp.Evaluate[string](`document.title + " " + (`+before+`) +
		" " + document.querySelectorAll("img:not(#qr), svg, script:not([src])").length`))
	if want := fmt.Sprintf("<b>Redes</b> & sistemas · posixlab %d 0", elements); err != nil || after != want {
		t.Errorf("the page is %q; want %q (%v)", after, want, err)
	}
}

// post posts to the page, with the instructor's secret or without, and returns the status.
func post(t *testing.T, url, secret, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// TestPageDoor lets the instructor in, and nobody else.
func TestPageDoor(t *testing.T) {
	s, url, secret := startClassWithPage(t)
	for range 4 { // the fourth wrong one costs a second
		if status := post(t, url+"door/freeze", "wrong", ""); status != http.StatusForbidden {
			t.Errorf("a wrong secret: status %d", status)
		}
	}
	if status := post(t, url+"door/freeze", secret, ""); status != http.StatusTooManyRequests {
		t.Errorf("the right secret after four wrong ones: status %d", status)
	}
	s.await("that the door opens again", func() bool { return post(t, url+"door/open", secret, "") == http.StatusNoContent })
	if status := post(t, url+"door/away", secret, ""); status != http.StatusNotFound {
		t.Errorf("an order that is none: status %d", status)
	}
	if status := post(t, url+"door/freeze", secret, ""); status != http.StatusNoContent {
		t.Errorf("freeze: status %d", status)
	}
	s.await("that the server stops", func() bool { return strings.HasPrefix(status(s.pid, "State"), "T") })
	s.await("that it takes no orders", func() bool { return post(t, url+"door/ten", secret, "") == http.StatusConflict })
	unix.Kill(s.pid, unix.SIGINT) // Ctrl-C reaches both,
	unix.Kill(pageOf(t, s), unix.SIGINT)
	<-s.ended // and the page sees to it that the server gets it
}

// TestPageEnds: the page ends with the server, however that ends.
func TestPageEnds(t *testing.T) {
	s, _, _ := startClassWithPage(t)
	page := pageOf(t, s)
	if os.Geteuid() == 0 {
		s.await("that the page is nobody's", func() bool {
			return strings.Join(strings.Fields(status(page, "Uid")), " ") == "60799 60799 60799 60799" && strings.TrimSpace(status(page, "Groups")) == ""
		})
	}
	unix.Kill(s.pid, unix.SIGKILL)
	<-s.ended
	s.await("the end of the page", func() bool { return status(page, "State") == "" })
}

// TestPageKilled: a class goes on without its page.
func TestPageKilled(t *testing.T) {
	s, _, _ := startClassWithPage(t)
	unix.Kill(pageOf(t, s), unix.SIGKILL)
	s.awaitLog(`  reap     child \d+ \(posixlab-page\) was killed by signal 9`)
	ana := s.join("ana")
	ana.start("sleep 1000")
	s.end(unix.SIGTERM)
}

// TestScore: a student's verdicts stand beside her name, if she knows the code and the name is hers.
func TestScore(t *testing.T) {
	_, url, _ := startClassWithPage(t)
	posting := func(name, code, lab string, verdicts ...string) int {
		of := make(map[string]string)
		for i := 0; i < len(verdicts); i += 2 {
			of[verdicts[i]] = verdicts[i+1]
		}
		data, _ := json.Marshal(map[string]any{"name": name, "code": code, "lab": lab, "of": 6, "verdicts": of})
		return post(t, url+"score", "", string(data))
	}
	for _, test := range []struct{ want, got int }{
		{http.StatusNoContent, posting("ana", "Q7W3E9", "08-zombies", "storm", "fail", "coalesced", "fail")},
		{http.StatusNoContent, posting("ana", "Q7W3E9", "08-zombies", "storm", "pass")},
		{http.StatusForbidden, posting("ana", "XXXXXX", "08-zombies", "storm", "pass")},
		{http.StatusBadRequest, posting("ana", "Q7W3E9", "../etc", "storm", "pass")},
		{http.StatusBadRequest, posting("ana", "Q7W3E9", "08-zombies")},
		{http.StatusBadRequest, posting("", "Q7W3E9", "08-zombies", "storm", "pass")},
		{http.StatusBadRequest, posting("ana", "Q7W3E9", "08-zombies", "<b>", "pass")},
		{http.StatusBadRequest, post(t, url+"score", "", "{")},
		{http.StatusBadRequest, post(t, url+"score", "", strings.Repeat("x", 1<<20))},
	} {
		if test.got != test.want {
			t.Errorf("status %d; want %d", test.got, test.want)
		}
	}
	response, err := http.Get(url + "feed")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if strings.Contains(lines.Text(), `"scores":{"08-zombies":{"passed":1,"of":6}}`) {
			return
		}
	}
	t.Error("no score in the feed")
}
