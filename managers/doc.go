// Package managers is a manager server as a library: it holds shared objects,
// and clients call them through the proxies of package proxy.
//
//	srv := managers.NewServer(managers.Config{AuthKey: key})
//	err := srv.Register("Maths", NewMaths, managers.TypeOptions{})
//	err = srv.ListenAndServe(ctx, "tcp://127.0.0.1:21600", "unix:///run/user/1000/managerd.sock")
//
// # Types of your own
//
// A type is registered with its constructor. Its exported methods can be called
// by clients; TypeOptions says which of their results become shared objects.
//
//	func NewBank(name string) (*Bank, error)
//	func (b *Bank) Open(name string) (*Account, error)
//	func (b *Bank) Transfer(ctx context.Context, ts ...Transfer) (int, error)
//	func (b *Bank) Log() iter.Seq[Transfer]
//
//	err := srv.Register("Account", func() *Account { return nil },
//		managers.TypeOptions{NoCreate: true})
//	err = srv.Register("Bank", NewBank, managers.TypeOptions{
//		MethodToTypeid: map[string]string{"Open": "Account", "Log": "Iterator"},
//	})
//
// In a client:
//
//	type Account struct{ proxy.Ref }
//
//	bank, err := m.Create(ctx, "Bank", "north")
//	account, err := proxy.Call[Account](ctx, bank, "Open", "ann")
//	n, err := proxy.Call[int](ctx, bank, "Transfer", t1, t2)
//	log, err := proxy.Call[*proxy.Iterator[Transfer]](ctx, bank, "Log")
//
// Structs travel as dicts of their fields, so both programs have a type for
// them with the same names or msgpack tags. A field that the other side does not
// have is left out.
//
// # The way of a call
//
// One goroutine reads each connection. It takes all frames that have arrived,
// takes the engine's lock once, applies them as commands, and gives the lock
// up. Then it appends the replies to the outboxes of the sessions that they
// belong to and flushes those; a flush never blocks, so neither does a read
// loop. A call that has to wait is a waiter in the engine and costs no
// goroutine. Methods of registered types run on goroutines of their own and
// come back as a command.
//
// # Locks
//
// core.mu guards the engine and everything that says so. It is held for a
// batch of commands, never across I/O or user code. Server.mu guards listeners
// and connections and may be held when core.mu is taken, not the other way
// round. Outboxes have locks of their own, which are taken last.
package managers
