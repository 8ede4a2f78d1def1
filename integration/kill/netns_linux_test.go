package kill

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/proxy"
)

// network is a network namespace, joined to this one by a cable that can be cut.
type network struct {
	testing.TB
	name   string
	cable  string // this end
	inside string // the address in the namespace
}

// newNetwork makes a namespace, or skips the test and says what is missing.
func newNetwork(t testing.TB) *network {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("no program ip (iproute2) to make network namespaces with")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root may make network namespaces")
	}
	id := os.Getpid() % 60000
	n := &network{TB: t, name: fmt.Sprint("smtest", id), cable: fmt.Sprint("smt", id)}
	outside := fmt.Sprintf("10.213.%d.%d", id/250%250, id%62*4+1)
	n.inside = fmt.Sprintf("10.213.%d.%d", id/250%250, id%62*4+2)
	for i, args := range []string{
		"netns add " + n.name,
		"link add " + n.cable + " type veth peer name eth0 netns " + n.name,
		"addr add " + outside + "/30 dev " + n.cable,
		"link set " + n.cable + " up",
		"-n " + n.name + " addr add " + n.inside + "/30 dev eth0",
		"-n " + n.name + " link set eth0 up",
		"-n " + n.name + " link set lo up",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Skipf("this machine does not allow network namespaces: ip %s: %v: %s", args, err, out)
		}
		if i == 0 {
			t.Cleanup(func() {
				_ = exec.Command("ip", "link", "del", n.cable).Run()
				_ = exec.Command("ip", "netns", "del", n.name).Run()
			})
		}
	}
	return n
}

// set cuts the cable ("down") or joins it ("up").
func (n *network) set(state string) {
	n.Helper()
	if out, err := exec.Command("ip", "link", "set", n.cable, state).CombinedOutput(); err != nil {
		n.Fatalf("link %s: %v: %s", state, err, out)
	}
}

func (n *network) serve() *server {
	n.Helper()
	s := newServer(n)
	s.via = []string{"ip", "netns", "exec", n.name}
	s.args[1] = "tcp+plain://" + n.inside + ":0"
	s.start()
	return s
}

// TestCutNetwork: a network that is cut for less than a lease costs time and
// nothing else: locks are kept, and each call takes effect once.
func TestCutNetwork(t *testing.T) {
	n := newNetwork(t)
	s := n.serve()
	holder, worker := s.program("hold", 10*time.Second), s.program("add", 10*time.Second)
	holder.out.wait(t, "held")
	worker.out.wait(t, "added 10")
	for range 2 {
		n.set("down")
		time.Sleep(2 * time.Second)
		before := len(worker.out.list())
		n.set("up")
		worker.out.wait(t, fmt.Sprintf("added %d", before+50))
	}
	m := s.client()
	worker.kill()
	d := must1[*proxy.Dict[string, int]](t)(proxy.OpenDict[string, int](s.ctx, m, "shared"))
	l := must1[*proxy.Lock](t)(proxy.OpenLock(s.ctx, m, "lock"))
	added := len(worker.out.list())
	if v, err := d.Get(s.ctx, "n"); err != nil || v < added || v > added+1 {
		t.Errorf("%d additions were confirmed; the sum is %d, %v", added, v, err)
	}
	if info := must1[*proxy.LockInfo](t)(l.Holder(s.ctx)); info == nil || info.PID != int64(holder.cmd.Process.Pid) {
		t.Errorf("the lock's holder is %+v", info)
	}
	for _, word := range []string{"lost", "expired", "failed"} {
		if line, more := holder.out.find(word); more == nil {
			t.Errorf("the holder says %q", line)
		}
	}
}

// TestCutNetworkForLong: a network that is cut for longer than a lease ends the
// session on both sides: the client gives its lock up no later than the server
// does, though it hears nothing.
func TestCutNetworkForLong(t *testing.T) {
	long.Test(t)
	n := newNetwork(t)
	s := n.serve()
	near := s.program("hold", 2*time.Second) // outside, its cable will be cut
	near.out.wait(t, "held")
	m := s.client(proxy.Config{Lease: time.Minute})
	l := must1[*proxy.Lock](t)(proxy.OpenLock(s.ctx, m, "lock"))
	n.set("down")
	cut := time.Now()
	near.out.wait(t, "lost:")
	gaveUp := time.Since(cut)
	near.out.wait(t, "expired:")
	if gaveUp > 2100*time.Millisecond {
		t.Errorf("the client gave its lock up %v after the cut; its lease is 2s", gaveUp)
	}
	s.log.wait(t, "has expired")
	if d := time.Since(cut); d < gaveUp || d > 6*time.Second {
		t.Errorf("the server gave the lock away %v after the cut, the client up after %v", d, gaveUp)
	}
	n.set("up")
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	must1[*proxy.Hold](t)(l.Acquire(ctx))
}
