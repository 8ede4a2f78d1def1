//go:build race

package client

// The race detector makes sync.Pool drop records on purpose.
const allocBudget = 12
