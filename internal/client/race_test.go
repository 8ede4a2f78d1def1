//go:build race

package client

// The race detector makes sync.Pool drop buffers on purpose.
const allocBudget = 8
