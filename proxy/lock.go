package proxy

type guardKey struct{}

// Hold is a lock that this program has.
type Hold struct {
	lock  Ref
	token uint64
}
