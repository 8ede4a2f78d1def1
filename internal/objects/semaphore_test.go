package objects

import (
	"fmt"
	"math"
	"testing"
)

func TestSemaphore(t *testing.T) {
	w := newWorld(t, 3)
	defer w.close()
	a, b, c := w.clients[0], w.clients[1], w.clients[2]
	s := w.share("Semaphore", 2)
	a.want("2", s, "get_value")
	a.want("1", s, "acquire")
	b.want("2", s, "acquire")
	a.want("True", s, "locked")
	c.startIn(0, s, "acquire").is("False")
	late := c.startIn(9, s, "acquire")
	x, y := c.start(s, "acquire"), a.start(s, "acquire")
	w.tick(9)
	late.is("False")
	a.want("2", s, "waiting")
	a.want("None", s, "release_permit", 1)
	x.is("3")
	a.want(`error lock_lost: permit 1 of Semaphore "shared" is over`, s, "release_permit", 1)
	y.is("waiting")
	b.expire() // its permit returns
	y.is("4")
	a.want("[{'session': 3, 'program': 'test', 'host': 'host', 'pid': 102, 'remote': '10.0.0.1:1', 'owner': 0, 'token': 3, 'since': 10, 'count': 1}, {'session': 1, 'program': 'test', 'host': 'host', 'pid': 100, 'remote': '10.0.0.1:1', 'owner': 0, 'token': 4, 'since': 10, 'count': 1}]", s, "holders", 0)
	a.want("[]", s, "holders", 4)
}

func TestSemaphoreRelease(t *testing.T) {
	w := newWorld(t, 3)
	defer w.close()
	a, b, c := w.clients[0], w.clients[1], w.clients[2]
	s := w.share("Semaphore", 0)
	x, y, z := a.start(s, "acquire"), b.start(s, "acquire"), a.start(s, "acquire")
	c.want("None", s, "release", 4)
	x.is("1")
	y.is("2")
	z.is("3")
	c.want("1", s, "get_value")
	a.want("None", s, "release") // its own oldest
	b.want("error lock_lost: permit 1 of Semaphore \"shared\" is over", s, "release_permit", 1)
	c.want("None", s, "release") // the oldest of all, whose holder hears of it
	if got := w.lost(); len(got) != 1 || got[0] != 2 {
		t.Fatalf("lost %v", got)
	}
	c.want("3", s, "get_value")
	b.expire()
	c.want("3", s, "get_value")
	a.expire()
	c.want("4", s, "get_value")
	c.want("error value: n must be one or more", s, "release", 0)
	c.want(fmt.Sprintf("error overflow: a semaphore's value is at most 2^63-1; it is 4, and %d were released", int64(math.MaxInt64-3)), s, "release", int64(math.MaxInt64-3))
	c.want("None", s, "release", int64(math.MaxInt64-4))
	c.want("4", s, "acquire")
	c.want("error value: semaphore initial value must be >= 0", server, "create", "Semaphore", -1)

	d := c.create("BoundedSemaphore")
	c.want("error value: Semaphore released too many times", d, "release")
	c.ok(d, "acquire")
	c.want("error value: Semaphore released too many times", d, "release", 2)
	c.want("None", d, "release")
	c.want("1", d, "value")
}

func TestSemaphoreUndo(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	s := w.share("BoundedSemaphore", 1)
	a.keep = true
	x := a.start(s, "acquire")
	y := b.start(s, "acquire")
	x.cancel(true)
	y.is("2")
	b.ok(s, "release_permit", 2)
	z := a.start(s, "acquire")
	z.is("3")
	a.ok(s, "release")
	b.want("4", s, "acquire")
	a.expire() // what was released is not given back again
	b.want("0", s, "get_value")
	before := w.e.Stats().Bytes
	b.ok(s, "release")
	b.ok(s, "acquire")
	if now := w.e.Stats().Bytes; now != before {
		t.Fatalf("%d bytes, not %d", now, before)
	}
}
