//go:build !race

package pickle

const poolSlack = 0
