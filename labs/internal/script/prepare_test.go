package script

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posixlab/labs/internal/show"
)

func TestPrepare(t *testing.T) {
	const script = `# It's "the" $first step; a #es in it
#es Es el 'primer' paso
#hint look: it's there
#pista está ahí
server

#no space
# alone
connect a   # a comment
  # indented
#es stray
-- file --
# not a heading
#es tampoco
`
	for lang, want := range map[show.Lang]string{
		show.English: `step 1 3 'It''s "the" $first step; a #es in it' 'look: it''s there'
#es Es el 'primer' paso
#hint look: it's there
#pista está ahí
server

step 2 3 'no space' ''
step 3 3 'alone' ''
connect a   # a comment
  # indented
#es stray
-- file --
# not a heading
#es tampoco
`,
		show.Spanish: `step 1 3 'Es el ''primer'' paso' 'está ahí'
#es Es el 'primer' paso
#hint look: it's there
#pista está ahí
server

step 2 3 'no space' ''
step 3 3 'alone' ''
connect a   # a comment
  # indented
#es stray
-- file --
# not a heading
#es tampoco
`} {
		got := string(Prepare([]byte(script), lang))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", lang, diff)
		}
		if strings.Count(got, "\n") != strings.Count(script, "\n") {
			t.Errorf("%s: lines were added or lost", lang)
		}
	}
	for _, same := range []string{"", "server", "server\n", "-- f --\n# x\n"} {
		if got := string(Prepare([]byte(same), show.English)); got != same && !strings.HasPrefix(same, "-- ") {
			t.Errorf("%q became %q", same, got)
		}
	}
}
