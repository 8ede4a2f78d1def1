//go:build !race

package link

const allocBudget = 0
