package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/syncmanager/syncmanager/proxy"
)

// contended is a lock that calls wait for.
type contended struct {
	name    string
	holders []party // all of them; of a semaphore each that has a permit
	waiters []party
	tokens  []uint64 // of the holds
}

// party is a client, or one of its threads.
type party struct {
	session uint64
	owner   uint64 // 0: which of its threads is not known
}

// same reports whether the two may be one thread.
func (p party) same(q party) bool {
	return p.session == q.session && (p.owner == 0 || q.owner == 0 || p.owner == q.owner)
}

// step leads from a lock to another, for which a holder of the first waits.
type step struct {
	session uint64
	lock    int
}

// suspects looks for cycles: a client that holds a lock and waits for another,
// whose holder waits for the first, directly or through others. It returns, for
// each lock that is in one, the shortest cycle through it in words, "" for the
// others.
//
// A lock with several holders counts only if all of them are stuck: one that is
// not will release it. Threads of a client that no owner tells apart count as
// one, except that waiting for a lock that the client itself has is no cycle.
func suspects(locks []contended) []string {
	waits := make(map[uint64][]int) // the locks that a session waits for, each once
	for i := range locks {
		for _, w := range locks[i].waiters {
			if l := waits[w.session]; len(l) == 0 || l[len(l)-1] != i {
				waits[w.session] = append(l, i)
			}
		}
	}
	// steps[i][j] are those of holder j of lock i.
	steps := make([][][]step, len(locks))
	for i := range locks {
		for _, h := range locks[i].holders {
			var list []step
			for _, to := range waits[h.session] {
				if slices.ContainsFunc(locks[to].waiters, func(w party) bool { return h.same(w) && (to != i || h.owner != 0 && w.owner != 0) }) {
					list = append(list, step{h.session, to})
				}
			}
			steps[i] = append(steps[i], list)
		}
	}
	stuck := stuckLocks(steps)
	texts := make([]string, len(locks))
	for i := range locks {
		if !stuck[i] || texts[i] != "" {
			continue
		}
		cycle := shortest(steps, stuck, i)
		if cycle == nil {
			continue
		}
		var b strings.Builder
		b.WriteString("suspected:")
		for n, s := range cycle {
			if n > 0 {
				b.WriteString(" ->")
			}
			fmt.Fprintf(&b, " client %d -> %s", s.session, locks[s.lock].name)
		}
		for _, s := range cycle {
			if texts[s.lock] == "" {
				texts[s.lock] = b.String()
			}
		}
	}
	return texts
}

// stuckLocks returns which locks have holders, all of which wait for such locks.
func stuckLocks(steps [][][]step) []bool {
	stuck := make([]bool, len(steps))
	for i := range steps {
		stuck[i] = len(steps[i]) > 0
	}
	for changed := true; changed; {
		changed = false
		for i, holders := range steps {
			if stuck[i] && slices.ContainsFunc(holders, func(list []step) bool {
				return !slices.ContainsFunc(list, func(s step) bool { return stuck[s.lock] })
			}) {
				stuck[i], changed = false, true
			}
		}
	}
	return stuck
}

// shortest returns the steps from the lock back to it, through stuck locks, nil
// if there is no such way.
func shortest(steps [][][]step, stuck []bool, from int) []step {
	type reached struct {
		step
		before int // in the queue
	}
	seen := make([]bool, len(steps))
	queue := []reached{{step{lock: from}, -1}}
	for at := 0; at < len(queue); at++ {
		for _, list := range steps[queue[at].lock] {
			for _, s := range list {
				if !stuck[s.lock] || seen[s.lock] {
					continue
				}
				seen[s.lock] = true
				queue = append(queue, reached{s, at})
				if s.lock != from {
					continue
				}
				var cycle []step
				for i := len(queue) - 1; i > 0; i = queue[i].before {
					cycle = append(cycle, queue[i].step)
				}
				slices.Reverse(cycle)
				return cycle
			}
		}
	}
	return nil
}

// cycles returns the suspected cycles in words, by the fencing tokens of the
// holds that are part of them. Locks of all names are looked at, since a cycle
// may lead through any.
func (a *app) cycles(ctx context.Context, m *proxy.Manager) (map[uint64]string, error) {
	types := append([]string{"Condition"}, lockTypes...)
	var locks []contended
	err := a.eachObject(ctx, m, choice{types: types}, func(o *proxy.ObjectInfo) error {
		if o.Waiting == 0 {
			return nil
		}
		bounded, cancel := a.within(ctx)
		defer cancel()
		l, err := contention(bounded, m, o)
		switch {
		case errors.Is(err, proxy.ErrNotFound), errors.Is(err, proxy.ErrUnknownObject), errors.Is(err, proxy.ErrRemoved):
			return nil // gone meanwhile
		case err != nil:
			return err
		}
		locks = append(locks, l)
		return nil
	})
	if errors.Is(err, proxy.ErrDenied) {
		fmt.Fprintln(a.stderr, "note: cycles were not looked for: who waits for whom is told to the role admin alone")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	marks := make(map[uint64]string)
	for i, text := range suspects(locks) {
		if text != "" {
			for _, token := range locks[i].tokens {
				marks[token] = text
			}
		}
	}
	return marks, nil
}

// contention asks who holds a lock and who waits for it. Whoever waits for a
// Condition needs its lock back.
func contention(ctx context.Context, m *proxy.Manager, o *proxy.ObjectInfo) (contended, error) {
	l := contended{name: o.Name}
	ref, err := m.Lookup(ctx, o.Name)
	if err != nil {
		return l, err
	}
	defer ref.Drop()
	waiting, err := m.Waiting(ctx, ref.ID())
	if err != nil {
		return l, err
	}
	holders, err := allHolders(ctx, ref)
	if err != nil {
		return l, err
	}
	for _, w := range waiting {
		l.waiters = append(l.waiters, party{w.Session, w.Owner})
	}
	seen := make(map[party]bool)
	for i := range holders {
		h := &holders[i]
		l.tokens = append(l.tokens, h.Token)
		if p := (party{h.Session, h.Owner}); !seen[p] {
			seen[p] = true
			l.holders = append(l.holders, p)
		}
	}
	return l, nil
}

// allHolders returns who holds a lock, or each permit of a semaphore.
func allHolders(ctx context.Context, ref *proxy.Ref) ([]proxy.LockInfo, error) {
	switch ref.TypeID() {
	case "Lock", "RLock", "Condition":
		h, err := proxy.Call[*proxy.LockInfo](ctx, ref, "holder")
		if h == nil {
			return nil, err
		}
		return []proxy.LockInfo{*h}, err
	}
	var all []proxy.LockInfo
	for after := uint64(0); ; {
		rows, err := proxy.Call[[]proxy.LockInfo](ctx, ref, "holders", after)
		if err != nil || len(rows) == 0 {
			return all, err
		}
		all = append(all, rows...)
		after = rows[len(rows)-1].Token
	}
}
