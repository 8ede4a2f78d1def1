// Package journal keeps a log of entries and snapshots of a state on disk.
// docs/storage.md describes the bytes. The package knows bytes, indexes and
// checksums, and nothing of what the entries say.
//
// # Who does what
//
// One goroutine appends: Append writes all that it is given with one write for
// each segment and one sync. Group commit is its caller's: who collects entries
// while an Append is under way, and gives all of them to the next one, has it.
// Another goroutine, the log's own, makes segments ahead, writes the mark, and at
// the level of os syncs once a second.
//
// # What is trusted
//
// A sync that returned. After a sync or a write that failed nothing is known of
// what is on disk, and the log takes no more: the process must end. What a disk
// claims falsely to have synced is found by the mark, if that survived.
//
// Everything goes through the small interface FS, so that tests can have a disk
// that crashes, fills and lies; see crashfs.
package journal
