// Package faults breaks connections on purpose, and holds the promises of
// docs/reliability.md against what is left.
//
// A Relay stands between one client and a server. It passes bytes on, and by a
// seed it delays them, cuts the connection in the middle of a frame, stalls one
// direction, or lets a side believe in a connection that is gone. What a Relay
// does depends on its seed, the number of the connection and the bytes that
// have passed, so that a seed that fails fails again.
//
// A Trial has many sessions work on shared objects through such relays, kills
// some of them, and balances the books afterwards. A History records what
// clients saw, for a check of linearizability. Beside a server's calls its raw
// connections can be put on trial: an Echo serves them.
//
// Nothing here depends on the server: it may be in this process, in a synctest
// bubble, or elsewhere.
package faults
