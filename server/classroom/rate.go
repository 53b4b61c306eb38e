package classroom

import "time"

// A bucket bounds how often something is done: each time takes a token, and tokens come back with time, up to
// as many as may be used at once (a token bucket). An empty one (zero) is a full one that was never used.
type bucket struct {
	tokens float64
	filled time.Time
}

// take takes a token if there is one. They come back at a rate, a second, up to most.
func (b *bucket) take(now time.Time, rate, most float64) bool {
	if b.filled.IsZero() {
		b.tokens = most
	} else {
		b.tokens = min(most, b.tokens+now.Sub(b.filled).Seconds()*rate)
	}
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// mayAsk reports whether a student may make a request now. One who is too fast waits before she is told so:
// else she could fill the log with refusals.
func (c *Class) mayAsk(s *student) bool {
	rate := float64(c.opt.Limits.Rate)
	c.mu.Lock()
	may := s.requests.take(c.now(), rate, 2*rate)
	c.mu.Unlock()
	if !may {
		c.pause(time.Second / time.Duration(c.opt.Limits.Rate))
	}
	return may
}
