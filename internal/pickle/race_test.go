//go:build race

package pickle

// The race detector makes sync.Pool drop values on purpose.
const poolSlack = 3
