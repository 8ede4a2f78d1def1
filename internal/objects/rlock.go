package objects

import "github.com/syncmanager/syncmanager/internal/engine"

// rlockType is Python's threading.RLock. Its owner is a session and a number
// that the client chose; the same owner acquires it again without waiting, and
// releases it as often.
func rlockType() *engine.Type {
	return &engine.Type{Name: "RLock", New: newLock(true), Load: loadLock(true), Methods: []engine.Method{
		{Name: "acquire", Params: "owner: uint = 0", Result: "token, or False", Flags: engine.Parks, Fn: onMutex((*mutex).acquireAs), Leave: leaveAcquire, Undo: undoAcquire},
		{Name: "release", Params: "owner: uint = 0, token: uint = 0", Result: "None", Fn: onMutex((*mutex).release)},
		{Name: "locked", Result: "bool", Flags: engine.Reads, Fn: onMutex((*mutex).isLocked)},
		{Name: "holder", Result: "dict, or None", Flags: engine.Reads, Fn: onMutex((*mutex).holder)},
	}}
}
