// Package group runs one member of a Raft group over a log on disk (internal/journal):
// what is proposed is in the log, safely on the disks of a majority, before it is
// applied. A group of one member is a server's own log. The consensus is
// go.etcd.io/raft, which this package alone imports.
//
// # Two goroutines
//
// The raft node is a value without goroutines; here it stands under one mutex, and
// whoever has changed it hands on what it asks for: messages to the transport,
// entries to the writer, committed entries to the applier.
//
//   - The writer is the sequencer as well. Propose appends to what waits. When the
//     writer is free it takes all that waits, forms entries of it, proposes them,
//     and writes and syncs them together. No entry is formed before that.
//   - The applier gives committed entries to the Machine, in order, and takes
//     snapshots between two of them.
//
// A proposal carries a tag, which the Machine gets back with the record when it is
// applied on the member that proposed it. What was proposed and cannot be
// committed any more comes back by Dropped.
package group
