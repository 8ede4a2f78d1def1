package objects

import (
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

func TestBarrier(t *testing.T) {
	w := newWorld(t, 4)
	defer w.close()
	a, b, c, d := w.clients[0], w.clients[1], w.clients[2], w.clients[3]
	s := w.share("Barrier", 3)
	a.want("3", s, "parties")
	for range 2 {
		x, y := a.start(s, "wait"), b.start(s, "wait")
		c.want("2", s, "n_waiting")
		b.lose()
		c.want("2", s, "wait")
		x.is("0")
		b.resume() // its reply was kept for it
		y.is("1")
		c.want("0", s, "n_waiting")
	}

	// A party that is gone is named.
	x := a.start(s, "wait")
	b.start(s, "wait")
	b.expire()
	x.within(wire.CodeBrokenBarrier, "the barrier is broken: session 2 (test on host, pid 101) is gone")
	c.start(s, "wait").within(wire.CodeBrokenBarrier, "session 2 (test on host, pid 101) is gone")
	a.want("True", s, "broken")
	a.want("None", s, "reset")
	a.want("False", s, "broken")

	// So is one whose time is up, or that cancels.
	x = a.start(s, "wait")
	y := c.startIn(5, s, "wait")
	w.tick(5)
	x.within(wire.CodeBrokenBarrier, "session 3", "time was up")
	y.within(wire.CodeBrokenBarrier, "session 3", "time was up")
	a.ok(s, "reset")
	x, y = a.start(s, "wait"), c.start(s, "wait")
	x.cancel(false)
	x.is("error cancelled: call was cancelled")
	y.within(wire.CodeBrokenBarrier, "session 1", "cancelled its wait")
	a.ok(s, "reset")
	a.startIn(0, s, "wait").within(wire.CodeBrokenBarrier, "session 1", "time was up")
	a.ok(s, "reset")

	// reset and abort.
	x = a.start(s, "wait")
	c.want("None", s, "reset")
	x.within(wire.CodeBrokenBarrier, "the barrier was reset by session 3")
	c.want("False", s, "broken")
	x = a.start(s, "wait")
	c.want("None", s, "abort")
	x.within(wire.CodeBrokenBarrier, "aborted by session 3")
	d.start(s, "wait").within(wire.CodeBrokenBarrier, "aborted by session 3")

	one := a.create("Barrier", 1)
	a.want("0", one, "wait")
	a.startIn(0, one, "wait").is("0")
	a.want("error value: parties must be >= 1", server, "create", "Barrier", 0)
	a.start(server, "create", "Barrier", 2, "f").within(wire.CodeType, "no action")
	timed := a.create("Barrier", 2, nil, 0.5)
	x = a.start(timed, "wait")
	w.tick(5e8 - 1)
	x.is("waiting")
	w.tick(1)
	x.within(wire.CodeBrokenBarrier, "time was up")
}
