package load

import (
	"context"
	"fmt"
)

// hashKey is the Redis hash that stands for a dict of many entries.
const hashKey = "bench:hash"

// fillBatch is how many entries one call of a fill carries.
const fillBatch = 1000

// fillBytes is how many bytes of values it carries at most.
const fillBytes = 4 << 20

// Measure fills the hash of the memory comparison, or removes it.
func (d *rueidisDriver) Measure(ctx context.Context, r Request) (Sample, bool, error) {
	if r.Op != OpFill {
		return nil, false, nil
	}
	c := d.client
	if err := c.Do(ctx, c.B().Flushall().Build()).Error(); err != nil {
		return nil, true, fmt.Errorf("fill: %w", err)
	}
	v := value(r.Size)
	for at := 0; at < r.Keys; {
		cmd := c.B().Hset().Key(hashKey).FieldValue()
		for end := min(at+fillBatch, r.Keys); at < end; at++ {
			cmd = cmd.FieldValue(key(at), v)
		}
		if err := c.Do(ctx, cmd.Build()).Error(); err != nil {
			return nil, true, fmt.Errorf("fill: %w", err)
		}
	}
	// What a forced collection is for a Go process: free pages go back.
	if err := c.Do(ctx, c.B().MemoryPurge().Build()).Error(); err != nil {
		return nil, true, fmt.Errorf("purge: %w", err)
	}
	n, err := c.Do(ctx, c.B().Hlen().Key(hashKey).Build()).AsInt64()
	if err != nil {
		return nil, true, fmt.Errorf("count: %w", err)
	}
	if int(n) != r.Keys {
		return nil, true, fmt.Errorf("the hash has %d entries, want %d", n, r.Keys)
	}
	return Sample{"entries": float64(n)}, true, nil
}
