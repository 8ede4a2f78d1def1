//go:build !race

package pydoor

// allocBudget is for one request, with what the harness takes.
const allocBudget = 16
