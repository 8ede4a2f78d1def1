package auth

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

var epoch = time.Unix(1_000_000_000, 0)

func TestLimiterDoublesUpToItsMaximum(t *testing.T) {
	l := NewLimiter(LimiterConfig{})
	now := epoch
	for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000} {
		if got := l.Failed("a", now); got != want*time.Millisecond {
			t.Errorf("failure %d: %v, want %v", i+1, got, want*time.Millisecond)
		}
		now = now.Add(time.Second)
	}
	if got := l.Failed("b", now); got != DefaultFirstDelay {
		t.Errorf("another host waits %v", got)
	}
}

func TestLimiterDelayRunsOut(t *testing.T) {
	l := NewLimiter(LimiterConfig{FirstDelay: time.Second})
	if got := l.Delay("a", epoch); got != 0 {
		t.Errorf("an unknown host waits %v", got)
	}
	l.Failed("a", epoch)
	for after, want := range map[time.Duration]time.Duration{
		0: time.Second, 400 * time.Millisecond: 600 * time.Millisecond, time.Second: 0, time.Hour: 0,
		-time.Hour: time.Second, // a clock that was set back
	} {
		if got := l.Delay("a", epoch.Add(after)); got != want {
			t.Errorf("after %v: %v, want %v", after, got, want)
		}
	}
}

func TestLimiterForgets(t *testing.T) {
	l := NewLimiter(LimiterConfig{})
	l.Failed("a", epoch)
	l.Failed("a", epoch)
	if got := l.Failed("a", epoch.Add(DefaultForget-1)); got != 400*time.Millisecond {
		t.Errorf("just before: %v", got)
	}
	if got := l.Failed("a", epoch.Add(2*DefaultForget)); got != DefaultFirstDelay {
		t.Errorf("after: %v", got)
	}
	l.Failed("b", epoch.Add(4*DefaultForget))
	if got := l.Len(); got != 1 {
		t.Errorf("%d hosts are remembered, want 1", got)
	}
}

func TestLimiterIsBounded(t *testing.T) {
	l := NewLimiter(LimiterConfig{MaxHosts: 10})
	for i := range 1000 {
		l.Failed(fmt.Sprint(i), epoch.Add(time.Duration(i)))
		l.Failed("busy", epoch.Add(time.Duration(i)))
	}
	if got := l.Len(); got != 10 {
		t.Errorf("%d hosts are remembered, want 10", got)
	}
	if got := l.Delay("busy", epoch.Add(999)); got != DefaultMaxDelay {
		t.Errorf("the busiest host was forgotten: it waits %v", got)
	}
	if got := l.Delay("0", epoch.Add(999)); got != 0 {
		t.Errorf("the oldest host waits %v", got)
	}
}

func TestLimiterConfigOutOfRange(t *testing.T) {
	l := NewLimiter(LimiterConfig{FirstDelay: time.Hour, MaxDelay: time.Second, Forget: -1, MaxHosts: -1})
	for range 100 {
		if got := l.Failed("a", epoch); got != time.Second {
			t.Fatalf("got %v", got)
		}
	}
	l = NewLimiter(LimiterConfig{FirstDelay: 1<<62 + 1, MaxDelay: 1<<63 - 1})
	for range 3 {
		if got := l.Failed("a", epoch); got <= 0 {
			t.Fatalf("got %v", got)
		}
	}
}

func TestLimiterInUseByMany(t *testing.T) {
	l := NewLimiter(LimiterConfig{MaxHosts: 3})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 200 {
				l.Failed(fmt.Sprint(i), epoch)
				l.Delay(fmt.Sprint(i+1), epoch)
				l.Len()
			}
		})
	}
	all.Wait()
}

func TestLimiterHost(t *testing.T) {
	tcp := func(s string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a, _ := net.Pipe()
	for want, addrs := range map[string][]net.Addr{
		"192.0.2.1":         {tcp("192.0.2.1:1"), tcp("192.0.2.1:2"), tcp("[::ffff:192.0.2.1]:3"), &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1)}},
		"2001:db8:1:2::/64": {tcp("[2001:db8:1:2::1]:1"), tcp("[2001:db8:1:2:ffff::9]:1")},
		"fe80::/64":         {&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}},
		"unix":              {&net.UnixAddr{Name: "", Net: "unix"}, &net.UnixAddr{Name: "/run/x.sock", Net: "unix"}},
		"pipe":              {a.RemoteAddr()},
		"tcp":               {&net.TCPAddr{}, (*net.TCPAddr)(nil)},
		"unknown":           {nil},
	} {
		for _, addr := range addrs {
			if got := LimiterHost(addr); got != want {
				t.Errorf("%v: %q, want %q", addr, got, want)
			}
		}
	}
}
