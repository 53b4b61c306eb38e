module posixlab

go 1.26.0

require (
	// lab.toml
	github.com/BurntSushi/toml v1.6.0
	// the known-bad servers are patches
	github.com/bluekeyes/go-gitdiff v0.9.0
	// colour in the client and in the narration
	github.com/fatih/color v1.19.0
	// tests compare structure
	github.com/google/go-cmp v0.7.0
	// reports in JUnit's XML
	github.com/jstemmer/go-junit-report/v2 v2.1.0
	// the kernel's view: /proc/net/tcp, memory; the state of processes on the page
	github.com/prometheus/procfs v0.23.0
	// testscript: the stories are its scripts
	github.com/rogpeppe/go-internal v1.16.0
	// tests validate results by their schema
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	// a bar with the time that is left, while a class is graded
	github.com/schollz/progressbar/v3 v3.19.1
	// raw POSIX calls
	golang.org/x/sys v0.49.0
	// the client's line editing and history
	golang.org/x/term v0.47.0
)

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	golang.org/x/net v0.61.0
	golang.org/x/tools v0.52.0
	rsc.io/qr v0.2.0
)

require (
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.22 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/yuin/goldmark v1.4.13 // indirect
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	honnef.co/go/tools v0.8.2 // indirect
)

tool (
	golang.org/x/tools/cmd/present
	// staticcheck, which make test runs.
	honnef.co/go/tools/cmd/staticcheck
)
