//go:build !race

package client

const allocBudget = 3
