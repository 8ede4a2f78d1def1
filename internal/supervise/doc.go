// Package supervise starts child processes and sees to their end.
//
// A Child is one process in a process group of its own. Its end is noticed at
// once, with its exit code or signal, and whatever it left running in its group
// is ended with it. A Keeper keeps a number of children running: one that ends
// is started again, after a pause that grows while starts fail.
//
// # When the supervisor dies
//
// A program that is killed by SIGKILL cannot end its children. A parent-death
// signal alone does not do it: it comes when the thread that forked ends, which
// in a Go program may be long before the process does, and grandchildren do not
// get it. So there are two guards:
//
//   - Children are started from one thread that lives as long as the program,
//     with a parent-death signal (Linux).
//   - The first child brings a guardian: a shell outside of all these groups that
//     reads from a pipe which groups there are. At the pipe's end, which the
//     kernel brings about however the supervisor dies, it kills them.
//
// Windows has neither; Start refuses there.
package supervise
