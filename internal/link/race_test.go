//go:build race

package link

// The race detector makes sync.Pool drop buffers on purpose.
const allocBudget = 8
