//go:build race

package pydoor

// The race detector allocates, and makes sync.Pool drop buffers on purpose.
const allocBudget = 30
