package managers

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// places hands out processors to the work that is done outside the engine's lock:
// replies are encoded, lists sorted and searched, sets combined. A session has one
// place at a time, and sessions take turns, so that what one asks for does not keep
// the others waiting. A task that is not wanted any more gives its place back at
// once.
type places struct {
	// Fixed at creation.
	limit   int
	running *sync.WaitGroup

	mu     sync.Mutex // guards what follows; taken alone
	queues map[uint64]*placeQueue
	turn   []*placeQueue // those with tasks and none that runs, in turn
	taken  int
}

// placeQueue are the tasks of one session, the one that runs first.
type placeQueue struct {
	session uint64
	tasks   []*task
	runs    bool
}

// task is one piece of work.
type task struct {
	run   func(pause engine.Pause)
	owner any // the connection that its result is for, or nil
	off   atomic.Bool
	began time.Time
}

// maxTasks bounds the tasks of one session that wait for a place.
const maxTasks = 4096

// errTasks refuses work for a session that has asked for too much at once.
var errTasks = wire.Errorf(wire.CodeOverloaded, "%d large replies of this session wait to be made; ask for fewer at a time", maxTasks)

func newPlaces(running *sync.WaitGroup) *places {
	return &places{limit: max(2, runtime.GOMAXPROCS(0)), running: running, queues: make(map[uint64]*placeQueue)}
}

// pause lets others run when the task has had a processor for long. It sleeps,
// since Go's scheduler looks at the network only when a processor has nothing to
// do, or after 10 ms. It reports whether the task is still wanted.
func (t *task) pause() bool {
	if t.off.Load() {
		return false
	}
	if time.Since(t.began) > maxTurn {
		time.Sleep(time.Microsecond)
		t.began = time.Now()
	}
	return !t.off.Load()
}

// cancel says that the task's result is not wanted. It is run nevertheless, with a
// pause that says so from the start.
func (t *task) cancel() { t.off.Store(true) }

// add gives a task its turn. It reports false, and does nothing, when the session
// has too many.
func (p *places) add(session uint64, t *task) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.queues[session]
	if q == nil {
		q = &placeQueue{session: session}
		p.queues[session] = q
	}
	if len(q.tasks) >= maxTasks {
		return false
	}
	q.tasks = append(q.tasks, t)
	if len(q.tasks) == 1 {
		p.turn = append(p.turn, q)
		p.startLocked()
	}
	return true
}

func (p *places) startLocked() {
	for p.taken < p.limit && len(p.turn) > 0 {
		q := p.turn[0]
		p.turn = p.turn[1:]
		q.runs = true
		p.taken++
		p.running.Add(1)
		go p.work(q)
	}
}

// work runs the first task of a queue, and then those of the queues that are next.
func (p *places) work(q *placeQueue) {
	defer p.running.Done()
	for q != nil {
		p.mu.Lock()
		t := q.tasks[0]
		p.mu.Unlock()
		t.began = time.Now()
		t.run(t.pause)
		q = p.next(q)
	}
}

// next ends the first task of a queue and returns the queue whose turn it is.
func (p *places) next(q *placeQueue) *placeQueue {
	p.mu.Lock()
	defer p.mu.Unlock()
	q.runs = false
	q.tasks[0] = nil
	if q.tasks = q.tasks[1:]; len(q.tasks) > 0 {
		p.turn = append(p.turn, q)
	} else {
		delete(p.queues, q.session)
	}
	if len(p.turn) == 0 {
		p.taken--
		return nil
	}
	q = p.turn[0]
	p.turn = p.turn[1:]
	q.runs = true
	return q
}

// drop ends the tasks of a session whose results are for a connection that is gone.
func (p *places) drop(session uint64, owner any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.queues[session]
	if q == nil {
		return
	}
	kept := q.tasks[:0]
	for i, t := range q.tasks {
		if t.owner == owner {
			t.cancel()
			if !q.runs || i > 0 {
				continue
			}
		}
		kept = append(kept, t)
	}
	clear(q.tasks[len(kept):])
	if q.tasks = kept; len(kept) > 0 {
		return
	}
	delete(p.queues, session)
	for i, w := range p.turn {
		if w == q {
			p.turn = append(p.turn[:i:i], p.turn[i+1:]...)
			break
		}
	}
}
