package classroom

// A stranger is a machine of which somebody asks for something without having said HELLO. Whoever reaches the
// port can do that on any number of connections; so that nobody fills the disk, only some of it is written
// down, and the rest is counted.
type stranger struct {
	lines     bucket // of the log, that may be written now
	unwritten int    // requests, since the last that was written
}

// Of a machine's strangers, 20 requests are written at once, and then one in ten seconds.
const (
	strangersLines = 20
	strangersRate  = 0.1 // a second
)

// noted reports whether a request gets an entry in the log: any of a student does. An entry says how many
// before it had none. It is called with the lock held.
func (c *Class) noted(g *Guest, e *entry) bool {
	from := g.peer.Addr()
	s := c.strangers[from]
	if g.student == nil {
		if s == nil {
			s = &stranger{}
			c.strangers[from] = s
		}
		if !s.lines.take(c.now(), strangersRate, strangersLines) {
			s.unwritten++
			return false
		}
	}
	if s != nil {
		e.Unwritten, s.unwritten = s.unwritten, 0
	}
	return true
}
