package load

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/rueidis"
)

// unlockScript is the usual release of a Redis lock: delete it if it is still
// the caller's.
const unlockScript = `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`

// queueKey is the Redis list that stands for the queue.
const queueKey = "bench:queue"

// rueidisDriver is one rueidis client with its default options, except that the
// client-side cache is off: every read asks the server, as with every peer.
type rueidisDriver struct {
	client rueidis.Client
	filled map[int]bool // sizes of the values that are there; owned by Prepare
}

func connectRueidis(ctx context.Context, s Spec) (Driver, error) {
	addr := s.Addr
	if s.Network == "unix" {
		addr = "unix://" + addr
	}
	opt := rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true}
	if s.Network == "unix" {
		var err error
		if opt, err = rueidis.ParseURL(addr); err != nil {
			return nil, err
		}
		opt.DisableCache = true
	}
	client, err := rueidis.NewClient(opt)
	if err != nil {
		return nil, err
	}
	if err := client.Do(ctx, client.B().Ping().Build()).Error(); err != nil {
		client.Close()
		return nil, err
	}
	return &rueidisDriver{client, make(map[int]bool)}, nil
}

func (d *rueidisDriver) Prepare(ctx context.Context, r Request) error {
	b := d.client.B()
	switch r.Op {
	case OpGet, OpSet, OpGetMany, OpSetMany:
		for _, k := range keys(r.Keys, 0) {
			if err := d.client.Do(ctx, b.Set().Key(k).Value(value(r.Size)).Build()).Error(); err != nil {
				return fmt.Errorf("fill: %w", err)
			}
		}
	case OpValueGet, OpValueSet:
		if d.filled[r.Size] {
			return nil
		}
		d.filled[r.Size] = true
		for _, k := range keys(r.Keys, 0) {
			if err := d.client.Do(ctx, b.Hset().Key(hashOf(r)).FieldValue().FieldValue(k, value(r.Size)).Build()).Error(); err != nil {
				return fmt.Errorf("fill: %w", err)
			}
		}
	case OpQueue:
		return d.client.Do(ctx, b.Del().Key(queueKey).Build()).Error()
	}
	return nil
}

func (d *rueidisDriver) Op(ctx context.Context, r Request, i int) (Op, error) {
	names, v, w, c := r.names, value(r.Size), newWalk(i), d.client
	switch r.Op {
	case OpGet:
		return func() error {
			got, err := c.Do(ctx, c.B().Get().Key(names[w.next(len(names))]).Build()).ToString()
			if err != nil {
				return err
			}
			return sized(got, len(v))
		}, nil
	case OpSet:
		return func() error {
			return c.Do(ctx, c.B().Set().Key(names[w.next(len(names))]).Value(v).Build()).Error()
		}, nil
	case OpCount:
		return func() error {
			return c.Do(ctx, c.B().Hincrby().Key("bench:counters").Field(names[w.next(len(names))]).Increment(1).Build()).Error()
		}, nil
	case OpValueGet:
		hash := hashOf(r)
		return func() error {
			got, err := c.Do(ctx, c.B().Hget().Key(hash).Field(names[w.next(len(names))]).Build()).ToString()
			if err != nil {
				return err
			}
			return sized(got, len(v))
		}, nil
	case OpValueSet:
		hash := hashOf(r)
		return func() error {
			return c.Do(ctx, c.B().Hset().Key(hash).FieldValue().FieldValue(names[w.next(len(names))], v).Build()).Error()
		}, nil
	case OpQueue:
		return func() error {
			if err := c.Do(ctx, c.B().Lpush().Key(queueKey).Element(v).Build()).Error(); err != nil {
				return err
			}
			got, err := c.Do(ctx, c.B().Rpop().Key(queueKey).Build()).ToString()
			if err != nil {
				return err
			}
			return sized(got, len(v))
		}, nil
	case OpLock:
		return d.lock(ctx, i), nil
	case OpGetMany:
		return func() error {
			got, err := c.Do(ctx, c.B().Mget().Key(w.pick(names, r.Batch)...).Build()).AsStrSlice()
			if err != nil {
				return err
			}
			return many(len(got), r.Batch)
		}, nil
	case OpSetMany:
		return func() error {
			cmd := c.B().Mset().KeyValue()
			for _, k := range w.pick(names, r.Batch) {
				cmd = cmd.KeyValue(k, v)
			}
			return c.Do(ctx, cmd.Build()).Error()
		}, nil
	}
	return nil, &UnknownOpError{"rueidis", r.Op}
}

// hashOf is the Redis hash that stands for a dict of values of one size.
func hashOf(r Request) string { return fmt.Sprintf("bench:values:%d", r.Size) }

// lock takes and gives back a lock of the caller's own.
func (d *rueidisDriver) lock(ctx context.Context, i int) Op {
	c, name, token := d.client, fmt.Sprintf("bench:lock:%d", i), fmt.Sprintf("token:%d", i)
	script := rueidis.NewLuaScript(unlockScript)
	return func() error {
		if err := c.Do(ctx, c.B().Set().Key(name).Value(token).Nx().Build()).Error(); err != nil {
			return fmt.Errorf("acquire: %w", err)
		}
		n, err := script.Exec(ctx, c, []string{name}, []string{token}).AsInt64()
		if err != nil {
			return fmt.Errorf("release: %w", err)
		}
		if n != 1 {
			return errors.New("release: the lock was not held")
		}
		return nil
	}
}

func (d *rueidisDriver) Close() error {
	d.client.Close()
	return nil
}

// many is the check of every call for several keys.
func many(got, want int) error {
	if got != want {
		return fmt.Errorf("got %d values, want %d", got, want)
	}
	return nil
}
