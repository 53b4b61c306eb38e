package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/chromedp/chromedp"

	"posixlab/labs/internal/course"
	"posixlab/labs/internal/show"
)

// The size of a slide, in CSS pixels: a sheet of the PDF is as large, at 96 to the inch.
const width, height = 1280, 720

// A projector is present, serving the decks on the loopback network, and a browser that looks at them.
type projector struct {
	url             string // http://127.0.0.1:PORT
	present         *exec.Cmd
	context.Context // the browser's
	close           context.CancelFunc
}

var visit = regexp.MustCompile(`visit (http://\S+)`)

// openProjector starts both. Close ends them.
func openProjector(ctx context.Context, c *course.Course) (p *projector, err error) {
	p = &projector{}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	tool, err := exec.CommandContext(ctx, "go", "tool", "-n", "present").Output() // its path, built
	if err != nil {
		return nil, fmt.Errorf("go tool present: %w", err)
	}
	p.present = exec.Command(string(tool[:max(len(tool)-1, 0)]), "-http", "127.0.0.1:0", "-play=false", "-notes",
		"-base", "slides/theme", "-content", "slides")
	p.present.Dir = c.Root
	said, err := p.present.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.present.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(said)
	for p.url == "" && lines.Scan() {
		if match := visit.FindStringSubmatch(lines.Text()); match != nil {
			p.url = match[1]
		}
	}
	if p.url == "" {
		return nil, errors.New("present did not say where it listens")
	}
	go func() { // it logs little, but a full pipe would stop it
		for lines.Scan() {
		}
	}()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.WindowSize(width, height))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has none for root; it reads our own pages only
	}
	allocator, _ := chromedp.NewExecAllocator(ctx, options...)
	p.Context, p.close = chromedp.NewContext(allocator)
	return p, chromedp.Do(p) // starts it
}

// Close ends the browser and present.
func (p *projector) Close() {
	if p.Context != nil {
		chromedp.Cancel(p.Context) // waits until it has gone
		p.close()
	}
	if p.present != nil && p.present.Process != nil {
		p.present.Process.Kill()
		p.present.Wait()
	}
}

// show opens a deck.
func (p *projector) show(lang show.Lang, name string) error {
	return chromedp.Do(p, chromedp.EmulateViewport(width, height), chromedp.Navigate(fmt.Sprintf("%s/%s/%s.slide", p.url, lang, name)))
}

// printAll prints every deck, a sheet for each slide.
func printAll(ctx context.Context, c *course.Course, args []string) error {
	p, err := openProjector(ctx, c)
	if err != nil {
		return err
	}
	defer p.Close()
	for _, lang := range languages {
		all, err := decks(c, lang)
		if err != nil {
			return err
		}
		dir := filepath.Join(args[0], string(lang))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for _, deck := range all {
			if err := p.show(lang, deck.Name); err != nil {
				return err
			}
			pdf, err := p.pdf()
			if err != nil {
				return err
			}
			path := filepath.Join(dir, deck.Name+".pdf")
			if err := os.WriteFile(path, pdf, 0o644); err != nil {
				return err
			}
			fmt.Println(path)
		}
	}
	return nil
}

// pdf prints the deck that is shown.
func (p *projector) pdf() ([]byte, error) {
	return chromedp.Run(p, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize(), chromedp.PDFPrintBackground()))
}
