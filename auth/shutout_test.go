package auth

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// TestLimiterShutOut holds that a host with too many failures is shut out until
// it starts afresh, and no other host.
func TestLimiterShutOut(t *testing.T) {
	now := time.Unix(1000, 0)
	l := NewLimiter(LimiterConfig{Failures: 3, Forget: time.Minute})
	for range 2 {
		l.Failed("a", now)
	}
	if d := l.ShutOut("a", now); d != 0 {
		t.Errorf("shut out for %v after 2 of 3 failures", d)
	}
	l.Failed("a", now)
	for after, want := range map[time.Duration]time.Duration{
		-time.Hour: time.Minute, 0: time.Minute, 20 * time.Second: 40 * time.Second, time.Minute: 0, time.Hour: 0,
	} {
		if d := l.ShutOut("a", now.Add(after)); d != want {
			t.Errorf("%v after the third failure it is shut out for %v, want %v", after, d, want)
		}
	}
	if d := l.ShutOut("b", now); d != 0 {
		t.Errorf("another host is shut out for %v", d)
	}
	l.Failed("a", now.Add(2*time.Minute))
	if d := l.ShutOut("a", now.Add(2*time.Minute)); d != 0 {
		t.Errorf("shut out for %v by the first failure after a quiet time", d)
	}
	l = NewLimiter(LimiterConfig{Failures: -1})
	for range 2 * DefaultFailures {
		l.Failed("a", now)
	}
	if d := l.ShutOut("a", now); d != 0 {
		t.Errorf("shut out for %v without a limit", d)
	}
}

// TestShutOut holds that a client with a wrong key hears for how long wrong keys
// from its address are turned away, and that a right key gets in meanwhile.
func TestShutOut(t *testing.T) {
	key := Generate()
	ring, err := SingleKey(key)
	if err != nil {
		t.Fatal(err)
	}
	meet := func(with Key, shut time.Duration) (client, server error) {
		ours, theirs := net.Pipe()
		served := make(chan error, 1)
		go func() {
			_, err := Server(t.Context(), theirs, ServerConfig{Keyring: ring, Channel: pipeChannel,
				Refusing: func(context.Context, *RefusedError) time.Duration { return shut }})
			theirs.Close()
			served <- err
		}()
		_, err := Client(t.Context(), ours, ClientConfig{Credential: with, Channel: pipeChannel})
		ours.Close()
		return err, <-served
	}
	for given, want := range map[time.Duration]time.Duration{
		1500 * time.Millisecond: 2 * time.Second, time.Nanosecond: time.Second, 10 * time.Minute: 10 * time.Minute,
	} {
		err, served := meet(Generate(), given)
		if e, ok := errors.AsType[*ShutOutError](err); !ok || e.For != want || !errors.Is(err, ErrAuthentication) {
			t.Errorf("a wrong key: %v, want one that says %v", err, want)
		}
		if _, ok := errors.AsType[*RefusedError](served); !ok {
			t.Errorf("the server's error is %v", served)
		}
		if err, served := meet(key, given); err != nil || served != nil {
			t.Errorf("the right key: %v, %v", err, served)
		}
	}
	if err, _ := meet(Generate(), 0); errors.Is(err, &ShutOutError{}) || !errors.Is(err, ErrAuthentication) {
		t.Errorf("a wrong key: %v", err)
	}
}
