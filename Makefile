# posixlab. `make` alone prints the targets.

LABS    := .build/labs
RUN     ?=
CHECK   ?=
SERVER  ?=
GRADE   ?=
DEMO    ?=
# In a class: POST=HOST NAME=ana CODE=ABC123 shows your verdicts on its page.
POSTING  = $(if $(POST),-post '$(POST)' -name '$(NAME)' -code '$(CODE)')

.DEFAULT_GOAL := help
.PHONY: demo help list grade server client slides slides-pdf slides-record slides-draw slides-map test bench load vocabulary fuzz picture clean FORCE

help: ## print these targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

list: $(LABS) ## the labs and their scenarios
	@$(LABS) list

lab-%: $(LABS) ## lab-1, …: tell the stories of a lab (RUN=-step waits)
	@$(LABS) run $(RUN) $(POSTING) $*

check-%: $(LABS) ## check-1, …: judge your exercise (or SERVER='./my_server')
	@$(LABS) check $(CHECK) $(if $(SERVER),-server '$(SERVER)') $(POSTING) $*

exercise-%: $(LABS) ## exercise-1, …: build server/server with your exercise
	@$(LABS) exercise $*

grade: $(LABS) ## judge a class: SUBMISSIONS=dir OUT=dir (GRADE='-labs 8')
	@test -n "$(SUBMISSIONS)" -a -n "$(OUT)" || { echo "make grade SUBMISSIONS=dir OUT=dir"; exit 2; }
	@$(LABS) grade -out '$(OUT)' $(GRADE) '$(SUBMISSIONS)'

demo: server client ## hold a class on this LAN (DEMO='-for 90m -own')
	@./server/server -class new -audit "class-$$(date +%Y-%m-%d-%H%M%S).jsonl" $(DEMO)

# On a LAN: ADDR=:3999. Never without -play=false: present would run whatever a visitor types.
slides: ADDR ?= 127.0.0.1:3999
slides: ## show the lecture: http://127.0.0.1:3999 (ADDR=:3999)
	@go tool present -play=false -notes=$(if $(findstring 127.0.0.1,$(ADDR)),true,false) -base slides/theme -content slides -http $(ADDR)

slides-pdf: ## print every deck: .build/slides/LANG/DECK.pdf
	@go run ./labs/internal/slides pdf .build/slides

slides-record: ## record anew the runs that slides quote
	@go run ./labs/internal/slides record

slides-draw: ## draw the drawings of the slides anew
	@go run ./labs/internal/slides draw

slides-map: ## write slides/MAP.md and MAP.es.md anew
	@go run ./labs/internal/slides map

server: ## build the server: server/server
	CGO_ENABLED=0 go build -buildvcs=false -o server/server ./server

client: ## build the client: client/client
	CGO_ENABLED=0 go build -buildvcs=false -o client/client ./client

# The tests end a thousand programs; each would linger for a second to catch late races.
test: export GORACE = atexit_sleep_ms=50
test: ## vet, staticcheck, and every test with the race detector
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go test -race -timeout 20m ./...

CLASS ?= 100
bench: ## speed and memory, as ratios (CLASS=24: a smaller class)
	go test -run '^$$' -bench . -benchtime 3s -timeout 0 ./server/...
	go test -run '^$$' -bench . -benchtime 3s -timeout 0 ./labs -class $(CLASS)

LOAD ?= 5m
load: ## a class of 500 for five minutes (LOAD=1m: shorter)
	go test -run '^TestLoad$$' -v -count 1 -timeout 0 ./server/bench -load $(LOAD) -load-clients 500

fuzz: ## a minute of fuzzing for each fuzz target
	go test -run '^$$' -fuzz FuzzParse$$ -fuzztime 1m ./server/protocol
	go test -run '^$$' -fuzz FuzzAnnouncement -fuzztime 1m ./server/protocol
	go test -run '^$$' -fuzz FuzzHello -fuzztime 1m ./server/classroom
	go test -run '^$$' -fuzz FuzzParsePID -fuzztime 1m ./server/protocol
	go test -run '^$$' -fuzz FuzzRequests -fuzztime 1m ./server

vocabulary: $(LABS) ## write labs/VOCABULARY.md and VOCABULARY.es.md anew
	$(LABS) vocabulary -markdown -lang en > labs/VOCABULARY.md
	$(LABS) vocabulary -markdown -lang es > labs/VOCABULARY.es.md

picture: $(LABS) ## draw the README's pictures of a real run (aha, chromium)
	for lang in en es; do \
		script -qec "$(LABS) run -lang $$lang restart" /dev/null | tr -d '\r' | aha --black > .build/picture.html; \
		sed -i 's|<pre>|<pre style="font:15px/1.25 DejaVu Sans Mono,monospace;margin:12px">|' .build/picture.html; \
		lines=$$(wc -l < .build/picture.html); \
		chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run \
			--disable-background-networking --user-data-dir=.build/chromium \
			--window-size=780,$$(((lines - 10) * 19)) --screenshot=.github/lab-1.$$lang.png .build/picture.html 2>/dev/null; \
	done

clean: ## remove what was built
	rm -rf .build server/server client/client

# The go command knows best whether anything has changed.
$(LABS): FORCE
	@CGO_ENABLED=0 go build -buildvcs=false -o $@ ./labs
FORCE:
