package pydoor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/internal/pickle"
)

// clientsOf returns the connections that are listed, page by page.
func (w *world) clientsOf(page int) []Client {
	var all []Client
	for after := uint64(0); ; {
		rows, next := w.door.Clients(after, page)
		all = append(all, rows...)
		if after = next; after == 0 {
			return all
		}
	}
}

// thread returns the row of a thread.
func (w *world) row(name string) *Client {
	for _, c := range w.clientsOf(2) {
		if c.Thread == name {
			return &c
		}
	}
	return nil
}

// named opens the connection of a thread with a name.
func (w *world) named(name string) *client {
	c := w.connect("write")
	c.ok(pickle.None{}, "accept_connection", str(name))
	return c
}

func TestClientsAreListed(t *testing.T) { synctest.Test(t, clientsAreListed) }

func clientsAreListed(t *testing.T) {
	w := newWorld(t, Options{})
	defer w.door.Close()
	lock := w.create("write", "Lock")
	permits := w.create("write", "Semaphore", num(3))
	a, b := w.named("a"), w.named("b")
	a.want("True", lock, "acquire")
	a.want("True", permits, "acquire")
	b.want("False", lock, "acquire", pickle.Bool(false))
	row := w.row("a")
	if row == nil || !row.Connected || row.Holds != 2 || row.Calls != 3 || row.Key != "write" || row.Role != "write" || time.Since(row.Opened) > time.Minute {
		t.Fatalf("the row of a: %+v", row)
	}
	if row := w.row("b"); row == nil || row.Holds != 0 || row.Calls != 2 {
		t.Errorf("the row of b: %+v", row)
	}
	// A lock that another releases is the holder's no more.
	b.want("None", lock, "release")
	if row := w.row("a"); row.Holds != 1 {
		t.Errorf("a holds %d after b released the lock", row.Holds)
	}
	// Whoever leaves with a permit stays listed until it is given back.
	a.close()
	synctest.Wait()
	if r := w.row("a"); r == nil || r.Connected || r.Holds != 1 {
		t.Errorf("a has left with a permit: %+v", r)
	}
	b.want("None", permits, "release")
	if row := w.row("a"); row != nil {
		t.Errorf("a holds nothing and is listed: %+v", row)
	}
}

func TestDisconnect(t *testing.T) { synctest.Test(t, disconnect) }

func disconnect(t *testing.T) {
	w := newWorld(t, Options{})
	defer w.door.Close()
	lock := w.create("write", "Lock")
	a, b := w.named("a"), w.named("b")
	a.want("True", lock, "acquire")
	if !w.door.Disconnect(w.row("a").ID) {
		t.Error("there is no connection a")
	}
	if _, _, err := a.read(); err == nil {
		t.Error("a was not disconnected")
	}
	// What it held is released, and nobody else is disturbed.
	synctest.Wait()
	b.want("True", lock, "acquire")
	if w.row("a") != nil || w.door.Disconnect(12345) {
		t.Error("a is listed still, or a number that is nobody's was found")
	}
	// One that has ended with a lock can be told to give it back.
	b.close()
	synctest.Wait()
	if !w.door.Disconnect(w.row("b").ID) {
		t.Error("b is not found once it has ended")
	}
	w.named("c").want("True", lock, "acquire", pickle.Bool(false))
}
