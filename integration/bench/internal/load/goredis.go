package load

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// goRedisDriver is one go-redis client with its default options (a pool of ten
// connections per core), except that it waits for a free connection as long as
// it must.
type goRedisDriver struct {
	client *redis.Client
	unlock *redis.Script
}

func connectGoRedis(ctx context.Context, s Spec) (Driver, error) {
	network := s.Network
	client := redis.NewClient(&redis.Options{
		Network:     network,
		Addr:        s.Addr,
		PoolTimeout: connectWait,
		// Only hosted Redis offers these; asking costs one failed command per
		// connection.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &goRedisDriver{client, redis.NewScript(unlockScript)}, nil
}

func (d *goRedisDriver) Prepare(ctx context.Context, r Request) error {
	switch r.Op {
	case OpGet, OpSet:
		for _, k := range keys(r.Keys, 0) {
			if err := d.client.Set(ctx, k, value(r.Size), 0).Err(); err != nil {
				return fmt.Errorf("fill: %w", err)
			}
		}
	case OpQueue:
		return d.client.Del(ctx, queueKey).Err()
	}
	return nil
}

func (d *goRedisDriver) Op(ctx context.Context, r Request, i int) (Op, error) {
	names, v, w, c := r.names, value(r.Size), newWalk(i), d.client
	switch r.Op {
	case OpGet:
		return func() error {
			got, err := c.Get(ctx, names[w.next(len(names))]).Result()
			if err != nil {
				return err
			}
			return sized(got, len(v))
		}, nil
	case OpSet:
		return func() error {
			return c.Set(ctx, names[w.next(len(names))], v, 0).Err()
		}, nil
	case OpQueue:
		return func() error {
			if err := c.LPush(ctx, queueKey, v).Err(); err != nil {
				return err
			}
			got, err := c.RPop(ctx, queueKey).Result()
			if err != nil {
				return err
			}
			return sized(got, len(v))
		}, nil
	case OpLock:
		name, token := fmt.Sprintf("bench:lock:%d", i), fmt.Sprintf("token:%d", i)
		return func() error {
			got, err := c.SetNX(ctx, name, token, 0).Result()
			if err != nil {
				return fmt.Errorf("acquire: %w", err)
			}
			if !got {
				return errors.New("acquire: the lock is held")
			}
			n, err := d.unlock.Run(ctx, c, []string{name}, token).Int()
			if err != nil {
				return fmt.Errorf("release: %w", err)
			}
			if n != 1 {
				return errors.New("release: the lock was not held")
			}
			return nil
		}, nil
	}
	return nil, &UnknownOpError{"go-redis", r.Op}
}

func (d *goRedisDriver) Close() error { return d.client.Close() }
