package objects

import "testing"

func TestEvent(t *testing.T) {
	w := newWorld(t, 3)
	defer w.close()
	a, b, c := w.clients[0], w.clients[1], w.clients[2]
	ev := a.named("go", "Event")
	b.named("go", "Event")
	c.named("go", "Event")
	a.want("False", ev, "is_set")
	a.want("'<threading.Event: unset>'", ev, "repr")
	long := b.start(ev, "wait")
	short := c.startIn(10, ev, "wait")
	c.startIn(0, ev, "wait").is("False")
	gone := c.start(ev, "wait")
	w.tick(10)
	short.is("False")
	gone.cancel(false)
	gone.is("error cancelled: call was cancelled")
	b.lose()
	a.want("None", ev, "set")
	long.is("waiting")
	a.want("None", ev, "clear")
	b.resume()
	long.is("True") // a set that was cleared again is not lost
	a.want("None", ev, "set")
	a.want("True", ev, "is_set")
	b.want("True", ev, "wait")
	a.want("'<threading.Event: set>'", ev, "repr")
}
